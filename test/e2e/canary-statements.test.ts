/**
 * Secrets that people and agents write into statements: wherever one may stand, it is in no recording, event, span, line of log or index, nor in what
 * approvers and others are shown, and nothing of it is sent to webhooks and collectors.
 */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { GatewayClient } from '../../src/api/client.ts';
import type { ApprovalView } from '../../src/api/shapes.ts';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, later, until } from './clients.ts';

// Everything that has words, so that what is told apart is told by place.
const SECRET = 'hunter/2+kanarienvogel=9';

function spellings(secret: string): string[] {
  return [
    secret,
    encodeURIComponent(secret),
    ...[0, 1, 2].map((shift) =>
      Buffer.from('x'.repeat(shift) + secret)
        .toString('base64')
        .replace(/=+$/, '')
        .slice(shift + 1, -2),
    ),
    Buffer.from(secret).toString('hex'),
  ];
}

/** By where the secret stands. `~` is put in the place of the secret. */
const STATEMENTS: Readonly<Record<string, string>> = {
  'ALTER ROLE': "ALTER ROLE somebody PASSWORD '~'",
  'ALTER ROLE, encrypted': "ALTER ROLE somebody WITH ENCRYPTED PASSWORD '~' VALID UNTIL '2030-01-01'",
  'ALTER USER, other quotes': 'ALTER USER somebody PASSWORD $x$~$x$',
  'ALTER ROLE, an escape string': "ALTER ROLE somebody PASSWORD E'~'",
  'ALTER ROLE, a unicode string': "ALTER ROLE somebody PASSWORD U&'~'",
  'ALTER ROLE SET': "ALTER ROLE somebody SET app.password TO '~'",
  'CREATE USER': "CREATE USER u1 LOGIN PASSWORD '~'",
  'CREATE ROLE in lower case': "create role u2 password\n\t'~'",
  'CREATE GROUP': "CREATE GROUP u3 PASSWORD '~'",
  'a comment': '/* was: postgres://app:~url@db/shop */ SELECT 1 -- password=~',
  'a DO body': "DO $$ BEGIN EXECUTE 'ALTER ROLE somebody PASSWORD ''~'''; END $$",
  'a DO body with the word apart from it':
    "DO $$ DECLARE p text := '~'; BEGIN EXECUTE format('ALTER ROLE x PASSWORD %L', p); END $$",
  'a function body': "CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql AS $$ ALTER ROLE somebody PASSWORD '~' $$",
  EXPLAIN: "EXPLAIN SELECT dblink_connect('host=x user=y password=~')",
  PREPARE: "PREPARE p1 AS SELECT dblink_connect('host=x password = ~')",
  'dblink with a name': "SELECT dblink_connect('other', 'postgresql://u:~url@h/d')",
  'dblink, pieces': "SELECT dblink_connect('host=x pass' || 'word=' || '~')",
  'dblink as a table': "SELECT * FROM dblink('dbname=x password=''~''', 'SELECT 1') AS t(a int)",
  'CREATE SERVER': "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', password '~')",
  'CREATE USER MAPPING': "CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'u', password '~')",
  'ALTER USER MAPPING': "ALTER USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (SET password '~')",
  'CREATE FOREIGN DATA WRAPPER': "CREATE FOREIGN DATA WRAPPER w OPTIONS (password '~')",
  'CREATE FOREIGN TABLE': "CREATE FOREIGN TABLE ft (a int) SERVER s OPTIONS (password '~')",
  'CREATE SUBSCRIPTION': "CREATE SUBSCRIPTION sub CONNECTION 'host=x password=~' PUBLICATION p",
  'ALTER SUBSCRIPTION': "ALTER SUBSCRIPTION sub CONNECTION 'host=x password=~'",
  'ALTER SYSTEM': "ALTER SYSTEM SET primary_conninfo = 'host=x password=~'",
  'COPY FROM PROGRAM': "COPY orders FROM PROGRAM 'curl https://u:~url@h/x'",
  'COPY TO PROGRAM': "COPY orders TO PROGRAM 'curl -u me:~ https://h/x'",
  'COPY, a header': 'COPY orders TO PROGRAM \'curl -H "Authorization: Bearer ~" https://h/x\'',
  SET: "SET app.password = '~'",
  'SET LOCAL': "SET LOCAL app.api_key TO '~'",
  set_config: "SELECT set_config('app.secret', '~', false)",
  'an unfinished statement': "ALTER ROLE somebody PASSWORD '~",
  'a statement of no grammar': "ALTER ROLE somebody PASSWORT '~' PASSWORD IS '~'",
  MySQL: "CREATE USER 'x'@'%' IDENTIFIED BY PASSWORD '~'",
  'several statements': "SELECT 1; ALTER ROLE somebody PASSWORD '~'; SELECT 2",
  'several statements of which one is broken': "SELECT 1; ALTER ROLE somebody PASSWORD '~'; SELEC 2",
  crypt: "SELECT crypt('~', gen_salt('bf'))",
};

