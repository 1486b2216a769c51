/** Recorded commands judged again: by their own policy as they were, by another as that one would have it. From sessions with a real PostgreSQL. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { openPolicy } from '../../src/app/policy.ts';
import { simulate, type Simulation } from '../../src/app/simulate.ts';
import { sessionsBelow } from '../../src/app/simulate-sources.ts';
import { newHome } from '../cli/cli.ts';
import { connected, later, until } from '../e2e/clients.ts';
import { type Stack, startStack } from '../fakes/stack.ts';

let stack: Stack;
let folder: string;

const STATEMENTS = [
  'SELECT 1',
  'SELECT id, name, ssn FROM customers ORDER BY id LIMIT 2',
  "SELECT id FROM customers WHERE ssn = '919-01-0001'",
  'SELECT count(*) FROM orders WHERE id > 3',
  'SELECT count(*) FROM orders WHERE id > 4 -- the same but for its value',
  'DROP TABLE customers',
  'SELECT nonsense FROM nowhere',
  'SELEC',
  "SELECT pg_read_file('/etc/passwd')",
  "UPDATE orders SET status = 'paid' WHERE id = 1",
  'BEGIN; SELECT * FROM orders LIMIT 1; COMMIT',
  'SET statement_timeout = 1000',
  'SHOW search_path',
  'EXPLAIN SELECT * FROM orders',
  'COPY (SELECT id FROM orders LIMIT 1) TO STDOUT',
  'PREPARE p AS SELECT id FROM orders WHERE id = $1',
  'EXECUTE p(3)',
  'CREATE TEMP TABLE t (id integer)',
];

before(async () => {
  stack = await startStack();
  folder = await mkdtemp(join(tmpdir(), 'hoopctl-simulate-'));
  await using run = await stack.run('dana', { agent: 'reporter' });
  await using client = await connected(run);
  for (const text of STATEMENTS) await later(client.query(text));
  // Parsed, bound and read in pieces: one command.
  await client.query({ text: 'SELECT id FROM orders WHERE id < $1', values: [5], rows: 2 } as never);
  // Policy is another one from here on, for the same session.
  await stack.writePolicy(
    `${demoPolicyYaml()}  - { name: names-too, targets: [shop], columns: [public.customers.name], with: redact }\n`,
  );
  await until('the policy is in force', () => stack.log.some((line) => line.includes('a new policy is in force')));
  await client.query('SELECT name FROM customers LIMIT 1');
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const current = () => join(stack.gatewayFolder, 'policy.yaml');

async function under(yaml: string | undefined): Promise<Simulation> {
  const file = yaml === undefined ? current() : join(folder, 'policy.yaml');
  if (yaml !== undefined) await writeFile(file, yaml);
  const { policy } = await openPolicy(file, join(stack.gatewayFolder, 'gateway.yaml'));
  return simulate(policy, sessionsBelow(stack.recordings, 0));
}

/** With the mask that came later, and this in place of that. */
const changed = (from: string, to: string) => {
  const yaml = `${demoPolicyYaml()}  - { name: names-too, targets: [shop], columns: [public.customers.name], with: redact }\n`;
  assert.ok(yaml.includes(from), `the policy does not say ${from}`);
  return yaml.replace(from, to);
};

describe('a policy that is in force', () => {
  test('answers every recorded command as it did, but for the mask that came in the middle', async () => {
    const { judged, shapes, notRejudged, unread, sessions } = await under(undefined);
    assert.ok(judged > 10, `only ${judged} were judged`);
    assert.equal(sessions, 1);
    assert.deepEqual(unread, []);
    assert.deepEqual(
      shapes.map(({ change, columns }) => [change, columns]),
      [['masked', ['public.customers.name']]],
    );
    assert.equal(notRejudged.struck, 1);
    assert.ok(notRejudged.refusedBefore >= 2, 'what cannot be read is not judged again');
    assert.equal(notRejudged.older, 0);
  });
});

