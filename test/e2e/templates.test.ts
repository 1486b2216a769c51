/** Each template as a new user meets it: copied into an empty folder, then its README's own commands, against a real gateway and a real PostgreSQL. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { freePort } from '../../src/app/demo/free-port.ts';
import { startModelServer } from '../../src/app/demo/model.ts';
import { type Searched, searchProcesses } from '../../src/app/demo/search.ts';
import { SHOP_SECRETS } from '../../src/app/demo/shop.sql.ts';
import { packageRoot } from '../../src/base/entry.ts';
import { type Block, blocksIn } from '../docs/blocks.ts';
import { type Desk, openDesk, type Reader } from '../docs/follow.ts';
import { createModelApi, type ModelApi } from '../fakes/model-api.ts';
import type { ModelTurn } from '../fakes/model-dialects.ts';
import { type FakeCi, githubClaims, gitlabClaims, startFakeCi } from '../fakes/ci.ts';
import { DATABASE_PASSWORD, type Stack, startStack } from '../fakes/stack.ts';

const read = (path: string) => readFileSync(join(packageRoot(), path), 'utf8');

let github: FakeCi;
let gitlab: FakeCi;
let stack: Stack;
let desk: Desk;
let model: ModelApi;
let billing: Server;

/** What only the gateway and those who own them know. */
const MODEL_KEY = 'sk-live-of-the-provider-7d41';
const BILLING_KEY = 'billing-key-c07f9e';

before(async () => {
  [github, gitlab] = await Promise.all([startFakeCi(), startFakeCi()]);
  model = createModelApi({ key: MODEL_KEY, decide: ({ results }) => decideNext(results) });
  billing = createServer((request, response) => {
    const known = request.headers['x-api-key'] === BILLING_KEY;
    response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' }).end('{"refunds":["r-1"]}');
  });
  const [modelPort, billingPort] = await Promise.all([model.server, billing].map(portOf));
  stack = await startStack({
    env: { MODEL_KEY, BILLING_KEY },
    target: stringify({
      openai: {
        ...{ protocol: 'http', address: `http://127.0.0.1:${modelPort}`, preset: 'openai' },
        account: { bearer: { env: 'MODEL_KEY' } },
      },
      billing: {
        ...{ protocol: 'http', address: `http://127.0.0.1:${billingPort}` },
        account: { header: { name: 'X-Api-Key', value: { env: 'BILLING_KEY' } } },
      },
    }).replaceAll(/^/gm, '  '),
    policy: policyWith(...['github', 'gitlab'].map((ci) => parse(read(`templates/ci-${ci}/hoopctl/policy.yaml`)))),
    gatewayYaml: (yaml) => yaml.replace('  shop:', '  orders-db:').replace(/^identity:\n(?: .*\n)+/m, identity),
  });
  desk = openDesk();
});

after(async () => {
  desk[Symbol.dispose]();
  await stack[Symbol.asyncDispose]();
  await Promise.all([github, gitlab].map((ci) => ci[Symbol.asyncDispose]()));
  model.server.closeAllConnections();
  model.server.close();
  billing.close();
});