const PARAMETERS: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  'of dblink': ['SELECT dblink_connect($1)', [`host=x password=${SECRET}`]],
  'of set_config': ["SELECT set_config('app.password', $1, false)", [SECRET]],
  'of format': ["SELECT length(format('ALTER ROLE x PASSWORD %L', $1::text))", [SECRET]],
  'of ALTER ROLE': ['ALTER ROLE somebody PASSWORD $1', [SECRET]],
};

// dana's access has masks; riley's has none and may do everything else.
const POLICY = `${demoPolicyYaml()
  .replace(
    'rules:',
    '  - { name: open, subjects: { groups: [db-owners] }, targets: [shop], effects: [read, write, delete, define, execute, administer, transfer, control] }\nrules:\n  - { name: loud, targets: [shop], when: { effects: [execute, administer, transfer] }, then: allow }',
  )
  .replaceAll('with: redact }', 'with: redact, subjects: { groups: [data-agents] } }')}`;

/** Everything waits for riley, whatever it does. */
const HOLDING = `version: 1
access:
  - name: everything
    subjects: { groups: [data-agents] }
    targets: [shop]
    effects: [read, write, delete, define, execute, administer, transfer, control]
rules:
  - { name: by-name, targets: [shop], when: { effects: [execute, administer, transfer] }, then: allow }
  - name: somebody-looks
    targets: [shop]
    when: { effects: [read, write, delete, define, execute, administer, transfer, control] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 10m, self: false, proof: fresh, notify: [desk] } }
`;

const HELD = [SECRET.slice(0, -1), 'held0z', 'held7z'];

