/** The pages of docs/ that lead through a task, followed as their readers would, against one real gateway and one real PostgreSQL. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { demoGatewayYaml, demoPolicyYaml } from '../../src/app/demo/files.ts';
import { freePort } from '../../src/app/demo/free-port.ts';
import { visit } from '../../src/app/demo/visitor.ts';
import { packageRoot } from '../../src/base/entry.ts';
import { DATABASE_PASSWORD, type Stack, startStack } from '../fakes/stack.ts';
import { type Block, blocksIn, readPage } from './blocks.ts';
import { type Desk, openDesk, type Reader } from './follow.ts';

/** Every page with commands that a task needs: none of them may be left out below. */
const FOLLOWED = new Set<string>();
const PAGES = [
  'docs/first-agent.md',
  'docs/own-database.md',
  'docs/approving.md',
  'docs/off-boarding.md',
  'docs/policy-howto.md',
  'docs/ci.md',
  'docs/identity-providers/okta.md',
  'docs/identity-providers/entra.md',
  'docs/identity-providers/keycloak.md',
] as const;

let stack: Stack;
let desk: Desk;

before(async () => {
  stack = await startStack({
    policy: policy(),
    gatewayYaml: (yaml) => yaml.replace('  shop:', '  orders-db:'),
    users: [{ email: 'lee@example.test', groups: ['data-agents'] }],
  });
});
after(() => stack[Symbol.asyncDispose]());
beforeEach(() => {
  desk = openDesk();
});
afterEach(() => desk[Symbol.dispose]());

function policy(): string {
  const demo = parse(demoPolicyYaml().replaceAll('[shop]', '[orders-db]'));
  demo.agents = { 'weekly-report': { owners: { users: ['lee@example.test'] }, targets: ['orders-db'] } };
  return stringify(demo);
}

function block(as: string, commands: string, more: Partial<Block> = {}): Block {
  return { page: 'test', line: 0, commands, as, exit: 0, terminal: false, prints: [], ...more };
}

function pageBlocks(page: (typeof PAGES)[number]): Block[] {
  FOLLOWED.add(page);
  return readPage(page);
}

const GATEWAY = 'https://gateway.example:8443';

function atStack(more: Reader = {}): Reader {
  return {
    visit: (link, person) => stack.idp.visit(link, { user: `${person}@example.test` }),
    ...more,
    standIns: [[GATEWAY, stack.gateway.url], ...(more.standIns ?? [])],
  };
}

function logIn(person: string): Promise<string[]> {
  return desk.follow([block(person, `hoopctl login --gateway ${GATEWAY}`)], atStack());
}

/** The newest of what the page calls by an example's id. */
async function newest(kind: 'approvals' | 'sessions'): Promise<string> {
  const client = await stack.client('riley');
  if (kind === 'approvals') {
    const [open] = await client.approvals({ state: 'open' });
    return open?.id ?? assert.fail('nothing waits');
  }
  const sessions = await client.sessions();
  const [last] = sessions.toSorted((a, b) => b.openedAt.localeCompare(a.openedAt));
  return last?.id ?? assert.fail('there was no session');
}

test('first-agent.md', async () => {
  await desk.follow(pageBlocks('docs/first-agent.md'), atStack({ standIns: [['ses_1a2b', () => newest('sessions')]] }));
});

test('own-database.md', async () => {
  const [setUp, ...rest] = pageBlocks('docs/own-database.md');
  const target = `postgres://shop_agent@127.0.0.1:${stack.postgres.port}/shop`;
  await desk.follow([setUp as Block], {
    standIns: [['postgres://me@127.0.0.1:5432/shop', target]],
    answers: [[/password of shop_agent/, `${DATABASE_PASSWORD}\r`]],
  });
  const file = join(desk.home('dana'), 'hoop-gateway', 'gateway.yaml');
  const port = await freePort();
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(':8443', `:${port}`));
  await desk.follow(rest, {
    standIns: [['127.0.0.1:8443', `127.0.0.1:${port}`]],
    visit: (link, _person, said) => {
      const [, code = ''] = /type the code (\S+)/.exec(said) ?? [];
      return visit(new URL(link).origin, link, { user: userInfo().username, code });
    },
  });
});

test('approving.md', async () => {
  await logIn('dana');
  await desk.follow(pageBlocks('docs/approving.md'), atStack({ standIns: [['apr_1a2b', () => newest('approvals')]] }));
  assert.equal(await stack.sql("SELECT count(*) FROM orders WHERE status = 'cancelled'"), '0');
});

test('off-boarding.md', async () => {
  await logIn('lee');
  const working = block('lee', "hoopctl run -- sh -c 'echo at work; sleep 600'", { background: /at work/ });
  await desk.follow([working, ...pageBlocks('docs/off-boarding.md')], atStack());
});

test('policy-howto.md', async () => {
  await desk.follow(pageBlocks('docs/policy-howto.md'), atStack());
});

test('ci.md', async () => {
  await desk.follow(pageBlocks('docs/ci.md'));
});

for (const name of ['okta', 'entra', 'keycloak'] as const) {
  test(`identity-providers/${name}.md`, async () => {
    const page = `docs/identity-providers/${name}.md` as const;
    const home = desk.home('dana');
    const text = readFileSync(join(packageRoot(), page), 'utf8');
    const [snippet = ''] = [...text.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, yaml]) => yaml ?? '');
    const addresses = { gatewayPort: 8443, adminPort: 9464, issuer: '', postgresPort: stack.postgres.port };
    const gateway = demoGatewayYaml(addresses).replace('  shop:', '  orders-db:');
    writeFileSync(
      join(home, 'gateway.yaml'),
      gateway.replace(/^identity:\n(?: .*\n)+/m, () => snippet),
    );
    writeFileSync(join(home, 'policy.yaml'), policy());
    await desk.follow(pageBlocks(page), atStack({ env: { SHOP_PASSWORD: DATABASE_PASSWORD } }));
  });
}

test('every page that is to be followed was, and holds commands', () => {
  assert.deepEqual([...FOLLOWED].toSorted(), [...PAGES].toSorted());
  for (const page of PAGES) assert.ok(readPage(page).length > 1, page);
});

test('a command outside a fence is found on these pages too', () => {
  assert.throws(() => blocksIn('text\n\n    hoopctl login\n', 'page.md'), /outside a fence/);
});
