/** The search that says of a process that it does not hold a secret finds one where there is one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { searchProcesses } from '../../../src/app/demo/search.ts';

test('a secret is found in the environment and in the memory of processes below, and one that is not there is not', async () => {
  const [inEnvironment, inMemory, nowhere] = [0, 1, 2].map(() => randomBytes(12).toString('hex')) as [
    string,
    string,
    string,
  ];
  // Read from its input: neither its arguments nor its environment have it.
  const holder = `process.stdin.once('data', (chunk) => { globalThis.kept = 'x' + chunk; console.log(process.pid); }); setInterval(() => {}, 1000)`;
  const starter = `
    const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(holder)}],
      { env: { ...process.env, KEPT: '${inEnvironment}' }, stdio: ['inherit', 'inherit', 'inherit'] });
    child.once('exit', () => process.exit())`;
  const child = spawn(process.execPath, ['-e', starter], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.write(inMemory);
  const [pid] = (await once(child.stdout, 'data')) as [Buffer];
  try {
    assert.ok(child.pid);
    const { searched, lookedInto, found } = await searchProcesses(child.pid, [inEnvironment, inMemory, nowhere]);
    assert.equal(searched, 1);
    assert.equal(lookedInto, 'environment and memory');
    assert.deepEqual(found, [1, 1, 0]);
  } finally {
    process.kill(Number(pid));
    await once(child, 'close');
  }
});