describe('another policy', () => {
  test('says what it would deny, by shape', async () => {
    const { shapes, changes } = await under(
      changed(
        'masks:',
        `  - { name: no-orders, targets: [shop], when: { effects: [read], resources: [public.orders] }, then: deny, reason: not yours }\nmasks:`,
      ),
    );
    const counted = shapes.find(({ shape }) => shape === 'SELECT count (*) FROM orders WHERE id > ?');
    assert.equal(counted?.change, 'denied');
    assert.equal(counted?.commands, 2, 'two that differ in a value count as one shape');
    assert.equal(counted?.was, 'allow');
    assert.equal(counted?.reason, 'not yours');
    assert.deepEqual(counted?.rules, ['no-orders']);
    assert.deepEqual(counted?.agents, ['dana@example.test/reporter']);
    assert.ok(changes.denied >= 5);
    assert.equal(changes.allowed, 0);
  });

  test('says what it would hold and what it would let through', async () => {
    const { shapes } = await under(
      changed(
        'when: { effects: [define, administer] }\n    then: deny',
        'when: { effects: [define, administer] }\n    mode: shadow\n    then: deny',
      ).replace('when: { effects: [delete] }', 'when: { effects: [delete, write, read] }'),
    );
    assert.ok(shapes.some(({ change, shape }) => change === 'held' && shape.startsWith('SELECT count (*)')));
    assert.ok(!shapes.some(({ change }) => change === 'denied'));
  });

  test('says which columns it would no longer mask', async () => {
    const { shapes } = await under(
      changed('columns: [public.customers.ssn, public.customers.card]', 'columns: [public.customers.card]'),
    );
    assert.ok(
      shapes.some(({ change, columns }) => change === 'unmasked' && columns?.join() === 'public.customers.ssn'),
    );
  });

  test('of which nobody is in the groups denies everything', async () => {
    const { judged, changes, same, shapes } = await under(changed('groups: [data-agents]', 'groups: [nobody]'));
    assert.equal(changes.denied + same, judged, JSON.stringify(shapes.filter(({ change }) => change !== 'denied')));
    assert.ok(changes.denied > 5);
  });
});

describe('what cannot be judged again', () => {
  test('is counted, with why', async () => {
    const { policy } = await openPolicy(current(), join(stack.gatewayFolder, 'gateway.yaml'));
    const verdict = {
      type: 'verdict',
      command: 'c1',
      verdict: 'allow',
      text: { text: 'SELECT 1' },
      effects: ['read'],
      resources: [],
      facts: {},
    };
    const opened = {
      type: 'session.opened',
      session: 'ses_1',
      target: 'shop',
      protocol: 'postgres',
      account: '',
      via: 'run',
      principal: { issuer: 'i', subject: 's', name: 'dana@example.test' },
    };
    async function* sessions() {
      const groups = { ...opened, circumstances: { groups: ['data-agents'] } };
      const events = [
        [opened, verdict],
        [
          groups,
          { ...verdict, sealed: 'AAAA' },
          { ...verdict, text: { text: 'SELECT 1', hmac: 'aa' } },
          { ...verdict, code: 'HOOP_REVOKED' },
          { ...verdict, part: 'prepare' },
        ],
        [verdict],
      ];
      for (const [id, all] of events.entries())
        yield {
          id: `ses_${id}`,
          events: (async function* () {
            yield* all;
          })() as never,
        };
    }
    const { notRejudged, judged, sessions: count } = await simulate(policy, sessions());
    assert.deepEqual(notRejudged, { sealed: 1, struck: 1, refusedBefore: 1, older: 1 });
    assert.equal(judged, 0);
    assert.equal(count, 3);
  });
});

describe('the command', () => {
  test('prints shapes and ends with 1; from the gateway and from a folder alike', async (t) => {
    const home = newHome(t);
    await writeFile(
      join(folder, 'policy.yaml'),
      changed(
        '  - name: no-ddl',
        '  - { name: quiet, targets: [shop], when: { effects: [read] }, then: deny, reason: quiet }\n  - name: no-ddl',
      ),
    );
    const env = { HOOPCTL_GATEWAY: stack.gateway.url, HOOPCTL_TOKEN: await stack.token('dana') };
    const config = ['--config', join(stack.gatewayFolder, 'gateway.yaml')];
    const here = await home.run([
      'policy',
      'simulate',
      join(folder, 'policy.yaml'),
      ...config,
      '--recordings',
      stack.recordings,
    ]);
    assert.equal(here.code, 1, here.stderr);
    assert.match(
      here.stdout,
      /denied 2x on shop\n {2}SELECT count \(\*\) FROM orders WHERE id > \?\n {2}reason {3}quiet/,
    );
    const there = await home.run(['policy', 'simulate', join(folder, 'policy.yaml'), ...config], { env });
    assert.equal(there.stdout, here.stdout);
  });

  test('ends with 0 where nothing would be otherwise, and with 2 where there is nothing to read', async (t) => {
    const home = newHome(t);
    const config = ['--config', join(stack.gatewayFolder, 'gateway.yaml')];
    const nothing = await home.run(['policy', 'simulate', current(), ...config, '--recordings', join(folder, 'none')]);
    assert.equal(nothing.code, 2);
    const older = await home.run([
      'policy',
      'simulate',
      current(),
      ...config,
      '--recordings',
      stack.recordings,
      '--since',
      '1ms',
      '--json',
    ]);
    assert.equal(older.code, 0, older.stderr);
    assert.equal(JSON.parse(older.stdout).sessions, 0);
  });
});
