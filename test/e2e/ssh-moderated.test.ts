/** Moderated shells and commands over SSH: while nobody watches, nothing that is typed arrives and nothing that is written is shown. */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { type SshHouse, type SshRun, startSshHouse } from '../fakes/ssh-house.ts';
import { watchSession } from '../fakes/watcher.ts';
import { until } from './clients.ts';

const HOLD =
  '{ hold: { approvers: { groups: [db-owners, data-agents] }, proof: login, moderated: true, wait: 4s, within: 5m } }';

const POLICY = `version: 1
access:
  - name: operators
    subjects: { groups: [data-agents] }
    targets: [web-1]
    effects: [read, write, delete, administer, execute, transfer, unknown]
rules:
  - name: shells-and-more
    targets: [web-1]
    when: { effects: [unknown, execute, transfer, administer] }
    then: allow
  - name: eyes-on-shells
    targets: [web-1]
    when: { ssh.request: shell }
    then: ${HOLD}
  - name: eyes-on-cat
    targets: [web-1]
    when: { ssh.program: cat }
    then: ${HOLD}
  - name: eyes-on-files
    targets: [web-1]
    when: { ssh.request: sftp }
    then: ${HOLD}
`;

let house: SshHouse;
let run: SshRun;
before(async () => {
  house = await startSshHouse({ policy: POLICY, target: ['modes: [argv, exec, shell]'] });
});
after(async () => {
  await house?.[Symbol.asyncDispose]();
});

/** A run of its own for each test: whoever asks is told apart from the others. */
async function open(args: readonly string[]) {
  run = await house.run('dana');
  const child = spawn('ssh', ['-F', run.config, ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir() },
  }) as ChildProcessWithoutNullStreams;
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString('latin1');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk.toString('latin1');
  });
  child.stdin.on('error', () => {});
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const mine = run;
  return {
    child,
    said,
    closed,
    run: mine,
    async approved(): Promise<string> {
      const { approval } = await mine.event('held');
      const riley = await house.stack.client('riley');
      const view = await riley.approval(approval);
      await riley.decide(approval, { decision: 'approve', digest: view.digest });
      return view.session;
    },
    watch: async (session: string, who = 'riley') => watchSession(await house.stack.client(who), session),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
      await mine[Symbol.asyncDispose]();
    },
  };
}

test('a shell pauses when its watcher leaves: nothing typed arrives, nothing is shown, and then all of it in order', async (t) => {
  await using here = await open(['-tt', 'web-1']);
  const { said, child } = here;
  const session = await here.approved();
  await until('the client is told', () =>
    said.err.includes(`waiting for a watcher (rule "eyes-on-shells"), at most 4 s: hoopctl sessions tail ${session}`),
  );
  const watcher = await here.watch(session);
  await until('there is a prompt', () => said.out.length > 0);
  child.stdin.write('while :; do echo tick; sleep 0.02; done &\r');
  await until('it ticks', () => said.out.split('tick\r\n').length > 5);
  await watcher.stop();
  await until('the client hears of it', () => said.err.includes('hoop: paused, nobody watches'));
  await setTimeout(300);
  const still = said.out.length;
  const file = join(tmpdir(), `hoopctl-typed-${session}`);
  t.after(() => rmSync(file, { force: true }));
  child.stdin.write(`touch ${file}\r`);
  await using _own = await here.watch(session, 'dana');
  await setTimeout(700);
  assert.equal(said.out.length, still);
  assert.equal(existsSync(file), false);
  await using _again = await here.watch(session);
  await until('what was typed arrives', () => existsSync(file));
  assert.match(said.err, /goes on, it is watched again/);
  child.stdin.write('kill %1; exit\r');
  await here.closed;
});

test('a shell that nobody watches any more ends, and its client hears why', async () => {
  await using here = await open(['-tt', 'web-1']);
  const session = await here.approved();
  const watcher = await here.watch(session);
  await until('there is a prompt', () => here.said.out.length > 0);
  await watcher.stop();
  assert.notEqual(await here.closed, 0);
  assert.match(here.said.err, /HOOP_HELD: rule "eyes-on-shells" has this watched, and nobody watched for 4 s/);
  const closed = (await until('it is sealed', async () =>
    (
      await house.events()
    ).find((event) => event['type'] === 'session.closed' && (event['end'] as { kind: string }).kind === 'unwatched'),
  )) as Record<string, unknown>;
  assert.deepEqual(closed['end'], { kind: 'unwatched', rule: 'eyes-on-shells', waitedMs: 4000 });
});

test('standard input waits for a watcher too, and comes whole', async () => {
  await using here = await open(['web-1', 'cat | cat']);
  const session = await here.approved();
  const watcher = await here.watch(session);
  here.child.stdin.write('first\n');
  await until('it comes back', () => here.said.out === 'first\n');
  await watcher.stop();
  await until('the client hears of it', () => here.said.err.includes('paused'));
  here.child.stdin.end('second\n');
  await setTimeout(500);
  assert.equal(here.said.out, 'first\n');
  await using _again = await here.watch(session);
  assert.equal(await here.closed, 0);
  assert.equal(here.said.out, 'first\nsecond\n');
});

test('files over SFTP cannot be watched, and are refused where a rule wants that', async () => {
  await using mine = await house.run('dana');
  const done = await mine.program('sftp', ['-b', '-', 'web-1'], { input: 'ls\n' });
  assert.notEqual(done.code, 0);
  assert.match(done.stderr, /HOOP_DENIED: rule "eyes-on-files" has this watched/);
});
