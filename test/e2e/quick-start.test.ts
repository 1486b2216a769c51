/** The README, by its own words: its commands are read from the page and run, with this test's addresses in place of the page's. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { freePort } from '../../src/app/demo/free-port.ts';
import { visit } from '../../src/app/demo/visitor.ts';
import { packageRoot } from '../../src/base/entry.ts';
import { type Block, blocksIn, readPage } from '../docs/blocks.ts';
import { openDesk } from '../docs/follow.ts';
import { DATABASE_PASSWORD, type Stack, startStack } from '../fakes/stack.ts';

const README = readFileSync(join(packageRoot(), 'README.md'), 'utf8');

let stack: Stack;

before(async () => {
  stack = await startStack({
    policy: demoPolicyYaml().replaceAll('[shop]', '[orders-db]'),
    gatewayYaml: (yaml) => yaml.replace('  shop:', '  orders-db:'),
  });
});
after(() => stack[Symbol.asyncDispose]());

function section(heading: string): Block[] {
  const [, text] = README.split(`\n## ${heading}\n`);
  return blocksIn(text?.split('\n## ')[0] ?? assert.fail(`there is no "${heading}"`), heading);
}

function typed(as: string, commands: string): Block {
  return { page: 'test', line: 0, commands, as, exit: 0, terminal: false, prints: [] };
}

test('from nothing to a first agent on your own database', async () => {
  using desk = openDesk();
  const [path, init, ...rest] = section('Your own database') as [Block, Block, ...Block[]];
  const target = `postgres://shop_agent@127.0.0.1:${stack.postgres.port}/shop`;
  await desk.follow([typed('dana', `cd '${packageRoot()}'`), path, typed('dana', 'hoopctl version'), init], {
    standIns: [['postgres://me@127.0.0.1:5432/shop', target]],
    answers: [[/password of shop_agent/, `${DATABASE_PASSWORD}\r`]],
  });
  const file = join(desk.home('dana'), 'hoop-gateway', 'gateway.yaml');
  const port = await freePort();
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(':8443', `:${port}`));
  const printed = await desk.follow(rest, {
    standIns: [['127.0.0.1:8443', `127.0.0.1:${port}`]],
    visit: (link, _person, said) => {
      const [, code = ''] = /type the code (\S+)/.exec(said) ?? [];
      return visit(new URL(link).origin, link, { user: userInfo().username, code });
    },
  });
  assert.match(printed.join(''), /^\s*\d{4}-\d\d-\d\d/m);
  assert.match(printed.join(''), /^cancelled,50,/m);
});

test('what it feels like is what it is', async () => {
  using desk = openDesk();
  const client = await stack.client('riley');
  const signIn = { visit: (link: string, who: string) => stack.idp.visit(link, { user: `${who}@example.test` }) };
  const login = `hoopctl login --gateway ${stack.gateway.url}`;
  await desk.follow([typed('dana', login), typed('riley', login)], signIn);
  await desk.follow([typed('dana', 'hoopctl init shell-agent && cd shell-agent')]);
  await desk.follow(section('What it feels like'), {
    ...signIn,
    standIns: [
      ['apr_1a2b', async () => (await client.approvals({ state: 'open' }))[0]?.id ?? assert.fail('nothing waits')],
      [
        'ses_1a2b',
        async () => {
          const [last] = (await client.sessions()).toSorted((a, b) => b.openedAt.localeCompare(a.openedAt));
          return last?.id ?? assert.fail('there was no session');
        },
      ],
      ['recordings/', stack.recordings],
    ],
  });
  assert.equal(await stack.sql("SELECT count(*) FROM orders WHERE status = 'cancelled'"), '0');
});

test('what can not be run here is the demo and the tests themselves', () => {
  const elsewhere = readPage('README.md').filter((block) => block.elsewhere !== undefined);
  assert.deepEqual(
    elsewhere.map(({ commands }) => commands.split('\n').at(-1)),
    ['npm run demo', 'npm test'],
  );
});