function portOf(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** The demo's policy for orders-db, with the entries of both CI templates as they stand. */
function policyWith(...others: readonly { access: unknown[]; limits: object[] }[]): string {
  const policy = parse(demoPolicyYaml().replaceAll('[shop]', '[orders-db]'));
  policy.access.push(...AGENTS_ACCESS);
  policy.rules.push(REFUNDS);
  policy.access.push(...others.flatMap(({ access }, at) => renamed(access as { name: string }[], at)));
  policy.limits = others.flatMap(({ limits }, at) => renamed(limits as { name: string }[], at));
  return stringify(policy);
}

/** What the README of openai-agent says the gateway needs. */
const agents = parse(
  blocksOfYaml(read('templates/openai-agent/README.md')).find((block) => block.startsWith('version: 1')) ?? '',
);
const AGENTS_ACCESS = agents.access.filter(({ name }: { name: string }) => name === 'model' || name === 'billing');
const [REFUNDS] = agents.rules;
// Nobody is there to agree.
REFUNDS.then.hold.wait = '1s';

function blocksOfYaml(page: string): string[] {
  return [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
}

function renamed<T extends { name: string }>(entries: readonly T[], at: number): T[] {
  return entries.map((entry) => ({ ...entry, name: `${entry.name}-${at}` }));
}

/** The issuers of both CI templates as they stand, at the addresses they have here. */
function identity(yaml: string): string {
  const [people] = parse(yaml).identity.issuers;
  const ours = (ci: string) => parse(read(`templates/ci-${ci}/hoopctl/gateway.yaml`)).identity.issuers;
  const [{ trust }, onGithub] = ours('github');
  const [, onGitlab] = ours('gitlab');
  assert.deepEqual(
    [onGithub.issuer, onGitlab.issuer],
    ['https://token.actions.githubusercontent.com', 'https://gitlab.com'],
  );
  const issuers = [
    { ...people, trust },
    { ...onGithub, issuer: github.issuer },
    { ...onGitlab, issuer: gitlab.issuer },
  ];
  return stringify({ identity: { issuers } });
}

function block(as: string, commands: string, more: Partial<Block> = {}): Block {
  return { page: 'test', line: 0, commands, as, exit: 0, terminal: false, prints: [], ...more };
}

/** Someone with an empty home, logged in, in a folder where the template has just been copied. */
async function newcomer(as: string, template: string, { login = true } = {}): Promise<string> {
  const folder = template;
  await desk.follow(
    [
      ...(login ? [block(as, `hoopctl login --gateway ${stack.gateway.url}`)] : []),
      block(as, `mkdir '${folder}' && cd '${folder}' && hoopctl init ${template} .`),
    ],
    signingIn(),
  );
  return join(desk.home(as), folder);
}

function signingIn(more: Reader = {}): Reader {
  return { visit: (link) => stack.idp.visit(link, { user: 'dana@example.test' }), ...more };
}

function readme(dir: string, path: string, as: string): Block[] {
  return blocksIn(readFileSync(join(dir, path), 'utf8'), path).map((each) => ({ ...each, as }));
}

/** Edits a file as its README says a user would; what is looked for has to be there. */
function edit(file: string, ...changes: readonly (readonly [string, string])[]): void {
  let text = readFileSync(file, 'utf8');
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `${file} does not say ${from}`);
    text = text.replaceAll(from, () => to);
  }
  writeFileSync(file, text);
}

/** What the model does after so many results of its tools. */
const SCRIPT: readonly ModelTurn[] = [
  { call: 'query', with: { sql: 'SELECT id, name, email, ssn, card FROM customers ORDER BY id LIMIT 3' } },
  { call: 'query', with: { sql: 'DROP TABLE customers' } },
  { call: 'call_api', with: { api: 'billing', method: 'GET', path: '/v1/refunds', body: null } },
  { call: 'call_api', with: { api: 'billing', method: 'POST', path: '/v1/refunds', body: '{"order":7}' } },
  { say: 'Some things I may not do.' },
];

const searches: Searched[] = [];

async function decideNext(results: readonly string[]): Promise<ModelTurn> {
  // The agent waits for what it does next: everything it was given so far is in its memory.
  if (results.length === SCRIPT.length - 1 && searches.length === 0)
    searches.push(await searchProcesses(agentsRoot(), ['HOOP_RUN_ID', MODEL_KEY, BILLING_KEY, DATABASE_PASSWORD]));
  return SCRIPT[results.length] ?? { say: '' };
}

/** The process that this test started and that everything of the run is below: the shell, in which somebody typed `hoopctl run`. */
function agentsRoot(): number {
  const parentOf = (pid: number) => Number(/^PPid:\s*(\d+)$/m.exec(proc(pid, 'status'))?.[1] ?? 0);
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    if (!proc(Number(name), 'environ').includes('HOOP_RUN_ID=')) continue;
    for (let pid = Number(name), parent = parentOf(pid); parent > 1; pid = parent, parent = parentOf(pid))
      if (parent === process.pid) return pid;
  }
  return assert.fail('no agent runs');
}

function proc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

