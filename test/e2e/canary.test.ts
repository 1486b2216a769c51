/**
 * Zero secrets: the target's credential is looked for, in every spelling, in all that a run leaves behind and in every byte its client gets, also when
 * the target itself holds the credential and says it.
 */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { newHome } from '../cli/cli.ts';
import { copyOut } from '../fakes/pg-copy.ts';
import { DATABASE_PASSWORD, type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import { decide, later, openRequest, ran } from './clients.ts';

const BASE64 = Buffer.from(DATABASE_PASSWORD).toString('base64');

/** The credential as it is, in URLs, and in Base64 wherever in a longer text it stands (less the characters it shares with its neighbours). */
const SPELLINGS = [
  DATABASE_PASSWORD,
  encodeURIComponent(DATABASE_PASSWORD),
  ...[0, 1, 2].map((shift) =>
    Buffer.from('x'.repeat(shift) + DATABASE_PASSWORD)
      .toString('base64')
      .replace(/=+$/, '')
      .slice(shift + 1, -2),
  ),
];

// riley's access is not narrowed: no masks and no scope, so that as much as can be comes back as the target says it.
const POLICY = `${demoPolicyYaml()
  .replace(
    'rules:',
    '  - { name: open, subjects: { groups: [db-owners] }, targets: [shop], effects: [read, write, execute, control] }\nrules:\n  - { name: shouting, targets: [shop], when: { effects: [execute] }, then: allow }',
  )
  .replaceAll('with: redact }', 'with: redact, subjects: { groups: [data-agents] } }')}`;

const SQL = `
CREATE TABLE leaks (id int, note text, raw bytea);
INSERT INTO leaks VALUES
  (1, '${DATABASE_PASSWORD}', '${DATABASE_PASSWORD}'),
  (2, '${BASE64}', '${BASE64}'),
  (3, '${encodeURIComponent(DATABASE_PASSWORD)}', NULL),
  (4, 'postgres://shop_agent:${encodeURIComponent(DATABASE_PASSWORD)}@db.example/shop', NULL),
  (5, '${Buffer.from(`shop_agent:${DATABASE_PASSWORD}`).toString('base64')}', NULL),
  (6, '${Buffer.from(`x:${DATABASE_PASSWORD};`).toString('base64')}', NULL);
CREATE TABLE odd ("${DATABASE_PASSWORD}" int);
INSERT INTO odd VALUES (7);
CREATE FUNCTION shout() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE '%', (SELECT note FROM leaks WHERE id = 1) USING DETAIL = '${BASE64}', HINT = '${DATABASE_PASSWORD}';
  RAISE EXCEPTION '%', (SELECT note FROM leaks WHERE id = 1) USING DETAIL = '${BASE64}', HINT = '${DATABASE_PASSWORD}';
END $$;
ALTER ROLE shop_agent SET "shop.secret" TO '${DATABASE_PASSWORD}';
GRANT SELECT ON leaks, odd TO shop_agent;`;

let stack: Stack;
before(async () => {
  stack = await startStack({ policy: POLICY, sql: SQL });
});
after(() => stack[Symbol.asyncDispose]());

/** A client that keeps every byte it got. */
async function tapped(run: StackRun) {
  const chunks: Buffer[] = [];
  const socket = new Socket();
  socket.on('data', (chunk) => void chunks.push(chunk));
  const client = new pg.Client({ ...run.connection, stream: () => socket } as pg.ClientConfig);
  client.on('error', () => {});
  await client.connect();
  return { client, bytes: () => Buffer.concat(chunks), [Symbol.asyncDispose]: () => client.end().catch(() => {}) };
}

function assertClean(what: string, bytes: Buffer | string): void {
  for (const spelling of SPELLINGS) {
    const at = bytes.indexOf(spelling);
    const around = bytes.slice(Math.max(0, at - 80), at + 120).toString();
    assert.equal(at, -1, `${what} holds the credential (${spelling}): …${around}…`);
  }
}

/** Every file below, with compressed ones as they are and opened. */
async function searchFiles(folder: string, spare: (path: string) => boolean): Promise<number> {
  let searched = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || spare(path)) continue;
    const bytes = await readFile(path);
    assertClean(path, bytes);
    if (path.endsWith('.gz')) assertClean(path, gunzipSync(bytes));
    searched++;
  }
  return searched;
}

test('the search finds every spelling where there is one', async () => {
  for (const id of [1, 2, 3, 4, 5, 6]) {
    const note = await stack.sql(`SELECT note FROM leaks WHERE id = ${id}`);
    assert.throws(() => assertClean('the table', note), note);
    assert.throws(() => assertClean('the table', Buffer.from(note)), note);
  }
});

