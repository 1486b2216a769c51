/** The README's quick start, by its own words: the commands are read from the page and run, with this test's ports in place of the page's. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Child, hoopctl } from '../../src/app/demo/child.ts';
import { freePort } from '../../src/app/demo/free-port.ts';
import { SHOP_SECRETS, SHOP_TABLES, shopSql } from '../../src/app/demo/shop.sql.ts';
import { visit } from '../../src/app/demo/visitor.ts';
import { packageRoot } from '../../src/base/entry.ts';
import { type RunningPostgres, startPostgres } from '../fakes/postgres.ts';

const PASSWORD = 'quickstart1';

let postgres: RunningPostgres;
let folder: string;
const children: Child[] = [];

before(async () => {
  postgres = await startPostgres();
  for (const statement of shopSql(PASSWORD).split(';')) if (statement.trim()) await postgres.sql(statement);
  await postgres.sql(SHOP_TABLES, 'shop');
  folder = await mkdtemp(join(tmpdir(), 'hoopctl-quick-start-'));
  await chmod(folder, 0o700);
});

after(async () => {
  for (const child of children) {
    child.kill();
    await child.exited;
  }
  await postgres.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

function run(args: readonly string[]): Child {
  const { PATH = '' } = process.env;
  const env = { PATH, HOME: folder, XDG_CONFIG_HOME: join(folder, 'config'), LANG: 'C.UTF-8', TERM: 'dumb' };
  const child = hoopctl(args, { env, cwd: folder });
  children.push(child);
  return child;
}

async function done(args: readonly string[]): Promise<string> {
  const child = run(args);
  assert.equal(await child.exited, 0, child.stderr());
  return child.stdout();
}

/** Words of a shell line: plain ones and 'quoted' ones, which is all the page uses. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

async function quickStart(): Promise<string[][]> {
  const readme = await readFile(join(packageRoot(), 'README.md'), 'utf8');
  const section = readme.slice(readme.indexOf('## Your own database'), readme.indexOf('## What it feels like'));
  const lines = section.split('\n').filter((line) => line.startsWith('    hoopctl '));
  return lines.map((line) => words(line.trim()).slice(1));
}

test('from nothing to a first query, by the words of the README', async () => {
  const commands = await quickStart();
  const named = (name: string, second?: string) => {
    const found = commands.find((args) => args[0] === name && (second === undefined || args[1] === second));
    assert.ok(found, `the README has no hoopctl ${name}`);
    return found;
  };

  await writeFile(join(folder, 'password'), `${PASSWORD}\n`, { mode: 0o600 });
  const target = `shop=postgres://shop_agent@127.0.0.1:${postgres.port}/shop?sslmode=disable`;
  const init = named('gateway', 'init').map((word) => (word.startsWith('shop=postgres://') ? target : word));
  await done([...init, '--password-file', 'password', '--user', 'me']);

  const port = await freePort();
  const config = join(folder, 'hoop-gateway', 'gateway.yaml');
  await writeFile(config, (await readFile(config, 'utf8')).replaceAll(':8443', `:${port}`));
  await done(['gateway', 'check', '--config', 'hoop-gateway/gateway.yaml', '--login']);
  const gateway = run(named('gateway', 'start'));
  await gateway.says(/gateway listens on/);
  const [, code = ''] = await gateway.says(/type the code (\S+)/);

  const url = `http://127.0.0.1:${port}`;
  const login = run([
    ...named('login').map((word) => word.replace('http://127.0.0.1:8443', url)),
    '--insecure-storage',
  ]);
  const [link] = await login.says(/http\S+user_code=\S+/);
  await visit(new URL(link).origin, link, { user: 'me', code });
  assert.equal(await login.exited, 0, login.stderr());

  assert.match(await done(named('exec')), /\d{4}-\d\d-\d\d/);
  const customers = await done(['exec', 'shop', '--json', '--', 'select name, ssn, email from customers']);
  for (const secret of SHOP_SECRETS.filter((value) => /^\d{3}-/.test(value)))
    assert.equal(customers.includes(secret), false);

  await writeFile(
    join(folder, 'agent.ts'),
    "const { HOOP_TARGETS, DATABASE_URL }: NodeJS.ProcessEnv = process.env;\nconsole.log(HOOP_TARGETS, new URL(DATABASE_URL ?? '').hostname);\n",
  );
  const agent = await done(named('run'));
  assert.match(agent, /"name":"shop".*127\.0\.0\.1/);
});