test('openai-agent: with the targets of its README it holds no key, meets masks, holds and refusals and ends well', async () => {
  const dir = await newcomer('olga', 'openai-agent');
  const streamed = block('olga', "hoopctl run agent.ts --stream 'Who are our customers?'");
  const printed = await desk.follow([...readme(dir, 'README.md', 'olga'), streamed], {
    env: { OPENAI_API_KEY: 'a key lying about', PGPASSWORD: 'a password lying about' },
  });
  const said = printed.join('\n');
  assert.match(said, /Ada Lindqvist.*'\*\*\*'/);
  assert.match(said, /HOOP_DENIED: .*schema changes go through migrations/);
  assert.match(said, /> GET billing\/v1\/refunds\n {2}200, 19 characters\n/);
  assert.equal(said.match(/Some things I may not do\./g)?.length, 3, 'all ways to start it end well');
  for (const secret of [...SHOP_SECRETS, DATABASE_PASSWORD, MODEL_KEY, BILLING_KEY])
    assert.equal(said.includes(secret), false);
  // What the model is told of a refusal is something it can act on.
  const [results = []] = model.asked.map((asked) => asked.results).filter(({ length }) => length === 4);
  assert.match(results[1] ?? '', /HOOP_DENIED.*Do not send it again/);
  assert.match(results[2] ?? '', /r-1/);
  assert.match(results[3] ?? '', /HOOP_HELD.*A person has to approve it first/);
  assert.ok(model.asked.some(({ body }) => body['stream'] === true));
  // hoopctl and the agent; the first needle shows that the search finds what is there.
  const [{ searched, found }] = searches as [Searched];
  assert.ok(searched >= 2 && (found[0] ?? 0) >= 2);
  assert.deepEqual(found.slice(1), [0, 0, 0]);
  const [bare = ''] = await desk.follow([block('olga', 'node agent.ts', { exit: 1 })]);
  assert.match(bare, /DATABASE_URL is not set: start it with: hoopctl run/);
});

test('openai-agent: without a target for the model it asks by a key that hoop.yaml names', async () => {
  const own = await startModelServer([{ sql: 'SELECT count(*) FROM customers' }, { say: 'So many.' }], 'own-key');
  try {
    const dir = join(desk.home('olga'), 'openai-agent');
    edit(join(dir, 'hoop.yaml'), [
      'command: [agent.ts]',
      'command: [agent.ts]\nenv: [OPENAI_API_KEY, OPENAI_BASE_URL]\ntargets: { orders-db: {} }',
    ]);
    const [said = ''] = await desk.follow([block('olga', 'hoopctl run')], {
      env: { OPENAI_BASE_URL: own.url, OPENAI_API_KEY: 'own-key' },
    });
    assert.match(said, /So many\./);
  } finally {
    await own.close();
  }
});

test('shell-agent: a report, another question, and as cron would start it', async () => {
  const dir = await newcomer('sam', 'shell-agent');
  writeFileSync(join(desk.home('sam'), '.hoop-token'), await stack.token('dana'), { mode: 0o600 });
  const printed = await desk.follow(readme(dir, 'README.md', 'sam'), {
    standIns: [['https://gateway.example:8443', stack.gateway.url]],
  });
  assert.match(printed[0] ?? '', /^status,orders,total\ncancelled,50,[\d.]+\npaid,350,[\d.]+$/m);
  assert.match(printed[1] ?? '', /^400$/m);
  const report = readFileSync(join(dir, 'report.csv'), 'utf8');
  assert.match(report, /^status,orders,total\ncancelled,50,/);
});

test('shell-agent: the line for cron runs with what cron gives it', async () => {
  const line = read('templates/shell-agent/report.cron')
    .split('\n')
    .find((each) => each.startsWith('0 6'));
  assert.ok(line);
  const command = line.replace(/^(\S+\s+){5}/, '').replace('https://gateway.example:8443', stack.gateway.url);
  mkdirSync(join(desk.home('carl')), { recursive: true });
  await desk.follow([block('carl', 'hoopctl init shell-agent')]);
  writeFileSync(join(desk.home('carl'), '.hoop-token'), await stack.token('dana'), { mode: 0o600 });
  const [said] = await desk.follow([block('carl', `env -i HOME="$HOME" PATH="$PATH" /bin/sh -c '${command}'`)]);
  assert.equal(said, '', 'cron mails what is printed');
  assert.match(readFileSync(join(desk.home('carl'), 'shell-agent', 'report.csv'), 'utf8'), /^cancelled,50,/m);
});

