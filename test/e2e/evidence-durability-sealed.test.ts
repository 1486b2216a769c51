/** A gateway whose recordings only an auditor reads: nothing of what was said lies in clear in any byte it wrote. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { recordedEvents } from '../../src/app/recording.ts';
import { openUnsealing } from '../../src/app/unsealing.ts';
import { findRecording, type RecordedEvent } from '../../src/record/index.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, decide, later, openRequest, refused, sessionOf, verified } from './clients.ts';

const CANARY = 'zebrafish77';

let stack: Stack;
let identityFile: string;
before(async () => {
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  const more = `compress: zstd, quota: { perRun: 400KiB }, encrypt: { recipients: [${recipient}] }`;
  stack = await startStack({
    gatewayYaml: (yaml) => yaml.replace(/recordings: \{ (url: 'file:[^']*').*/, `recordings: { $1, ${more} }`),
    sql: `CREATE TABLE ${CANARY}_table (id int, body text); GRANT SELECT, DELETE ON ${CANARY}_table TO shop_agent;
      INSERT INTO ${CANARY}_table VALUES (1, '${CANARY}-row');`,
  });
  identityFile = join(stack.folder, 'auditor.txt');
  await writeFile(identityFile, `# auditor\n${identity}\n`);
});
after(() => stack[Symbol.asyncDispose]());

/** Every file the gateway wrote, the store's own among them. */
function holding(text: string): string[] {
  const spelt = [
    text,
    Buffer.from(text).toString('hex'),
    Buffer.from(text)
      .toString('base64')
      .replace(/.{2}=*$/, ''),
  ];
  return readdirSync(stack.gatewayFolder, { recursive: true })
    .map((name) => join(stack.gatewayFolder, `${name}`))
    .filter((path) => statSync(path).isFile())
    .filter((path) => spelt.some((one) => readFileSync(path).includes(one)));
}

async function eventsOf(session: string, identity?: string): Promise<RecordedEvent[]> {
  const path = findRecording(stack.recordings, session) as string;
  return Array.fromAsync(recordedEvents(path, await openUnsealing(identity)));
}

describe('with recordings for an auditor alone', () => {
  test('nothing that was said lies in clear in any file, while it runs and afterwards', async () => {
    await using run = await stack.run('dana');
    const client = await connected(run);
    const session = await sessionOf(stack, client);
    const { rows } = await client.query(`SELECT body, $1::text AS "${CANARY}-column" FROM ${CANARY}_table`, [
      `${CANARY}-parameter`,
    ]);
    assert.equal(rows[0].body, `${CANARY}-row`);
    const told = await refused(client.query(`CREATE TABLE ${CANARY}_made (id int)`));
    assert.match(told.message, /HOOP_DENIED/);
    await refused(client.query(`SELECT '${CANARY}-error'::int`));
    const held = later(client.query(`DELETE FROM ${CANARY}_table WHERE body = '${CANARY}-held'`));
    const request = await openRequest(stack, run, `${CANARY}-held`);
    // What the approver is shown is shown, and does not lie in the store in clear either.
    assert.deepEqual(holding(CANARY), []);
    await decide(stack, request.id, 'riley', 'deny', `${CANARY}-reason`);
    assert.equal((await held).ok, false);
    assert.match((await (await stack.client('riley')).approval(request.id)).text, new RegExp(`${CANARY}-held`));
    await client.end();
    await run.close('done');
    await stack.restart();
    const left = holding(CANARY).map((path) => path.slice(stack.gatewayFolder.length));
    // What an approver said stands beside their name in the store, which is where approvals are listed from.
    assert.deepEqual(
      left.filter((path) => !path.startsWith('/data/hoop.db')),
      [],
    );
    for (const word of ['row', 'column', 'parameter', 'error', 'held'])
      assert.deepEqual(holding(`${CANARY}-${word}`), [], word);
    for (const name of ['table', 'made']) assert.deepEqual(holding(`${CANARY}_${name}`), [], name);
    assert.equal(stack.log.join('\n').includes(CANARY), false);
    assert.deepEqual(Object.keys(await verified(stack, { allow: 'open' })), ['complete']);

    const closed = await eventsOf(session);
    assert.equal(JSON.stringify(closed).includes(CANARY), false);
    const open = await eventsOf(session, identityFile);
    for (const word of ['row', 'column', 'parameter', 'error', 'held', 'reason'])
      assert.ok(JSON.stringify(open).includes(`${CANARY}-${word}`), word);
  });

  test('texts are not searched by, and the list says who, where and how many all the same', async () => {
    const client = await stack.client('riley');
    const [row] = await client.sessions({ limit: 1 });
    assert.equal(row?.target, 'shop');
    assert.ok((row?.commands ?? 0) > 0);
    const dana = await stack.client('dana');
    assert.equal((await dana.sessions({})).length > 0, true);
  });

  test('an agent that records without end is refused in its protocol, and only it', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    let answer: Awaited<ReturnType<typeof later>> | undefined;
    for (let i = 0; i < 100 && answer?.ok !== false; i += 1)
      answer = await later(client.query(`SELECT repeat('x', 30000) AS x${i}`));
    assert.ok(answer?.ok === false);
    assert.match(answer.told.message, /HOOP_LIMIT: the recordings of this run hold 400 KiB/);
    // Its session stands, and nothing else of it passes.
    assert.match((await refused(client.query('SELECT 1'))).message, /HOOP_LIMIT/);
    assert.match((await refused(connected(run))).message, /HOOP_LIMIT/);
    await using other = await stack.run('dana');
    await using free = await connected(other);
    assert.equal((await free.query('SELECT 1 AS one')).rows[0].one, 1);
  });
});
