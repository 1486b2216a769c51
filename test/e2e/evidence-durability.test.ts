/** The disk of the recordings fills up under a gateway that works: who is told what, and that it mends by itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { auditVerify } from '../../src/app/audit.ts';
import { findRecording, readEvents } from '../../src/record/index.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, later, ran, refused, sessionOf, until } from './clients.ts';

let stack: Stack;
let disk: string;
let ballast: string;
const canMount = process.getuid?.() === 0;

before(async () => {
  disk = mkdtempSync(join(tmpdir(), 'hoop-disk-'));
  ballast = join(disk, 'ballast');
  if (canMount) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
  stack = await startStack({ gatewayYaml: (yaml) => yaml.replaceAll('file:./recordings', `file:${disk}/recordings`) });
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  if (canMount) execFileSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true, force: true });
});

async function ready(): Promise<{ status: number; problems: string[] }> {
  const answer = await fetch(`${stack.gateway.adminUrl}/readyz`);
  return { status: answer.status, ...((await answer.json()) as { problems: string[] }) };
}

function fill(): void {
  for (let bytes = 1024 * 1024; bytes >= 1; bytes = bytes >> 1) {
    try {
      for (;;) writeFileSync(ballast, Buffer.alloc(bytes), { flag: 'a' });
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }
}

test('a full disk stops what would run, closes what runs with a signature, and is over when there is room', async (t) => {
  if (!canMount)
    return t.skip('needs root to mount a small disk: test/record/full-disk.test.ts has the same below the gateway');
  await using run = await stack.run('dana');
  await using client = await connected(run);
  await using idle = await connected(run);
  const sessions = [await sessionOf(stack, client), await sessionOf(stack, idle)];
  assert.equal((await ready()).status, 200);

  fill();
  assert.equal((await ready()).status, 503);
  // What the last block still takes passes, and is recorded as ever.
  let told: Awaited<ReturnType<typeof refused>> | undefined;
  let last = 0;
  for (let i = 0; !told && i < 500; i += 1) {
    const answer = await later(client.query(`SELECT ${i} AS "mark ${i} ${'x'.repeat(50)}"`));
    if (!answer.ok) told = answer.told;
    else last = i;
  }
  // A signature that is due may find the disk full before the next statement does.
  const why = /not queryable/.test(told?.message ?? '') ? String(await client.ended) : told?.message;
  assert.match(why ?? '', /HOOP_UNAVAILABLE: the recording cannot be written/);
  assert.equal(await ran(stack, `mark ${last + 1} `), 0, 'what was refused was not sent');
  assert.match(String(await idle.ended), /HOOP_UNAVAILABLE/);

  const fresh = await refused(connected(run));
  assert.match(fresh.message, /HOOP_UNAVAILABLE/);
  const { status, problems } = await ready();
  assert.equal(status, 503);
  assert.match(problems.join(), /recordings: .*full/);

  const keyFiles = [join(stack.gatewayFolder, 'keys', 'recording.pub')];
  const recordings = join(disk, 'recordings');
  for (const session of sessions) {
    await until(
      'it is sealed',
      async () => (await auditVerify({ path: recordings, session, keyFiles }, () => {})).failed === 0,
    );
    const events = await Array.fromAsync(readEvents(findRecording(recordings, session) as string));
    const closed = events.find(({ type }) => type === 'session.closed');
    assert.deepEqual(closed && 'end' in closed && closed.end, { kind: 'recorderFailed' });
  }

  rmSync(ballast);
  await until('the gateway is ready again', async () => (await ready()).status === 200);
  await using again = await connected(run);
  assert.equal((await again.query('SELECT 1 AS one')).rows[0].one, 1);
});