test('shell-agent: a refusal ends it with the code its README names', async () => {
  await newcomer('rita', 'shell-agent');
  const [said = ''] = await desk.follow([block('rita', "hoopctl run ./report.sh 'DROP TABLE orders'", { exit: 4 })]);
  assert.match(said, /HOOP_DENIED/);
  assert.match(said, /report: policy does not allow this/);
});

test('gateway: edited as its README says, it is checked, starts, and people work with it', async () => {
  const dir = await newcomer('gwen', 'gateway', { login: false });
  const [port, admin] = [await freePort(), await freePort()];
  edit(
    join(dir, 'gateway.yaml'),
    ['https://idp.example', stack.idp.issuer],
    ['[openid, offline_access]', '[openid, offline_access, email, groups]'],
    ['db.internal:5432', `127.0.0.1:${stack.postgres.port}`],
    ['database: orders', 'database: shop'],
    ['tls: verify-full', 'tls: disable'],
    ['app_reader', 'shop_agent'],
    ['127.0.0.1:8443', `127.0.0.1:${port}`],
    ['127.0.0.1:9464', `127.0.0.1:${admin}`],
  );
  const blocks = readme(dir, 'README.md', 'gwen');
  const login = block('dana', `hoopctl login --gateway http://127.0.0.1:${port}`);
  const asking = block('dana', "hoopctl exec orders-db -- 'select name, ssn from customers order by id limit 1'", {
    prints: ['…Ada Lindqvist…***…'],
  });
  const printed = await desk.follow([...blocks, login, asking], {
    ...signingIn(),
    standIns: [
      ['ORDERS_DB_PASSWORD=… HOOK_SECRET=…', `ORDERS_DB_PASSWORD='${DATABASE_PASSWORD}' HOOK_SECRET=hook`],
      ['127.0.0.1:9464', `127.0.0.1:${admin}`],
    ],
  });
  assert.match(printed.join(''), /5 cases, 0 missed/);
  assert.match(printed.join(''), /ok orders-db: PostgreSQL/);
});

test('gateway: unit, image and Compose file start it as the README does, with files that are there', () => {
  const started = /hoopctl (gateway start --config) gateway\.yaml/.exec(read('templates/gateway/README.md'))?.[1];
  const unit = read('templates/gateway/hoopctl-gateway.service');
  assert.match(unit, new RegExp(`^ExecStart=/usr/local/bin/hoopctl ${started} /etc/hoopctl/gateway.yaml$`, 'm'));
  const [, words = ''] = /^CMD (\[.*\])$/m.exec(read('templates/gateway/Dockerfile')) ?? [];
  assert.equal(JSON.parse(words).join(' '), `hoopctl ${started} gateway.yaml`);
  const { gateway } = parse(read('templates/gateway/compose.yaml')).services;
  const mounted: string[] = gateway.volumes.map((volume: string) => volume.split(':')[0]);
  assert.deepEqual(mounted, ['./gateway.yaml', './policy.yaml', './tls', './data', './keys']);
  const admin: string = parse(read('templates/gateway/gateway.yaml')).admin.listen;
  assert.ok(gateway.healthcheck.test.join(' ').includes(`http://${admin}/readyz`));
});

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Record<string, string>;
  readonly 'working-directory'?: string;
}

/** What `npm install` is given here: a package of that name whose program is the one under test. */
function packageToInstall(home: string): string {
  const folder = join(home, 'hoopctl-package');
  mkdirSync(folder, { recursive: true });
  const bin = { hoopctl: 'hoopctl.js' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'hoopctl', version: '0.0.1', bin }));
  const program = join(packageRoot(), 'bin', 'hoopctl.js');
  writeFileSync(join(folder, 'hoopctl.js'), `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`, { mode: 0o755 });
  return folder;
}