describe('a target that says its own credential', () => {
  const says: Record<string, (client: pg.Client) => Promise<unknown>> = {
    'as a value': (client) => client.query('SELECT id, note FROM leaks ORDER BY id'),
    'as a value in binary': (client) =>
      client.query({ text: 'SELECT note, raw FROM leaks WHERE id < $1', values: [3], binary: true } as pg.QueryConfig),
    'inside another value': (client) => client.query("SELECT id, 'the password is ' || note || '!' FROM leaks"),
    'as JSON': (client) => client.query('SELECT to_jsonb(leaks) FROM leaks'),
    'as one value of many': (client) => client.query("SELECT string_agg(note, ' ') FROM leaks"),
    'as the name of a column': (client) => client.query('SELECT * FROM odd'),
    'in an error': (client) => client.query('SELECT note::int FROM leaks WHERE id = 1'),
    'in an error about a parameter': (client) =>
      client.query('SELECT note::int + $1::int FROM leaks WHERE id = 1', [1]),
    'as a setting': (client) => client.query('SHOW shop.secret'),
    'in a notice and an exception of its own code': (client) => client.query('SELECT shout()'),
    'in a copy': (client) => copyOut(client, 'COPY leaks TO STDOUT'),
    'in a copy of a query': (client) => copyOut(client, 'COPY (SELECT note FROM leaks) TO STDOUT WITH (FORMAT csv)'),
    'through a cursor': async (client) => {
      await client.query('BEGIN');
      await client.query('DECLARE c CURSOR FOR SELECT note FROM leaks');
      await client.query('FETCH ALL FROM c');
      await client.query('COMMIT');
    },
  };
  for (const [how, ask] of Object.entries(says)) {
    test(`${how} is not passed on`, async () => {
      await using run = await stack.run('riley');
      await using tap = await tapped(run);
      const before = await ran(stack, '');
      const answer = await later(ask(tap.client));
      assert.ok((await ran(stack, '')) > before, `it was sent: ${JSON.stringify(answer)}`);
      assertClean('what the client got', tap.bytes());
    });
  }
});

test('an agent finds it neither in its environment nor in that of the hoopctl that started it, nor in files it can reach', async (t) => {
  const home = newHome(t);
  await writeFile(join(home.dir, 'agent.mjs'), AGENT);
  const env = { ...home.env, HOOPCTL_GATEWAY: stack.gateway.url, HOOPCTL_TOKEN: await stack.token('dana') };
  const ended = await home.run(['run', '--verbose', 'agent.mjs'], { env });
  assert.equal(ended.code, 0, ended.stderr);
  const found = JSON.parse(ended.stdout) as { env: Record<string, string>; files: string[] };
  assert.ok(found.env.DATABASE_URL?.includes('127.0.0.1'));
  assert.ok(found.files.length > 0);
  assertClean("the agent's own view", ended.stdout);
  assertClean('what hoopctl said', ended.stderr);
  await searchFiles(home.dir, () => false);
});

const AGENT = `
import { readdirSync, readFileSync } from 'node:fs';
const read = (path) => { try { return readFileSync(path, 'utf8'); } catch { return ''; } };
const below = (folder) => { try { return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => e.parentPath + '/' + e.name); } catch { return []; } };
const files = [process.env.HOOP_CONTEXT_FILE].filter(Boolean).flatMap((file) => below(file.slice(0, file.lastIndexOf('/'))));
console.log(JSON.stringify({
  env: process.env,
  proc: ['self', process.ppid].flatMap((pid) => ['environ', 'cmdline'].map((what) => read('/proc/' + pid + '/' + what))),
  argv: process.argv,
  files,
  contents: files.map(read),
}));
`;

test('nothing that a working day leaves behind holds it: store, journal, recordings, logs, answers of the API', async (t: TestContext) => {
  await using run = await stack.run('dana');
  await using tap = await tapped(run);
  await tap.client.query('SELECT * FROM customers');
  await later(tap.client.query('DROP TABLE customers'));
  const removing = later(tap.client.query('DELETE FROM orders WHERE id = 8'));
  await decide(stack, (await openRequest(stack, run)).id, 'riley');
  assert.ok((await removing).ok);
  assertClean('what the client got', tap.bytes());
  assertClean('what the run was told', JSON.stringify(run.events));

  const riley = await stack.client('riley');
  for (const answer of [
    riley.config(),
    riley.targets(),
    riley.sessions(),
    riley.approvals(),
    riley.people(),
    riley.agents(),
    riley.revocations(),
  ]) {
    assertClean('an answer of the API', JSON.stringify(await (answer as Promise<unknown>)));
  }
  for (const { id } of await riley.sessions())
    for await (const line of riley.sessionEvents(id)) assertClean(`a line of ${id}`, line);
  for (const page of ['/metrics', '/readyz'])
    assertClean(page, await (await fetch(stack.gateway.adminUrl + page)).text());

  const searched = await searchFiles(stack.folder, () => false);
  await stack.gateway.stop();
  const after = await searchFiles(stack.folder, () => false);
  t.diagnostic(`${searched} files while it ran, ${after} after it had stopped, ${stack.log.length} lines of log`);
  assert.ok(searched > 5 && after > 5 && stack.log.length > 0);
  assertClean('the log', stack.log.join('\n'));
});

test('a gateway whose credential is wrong does not tell it either', async () => {
  await stack.start();
  await stack.sql("ALTER ROLE shop_agent PASSWORD 'another'");
  await using run = await stack.run('dana');
  const told = await later(tapped(run));
  assert.ok(!told.ok, 'the login at the target failed');
  assertClean('what the client was told', JSON.stringify(told));
  await stack.gateway.stop();
  assertClean('the log', stack.log.join('\n'));
  await searchFiles(stack.folder, () => false);
});