let stack: Stack;
/** By path: what the gateway sent to a webhook of approvals, one of events, and a collector of spans. */
const sent = new Map<string, string>();
const receiver = createServer((request, response) => {
  request
    .setEncoding('utf8')
    .on('data', (piece) => sent.set(request.url ?? '', (sent.get(request.url ?? '') ?? '') + piece));
  request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
});
before(async () => {
  await new Promise<void>((resolve) => void receiver.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  stack = await startStack({
    policy: POLICY,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/`, HOOK_KEY: 'a key of the receiver' },
    gatewayYaml: (yaml) => `${yaml}
events:
  - { file: ./events.ndjson }
  - { webhook: { url: '${url}/events', secret: { env: HOOK_KEY } } }
notify:
  - { name: desk, webhook: { url: '${url}/approvals', secret: { env: HOOK_KEY } } }
`,
  });
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  receiver.close();
});

function planted(text: string, secret: string): string {
  return text.replaceAll('~url', encodeURIComponent(secret)).replaceAll('~', secret);
}

/** Everything that was written: where, and what. */
async function written(): Promise<(readonly [string, Buffer])[]> {
  const files: (readonly [string, Buffer])[] = [['the log', Buffer.from(stack.log.join('\n'))]];
  for (const entry of await readdir(stack.folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    // The reserves are noise.
    if (!entry.isFile() || entry.name.endsWith('reserve')) continue;
    // What is being packed has another name a moment later, under which it is there too.
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    files.push([path, path.endsWith('.gz') && bytes.length > 0 ? gunzipSync(bytes) : bytes]);
  }
  return files;
}

/** What of it holds one of them, and around where. */
function holding(files: Awaited<ReturnType<typeof written>>, needles: readonly string[]): string[] {
  return files.flatMap(([what, bytes]) =>
    needles.flatMap((needle) => {
      const at = bytes.indexOf(needle);
      return at < 0 ? [] : [`${what}: …${bytes.subarray(Math.max(0, at - 160), at + 60).toString()}…`];
    }),
  );
}

describe('a secret in a statement', () => {
  for (const who of ['dana', 'riley']) {
    test(`of ${who} is kept nowhere, wherever in it it stands`, async () => {
      await using run = await stack.run(who);
      const places = Object.entries(STATEMENTS).map(([name, text], i) => {
        const secret = `${SECRET.slice(0, -1)}${who}${i}z`;
        return { name, secret, statement: planted(text, secret) };
      });
      for (const { statement } of places) {
        await using client = await connected(run);
        await later(client.query(statement));
      }
      const leaks: string[] = [];
      const files = await written();
      for (const { name, secret } of places) {
        const [first] = holding(files, spellings(secret));
        if (first !== undefined) leaks.push(`${name}: ${first}`);
      }
      assert.deepEqual(leaks, []);
    });
  }

  test('is kept nowhere where it comes as a parameter', async () => {
    await using run = await stack.run('riley');
    for (const [text, values] of Object.values(PARAMETERS)) {
      await using client = await connected(run);
      await later(client.query(text, [...values]));
    }
    assert.deepEqual(holding(await written(), spellings(SECRET)), []);
  });

  test('leaves the rest of the statement to read', async () => {
    await using run = await stack.run('riley');
    await using client = await connected(run);
    await later(client.query("ALTER ROLE somebody SET search_path TO 'public'"));
    await later(client.query("SELECT 'a token of thanks', note FROM (VALUES ('the password was changed')) AS v(note)"));
    const held = holding(await written(), ['a token of thanks']);
    assert.ok(held.length > 0, 'ordinary words are kept');
  });
});

test("a header of the API, the run's own secrets and a client's startup packet are kept nowhere", async () => {
  const canary = 'startup-kanarienvogel-77';
  await using run = await stack.run('riley');
  const { host, port, user, database } = run.connection;
  await later(connected({ connection: { host, port, user, database, password: canary } }));
  await later(
    connected({
      connection: { ...run.connection, options: `-c app.password=${canary}`, application_name: 'ordinary' },
    }),
  );
  const admin = stack.gateway.url;
  for (const authorization of [`Bearer ${canary}`, `Basic ${Buffer.from(`me:${canary}`).toString('base64')}`])
    await fetch(`${admin}/v1/me?access_token=${canary}`, { headers: { authorization, cookie: `s=${canary}` } });
  assert.deepEqual(holding(await written(), spellings(canary)), []);
  assert.deepEqual(holding(await written(), [run.connection.password, run.token.expose()]), []);
});

test('a secret in a statement that is held is for who may decide it while they can, and for nobody else', async () => {
  await stack.writePolicy(HOLDING);
  await stack.restart();
  const places = Object.entries(STATEMENTS).map(([name, text], i) => {
    const secret = `${SECRET.slice(0, -1)}held${i}z`;
    return { name, secret, statement: planted(text, secret) };
  });
  const [approver, requester] = (await Promise.all(['riley', 'dana'].map((who) => stack.client(who)))) as [
    GatewayClient,
    GatewayClient,
  ];
  const shown: (readonly [string, Buffer])[] = [];
  const show = (what: string, value: unknown) => void shown.push([what, Buffer.from(JSON.stringify(value))]);
  let held = 0;
  for (const { statement, secret } of places) {
    await using run = await stack.run('dana');
    const client = await connected(run);
    let isAnswered = false;
    const answer = later(client.query(statement)).then(() => {
      isAnswered = true;
    });
    let open: readonly ApprovalView[] = [];
    await until('it is held or refused', async () => {
      // Those before it are withdrawn.
      open = await approver.approvals({ state: 'open' });
      return isAnswered || open.length > 0;
    });
    show('the list', await requester.approvals());
    for (const { id, text } of open) {
      held += 1;
      assert.ok(
        spellings(secret).some((one) => text.includes(one)),
        'who decides sees what would run',
      );
      show('the request', await requester.approval(id));
      show('the page', await (await fetch(`${stack.gateway.url}/approvals/${id}`)).text());
    }
    show('the client', client.notices);
    await client.end();
    await answer;
    for (const { id } of open) {
      await until('it is withdrawn', async () => (await approver.approval(id)).state === 'withdrawn');
      show('the request, afterwards', await approver.approval(id));
    }
  }
  show('the list, afterwards', await approver.approvals());
  assert.ok(held > places.length / 2, `only ${held} were held`);
  const leaks = places.flatMap(({ name, secret }) =>
    holding(shown, spellings(secret))
      .slice(0, 1)
      .map((found) => `${name}: ${found}`),
  );
  assert.deepEqual(leaks, []);
  // Of an open request the store holds it, and so does the log of its changes for a while; below is what stays.
  const files = (await written()).filter(([path]) => !path.includes('hoop.db'));
  assert.deepEqual(holding(files, HELD), []);
});

test('once the gateway is stopped nothing of any of them is in the store, and nothing was sent to webhooks or in a span', async () => {
  await until('approvals were told of', () => (sent.get('/approvals') ?? '').includes('somebody-looks'));
  await until('events were told of', () => (sent.get('/events') ?? '').includes('shop'));
  await stack.gateway.stop();
  assert.deepEqual(holding(await written(), HELD), []);
  const bodies = [...sent].map(([path, body]) => [path, Buffer.from(body)] as const);
  assert.ok(sent.get('/v1/traces')?.includes('session shop'), [...sent.keys()].join());
  assert.deepEqual(holding(bodies, [...spellings(SECRET.slice(0, -1)), 'startup-kanarienvogel', 'kanarienvogel=']), []);
});