/** A runner: an empty machine with Node, where `npm install --global` puts programs on the PATH. */
function runner(home: string): Record<string, string> {
  const prefix = join(home, 'global');
  mkdirSync(join(prefix, 'bin'), { recursive: true });
  const path = [join(prefix, 'bin'), dirname(process.execPath), process.env['PATH'] ?? ''];
  return { npm_config_prefix: prefix, PATH: path.join(delimiter), CI: 'true' };
}

/** Runs a job of the workflow file as GitHub's runner does: each step a shell of its own, at the root unless it says where. */
async function githubJob(as: string, name: string, claims: Record<string, unknown>, exit = 0): Promise<string> {
  const home = desk.home(as);
  const workflow = parse(readFileSync(join(home, 'ci-github', '.github/workflows/hoopctl.yaml'), 'utf8'));
  const job = workflow.jobs[name];
  const expressions = new Map([['${{ vars.HOOPCTL_PACKAGE }}', packageToInstall(home)]]);
  const steps: Step[] = job.steps.filter(({ run }: Step) => run !== undefined);
  const request = github.job(claims);
  const granted = { ...workflow.permissions, ...job.permissions }['id-token'] === 'write';
  const said: string[] = [];
  for (const step of steps) {
    const given: Record<string, string> = { ...workflow.env, ...job.env, ...step.env };
    const env = Object.fromEntries(
      Object.entries(given).map(([key, value]) => [key, expressions.get(value) ?? literally(value)]),
    );
    const place = join(home, 'ci-github', step['working-directory'] ?? '.');
    const last = step === steps.at(-1);
    const [printed = ''] = await desk.follow(
      [block(as, `cd '${place}'\n${step.run}`, { page: step.name ?? '', exit: last ? exit : 0 })],
      {
        env: {
          ...runner(home),
          ...(granted && {
            ACTIONS_ID_TOKEN_REQUEST_URL: request.url,
            ACTIONS_ID_TOKEN_REQUEST_TOKEN: request.token,
          }),
          ...env,
          ...(env['HOOPCTL_GATEWAY'] && { HOOPCTL_GATEWAY: stack.gateway.url }),
        },
      },
    );
    said.push(printed);
  }
  return said.join('');
}

