/** What happens at a real gateway leaves it while it happens, is there again after it was killed, and is looked through for what is unusual. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { newHome } from '../cli/cli.ts';
import { webReceiver, type WebReceiver } from '../app/gateway/events/place.ts';
import { linesOf } from '../record/workbench.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected } from './clients.ts';
import { until } from '../fakes/until.ts';

let stack: Stack;
let receiver: WebReceiver;
/** What the receiver does with a delivery: takes it, or never answers. */
let takes = true;

before(async () => {
  receiver = await webReceiver(() => (takes ? 200 : undefined));
  stack = await startStack({
    gateway: 'process',
    env: { EVENTS_SECRET: 'only the receiver knows' },
    gatewayYaml: (yaml) => `${yaml}events:
  - { webhook: { url: '${receiver.url}', secret: { env: EVENTS_SECRET } } }
  - { file: ./events.ndjson }
`,
  });
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

async function asked(...statements: readonly string[]): Promise<void> {
  await using run = await stack.run('dana');
  await using client = await connected(run);
  for (const statement of statements) await client.query(statement).catch(() => {});
  await client.end();
  await run.event('session.closed');
}

const uids = () => new Set(receiver.events().map((event) => (event['metadata'] as { uid: string }).uid));
const SENT = new Set(['session.opened', 'verdict', 'outcome', 'session.closed']);

/** Of plain recordings, those lines that are sent. */
async function recorded(): Promise<Set<string>> {
  const { default: zlib } = await import('node:zlib');
  const found = new Set<string>();
  for (const name of await readdir(stack.recordings, { recursive: true })) {
    if (!/ses_[^/]*\.ndjson(\.gz)?$/.test(name)) continue;
    const path = join(stack.recordings, name);
    const lines = name.endsWith('.gz')
      ? zlib
          .gunzipSync(await readFile(path))
          .toString()
          .trim()
          .split('\n')
      : linesOf(path);
    let session = '';
    for (const line of lines) {
      const event = JSON.parse(line);
      session = event.session ?? session;
      if (SENT.has(event.type) || event.by === 'gateway') found.add(`${session}:${event.seq}`);
    }
  }
  return found;
}

test('what a session does is told, the statement that was refused too, to each receiver', async () => {
  await asked('SELECT id FROM orders LIMIT 1', 'DROP TABLE orders');
  await until('the end of the session', () => receiver.events().some((event) => event['type_uid'] === 300202));
  const events = receiver.events();
  const refused = events.find((event) => event['status_code'] === 'HOOP_DENIED');
  assert.equal(refused?.['class_uid'], 6005);
  assert.equal(refused && (refused['query_info'] as { query_string: string }).query_string, 'DROP TABLE orders');
  assert.deepEqual(uids(), await recorded());
  const file = join(stack.gatewayFolder, 'events.ndjson');
  await until('the file', () => linesOf(file).length === events.length);
});

test('a gateway that was killed while its receiver hung tells all of it when it is back', async () => {
  takes = false;
  const run = await stack.run('dana');
  const client = await connected(run);
  for (let n = 0; n < 20; n++) await client.query(`SELECT ${n}`);
  await stack.process.kill();
  await client.end().catch(() => {});
  await Promise.resolve(run[Symbol.asyncDispose]()).catch(() => {});
  takes = true;
  await stack.start();
  const all = await recorded();
  await until('all that was recorded', () => all.isSubsetOf(uids()));
});

test('/metrics counts what is delivered to whom', async () => {
  const told = receiver.events().length;
  assert.ok(told > 0);
  const { adminUrl } = stack.gateway;
  let text = '';
  const delivered = (sink: string) => new RegExp(`hoop_events_delivered\\{sink="${sink}"\\} [1-9]`).test(text);
  await until('both receivers counted', async () => {
    text = await (await fetch(`${adminUrl}/metrics`)).text();
    return delivered('webhook') && delivered('file');
  });
  assert.match(text, /hoop_events_dropped\{sink="webhook"\} 0/);
});

test('an auditor finds the refusals of one session among the others, with the command, and cron by the exit code', async (t) => {
  await asked(...Array.from({ length: 6 }, () => 'DROP TABLE orders'));
  const home = newHome(t);
  const env = { HOOPCTL_GATEWAY: stack.gateway.url, HOOPCTL_TOKEN: await stack.token('riley') };
  const flagged = await home.run(['sessions', 'flag', '--json'], { env });
  assert.equal(flagged.code, 1, flagged.stderr);
  const [finding, ...others] = flagged.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(others, []);
  assert.deepEqual([finding.rule, finding.principal, finding.evidence.refused], ['refusals', 'dana@example.test', 6]);
  assert.deepEqual([finding.command.text, finding.command.code], ['DROP TABLE orders', 'HOOP_DENIED']);
  const nothing = await home.run(['sessions', 'flag', '--target', 'nowhere'], { env });
  assert.deepEqual([nothing.code, nothing.stdout], [0, '']);
});