function literally(value: string): string {
  assert.doesNotMatch(value, /\$\{\{/, 'an expression that the test does not know');
  return value;
}

test('ci-github: what its README tries, and the policy job of a pull request, which gets no token', async () => {
  const dir = await newcomer('gita', 'ci-github', { login: false });
  await desk.follow(readme(dir, 'hoopctl/README.md', 'gita'));
  const asked = github.asked;
  const said = await githubJob('gita', 'policy', githubClaims());
  assert.match(said, /5 cases, 0 missed/);
  assert.equal(github.asked, asked);
  const workflow = parse(readFileSync(join(dir, '.github/workflows/hoopctl.yaml'), 'utf8'));
  assert.deepEqual(workflow.permissions, { contents: 'read' });
  assert.equal(workflow.jobs.policy.permissions, undefined);
  assert.equal(workflow.jobs.report.if, "github.event_name != 'pull_request'");
});

test('ci-github: the report job fetches a token as GitHub gives it, and reads orders', async () => {
  const dir = await newcomer('gaby', 'ci-github', { login: false });
  await githubJob('gaby', 'report', githubClaims());
  assert.match(readFileSync(join(dir, 'hoopctl', 'report.csv'), 'utf8'), /^status,orders,total\ncancelled,50,/);
  assert.ok(github.asked > 0);
});

test('ci-github: the agent is given neither the token nor the means to fetch one', async () => {
  const dir = await newcomer('gus', 'ci-github', { login: false });
  writeFileSync(join(dir, 'hoopctl', 'report.sh'), '#!/bin/sh\nenv\n');
  await githubJob('gus', 'report', githubClaims());
  const seen = readFileSync(join(dir, 'hoopctl', 'report.csv'), 'utf8');
  assert.match(seen, /^DATABASE_URL=postgres:/m);
  assert.doesNotMatch(seen, /ACTIONS_ID_TOKEN|HOOPCTL_|job-request-token/);
});

for (const [what, claims] of [
  ['another branch', { ref: 'refs/heads/try' }],
  ['another repository', { repository: 'mallory/shop' }],
] as const) {
  test(`ci-github: ${what} does not even learn that the target is there`, async () => {
    const as = what.replace(' ', '-');
    await newcomer(as, 'ci-github', { login: false });
    const said = await githubJob(as, 'report', githubClaims(claims), 125);
    assert.match(said, /TARGET_UNKNOWN/);
  });
}

/**
 * What stands on the runner's PATH for the image's package manager: this machine keeps its own packages.
 * @returns a command that ends everything, should the real one be in front of it after all
 */
function standInForApt(home: string): string {
  const apt = join(home, 'global', 'bin', 'apt-get');
  writeFileSync(apt, `#!/bin/sh\necho "$@" >> '${home}/apt'\n`, { mode: 0o755 });
  return `[ "$(command -v apt-get)" = '${apt}' ] || exit 99`;
}

/** Runs a job of .gitlab-ci.yml as GitLab's runner does: before_script and script in one shell, at the root. */
async function gitlabJob(as: string, name: string, claims: Record<string, unknown>, exit = 0): Promise<string> {
  const home = desk.home(as);
  const file = parse(readFileSync(join(home, 'ci-gitlab', '.gitlab-ci.yml'), 'utf8'));
  const job = file[name];
  const env = runner(home);
  const guard = standInForApt(home);
  const tokens: Record<string, string> = {};
  for (const [variable, { aud }] of Object.entries<{ aud: string }>(job.id_tokens ?? {}))
    tokens[variable] = await gitlab.token({ ...claims, aud });
  const script = [guard, ...file.default.before_script, ...job.script].join('\n');
  const [said = ''] = await desk.follow(
    [block(as, `cd '${join(home, 'ci-gitlab')}'\n${script}`, { page: name, exit })],
    {
      env: {
        ...env,
        HOOPCTL_PACKAGE: packageToInstall(home),
        ...job.variables,
        ...(job.variables?.HOOPCTL_GATEWAY && { HOOPCTL_GATEWAY: stack.gateway.url }),
        ...tokens,
      },
    },
  );
  return said;
}

test('ci-gitlab: what its README tries, and the policy job of a merge request, which gets no token', async () => {
  const dir = await newcomer('lena', 'ci-gitlab', { login: false });
  await desk.follow(readme(dir, 'hoopctl/README.md', 'lena'));
  assert.match(await gitlabJob('lena', 'policy', gitlabClaims()), /5 cases, 0 missed/);
  assert.equal(parse(readFileSync(join(dir, '.gitlab-ci.yml'), 'utf8')).policy.id_tokens, undefined);
});

test('ci-gitlab: the report job has the token GitLab gives it, and reads orders', async () => {
  const dir = await newcomer('leo', 'ci-gitlab', { login: false });
  await gitlabJob('leo', 'report', gitlabClaims());
  assert.match(readFileSync(join(dir, 'hoopctl', 'report.csv'), 'utf8'), /^status,orders,total\ncancelled,50,/);
  assert.match(readFileSync(join(desk.home('leo'), 'apt'), 'utf8'), /install .*postgresql-client/);
});

for (const [what, claims] of [
  ['a branch that is not protected', { ref_protected: 'false' }],
  ['another project', { project_path: 'mallory/shop' }],
] as const) {
  test(`ci-gitlab: ${what} does not even learn that the target is there`, async () => {
    const as = what.replaceAll(' ', '-');
    await newcomer(as, 'ci-gitlab', { login: false });
    assert.match(await gitlabJob(as, 'report', gitlabClaims(claims), 125), /TARGET_UNKNOWN/);
  });
}

test('both CI templates have the same agent as the shell template', () => {
  const agent = read('templates/shell-agent/report.sh');
  for (const ci of ['github', 'gitlab']) assert.equal(read(`templates/ci-${ci}/hoopctl/report.sh`), agent);
});
