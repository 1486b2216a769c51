/** Which gateway, which project: what counts before what, what a project's file may not say, and where each value came from. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import type { HoopError } from '../../src/base/error.ts';
import {
  configPlace,
  describeOrigin,
  distrustFolder,
  isTrusted,
  loadClientConfig,
  trustFolder,
} from '../../src/config/client/index.ts';

const SAMPLE = `agent: weekly-report
purpose: builds the weekly revenue report
command: [agent.ts]
env: [REPORT_TZ]                             # names only
targets:
  orders-db: { env: { DATABASE_URL: url } }  # url host port user password token jdbc sqlalchemy
  openai: {}
`;

let root: string;
let work: string;
let home: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'hoop-client-')));
  work = join(root, 'project/deep');
  home = join(root, 'config');
  mkdirSync(work, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const load = (flags: Record<string, string> = {}, env: Record<string, string> = {}) =>
  loadClientConfig({ env: { XDG_CONFIG_HOME: home, ...env }, cwd: work, flags });
const project = (text: string) => writeFileSync(join(root, 'project/hoop.yaml'), text);
const user = (text: string) => {
  mkdirSync(join(home, 'hoopctl'), { recursive: true });
  writeFileSync(join(home, 'hoopctl/config.yaml'), text, { mode: 0o600 });
};

test('without any file only the defaults are there', async () => {
  assert.deepEqual(await load(), {
    folder: join(home, 'hoopctl'),
    output: { value: 'text', from: { kind: 'default' } },
    notices: [],
  });
});

describe('hoop.yaml', () => {
  test('the documented file loads as it stands, from a folder below it', async () => {
    project(SAMPLE);
    assert.deepEqual((await load()).project, {
      file: join(root, 'project/hoop.yaml'),
      folder: join(root, 'project'),
      trusted: false,
      agent: 'weekly-report',
      purpose: 'builds the weekly revenue report',
      command: ['agent.ts'],
      env: ['REPORT_TZ'],
      targets: { 'orders-db': { env: { DATABASE_URL: 'url' } }, openai: { env: {} } },
    });
  });

  test('the one that comes with the agent template loads', async () => {
    project(readFileSync(join(packageRoot(), 'templates/openai-agent/hoop.yaml'), 'utf8'));
    assert.deepEqual((await load()).project?.command, ['agent.ts']);
  });

  test('the nearest one counts', async () => {
    project(SAMPLE);
    writeFileSync(join(work, 'hoop.yaml'), 'agent: nearer\n');
    assert.equal((await load()).project?.agent, 'nearer');
  });

  test('mistakes are told with line and hint', async () => {
    project('agnet: x\nenv: [A=1]\ntargets:\n  orders: { env: { URL: urll, HOOP_RUN_ID: url, LD_PRELOAD: url } }\n');
    await assert.rejects(load(), (error: HoopError) => {
      assert.equal(error.exit, 2);
      assert.match(error.message, /hoop\.yaml:1 unknown key "agnet"\n +hint: did you mean "agent"/);
      assert.match(error.message, /hoop\.yaml:2 env\[0\]: must be the name of a variable, without a value/);
      assert.match(error.message, /hoop\.yaml:4 targets\.orders\.env\.URL: must be one of: url/);
      assert.match(error.message, /HOOP_RUN_ID: is not for an endpoint/);
      assert.match(error.message, /LD_PRELOAD: is not for an endpoint/);
      return true;
    });
  });
});

describe('a folder that is not trusted', () => {
  const CONNECTION =
    'agent: a\ngateway: https://evil.example\nca: evil.pem\ntoken: abc\ntokenFile: t\ntokenCmd: steal\n';

  test('says nothing about gateway, CA and token, and that is noticed aloud', async () => {
    project(CONNECTION);
    const config = await load();
    assert.deepEqual([config.gateway, config.ca, config.token], [undefined, undefined, undefined]);
    assert.equal(config.project?.agent, 'a');
    assert.equal(config.notices.length, 1);
    assert.match(
      config.notices[0]!,
      /^ignored gateway, ca, token, tokenFile, tokenCmd in .*hoop\.yaml: the folder is not trusted/,
    );
  });

  test('does not take the place of what the user said', async () => {
    project(CONNECTION);
    user('gateway: https://mine.example\n');
    assert.equal((await load()).gateway?.value, 'https://mine.example');
  });

  test('is not trusted because a folder beside, above or below it is', async () => {
    project(CONNECTION);
    for (const other of [root, work]) trustFolder(join(home, 'hoopctl'), other);
    assert.equal((await load()).gateway, undefined);
  });

  test('is not trusted through a link in its place', async () => {
    project(CONNECTION);
    const good = join(root, 'good');
    mkdirSync(good);
    trustFolder(join(home, 'hoopctl'), good);
    rmSync(good, { recursive: true });
    symlinkSync(join(root, 'project'), good);
    assert.equal(isTrusted(join(home, 'hoopctl'), good), false);
  });
});

describe('a trusted folder', () => {
  beforeEach(() => void trustFolder(join(home, 'hoopctl'), join(root, 'project')));

  test('may name the gateway, its CA and where a token is, relative to the file', async () => {
    project('gateway: https://team.example\nca: ca.pem\ntokenFile: token\n');
    const config = await load();
    const from = (line: number) => ({ kind: 'project', file: join(root, 'project/hoop.yaml'), line });
    assert.deepEqual(config.gateway, { value: 'https://team.example', from: from(1) });
    assert.deepEqual(config.ca, { value: join(root, 'project/ca.pem'), from: from(2) });
    assert.deepEqual(config.token, { value: { kind: 'file', path: join(root, 'project/token') }, from: from(3) });
    assert.deepEqual([config.notices, config.project?.trusted], [[], true]);
  });

  test('may not hold a token itself', async () => {
    project('token: canary-token\n');
    await assert.rejects(load(), (error: HoopError) => {
      assert.match(error.message, /hoop\.yaml:1 token: a token may not stand here in clear text/);
      assert.ok(!error.message.includes('canary'));
      return true;
    });
  });

  test('can be distrusted again', async () => {
    project('gateway: https://team.example\n');
    distrustFolder(join(home, 'hoopctl'), join(root, 'project'));
    assert.equal((await load()).gateway, undefined);
  });
});

describe('what counts before what', () => {
  test('flag, variable, trusted hoop.yaml, user file', async () => {
    user('gateway: https://user.example\noutput: json\n');
    assert.deepEqual((await load()).gateway?.from, { kind: 'user', file: join(home, 'hoopctl/config.yaml'), line: 1 });
    project('gateway: https://project.example\n');
    trustFolder(join(home, 'hoopctl'), join(root, 'project'));
    assert.equal((await load()).gateway?.value, 'https://project.example');
    const env = { HOOPCTL_GATEWAY: 'https://env.example' };
    assert.deepEqual((await load({}, env)).gateway, {
      value: 'https://env.example',
      from: { kind: 'env', name: 'HOOPCTL_GATEWAY' },
    });
    const flagged = await load({ gateway: 'https://flag.example' }, env);
    assert.deepEqual(flagged.gateway, { value: 'https://flag.example', from: { kind: 'flag', name: 'gateway' } });
    assert.equal(flagged.output.value, 'json');
  });

  test('an empty variable says nothing', async () => {
    user('gateway: https://user.example\n');
    assert.equal((await load({}, { HOOPCTL_GATEWAY: '' })).gateway?.value, 'https://user.example');
  });

  test('of token variables the token itself, then the file, then the command', async () => {
    const all = { HOOPCTL_TOKEN: 'x', HOOPCTL_TOKEN_FILE: 'f', HOOPCTL_TOKEN_CMD: 'c' };
    assert.deepEqual((await load({}, all)).token?.value, { kind: 'variable' });
    assert.deepEqual((await load({}, { ...all, HOOPCTL_TOKEN: '' })).token?.value, {
      kind: 'file',
      path: join(work, 'f'),
    });
    assert.deepEqual((await load({}, { HOOPCTL_TOKEN_CMD: 'c' })).token?.value, { kind: 'command', command: 'c' });
  });

  test('the token itself is not in what is told', async () => {
    assert.ok(!JSON.stringify(await load({}, { HOOPCTL_TOKEN: 'canary-token' })).includes('canary'));
  });

  test('a relative CA from a flag or variable is relative to where one works', async () => {
    assert.equal((await load({ ca: 'a.pem' })).ca?.value, join(work, 'a.pem'));
    assert.equal((await load({}, { HOOPCTL_CA_FILE: '../b.pem' })).ca?.value, join(dirname(work), 'b.pem'));
  });

  test('a word that is none of the choices is refused, naming where it stands', async () => {
    await assert.rejects(load({}, { HOOPCTL_OUTPUT: 'xml' }), /the variable HOOPCTL_OUTPUT is none of text, json/);
  });

  test('origins are told in words', async () => {
    user('output: json\n');
    assert.equal(describeOrigin((await load()).output.from), `${join(home, 'hoopctl/config.yaml')}:1`);
    assert.equal(describeOrigin({ kind: 'flag', name: 'ca' }), 'the option --ca');
  });
});

describe('the config folder', () => {
  test('lies under XDG_CONFIG_HOME, or under HOME; a relative value is ignored', () => {
    assert.equal(configPlace({ XDG_CONFIG_HOME: '/x' }, '/').folder, '/x/hoopctl');
    assert.equal(configPlace({ HOME: '/home/me' }, '/').folder, '/home/me/.config/hoopctl');
    assert.equal(configPlace({ HOME: '/home/me', XDG_CONFIG_HOME: 'x' }, '/').folder, '/home/me/.config/hoopctl');
  });

  test('HOOPCTL_CONFIG names the file, or the folder', () => {
    assert.deepEqual(configPlace({ HOOPCTL_CONFIG: 'a/b.yaml' }, '/w'), { folder: '/w/a', file: '/w/a/b.yaml' });
    assert.deepEqual(configPlace({ HOOPCTL_CONFIG: '/a' }, '/w'), { folder: '/a', file: '/a/config.yaml' });
  });

  test('files in it that others can write are refused: they decide whom a login is shown to', async () => {
    user('gateway: https://user.example\n');
    chmodSync(join(home, 'hoopctl/config.yaml'), 0o666);
    await assert.rejects(load(), { code: 'CONFIG_PERMISSIONS', exit: 2 });
    rmSync(join(home, 'hoopctl/config.yaml'));
    project(SAMPLE);
    trustFolder(join(home, 'hoopctl'), work);
    chmodSync(join(home, 'hoopctl/trusted.json'), 0o622);
    await assert.rejects(load(), { code: 'CONFIG_PERMISSIONS', exit: 2 });
  });

  test('a file of trust that is not ours is refused, not taken as empty', async () => {
    project(SAMPLE);
    mkdirSync(join(home, 'hoopctl'), { recursive: true });
    writeFileSync(join(home, 'hoopctl/trusted.json'), '{"folders": 1}', { mode: 0o600 });
    await assert.rejects(load(), { code: 'TRUST_FILE' });
  });

  test("a user's file in which everything is commented out is allowed", async () => {
    user('# gateway: https://user.example\n');
    assert.equal((await load()).gateway, undefined);
  });

  test('a token in clear text is refused there', async () => {
    user('token: abc\n');
    await assert.rejects(load(), /token: a token may not stand here in clear text/);
  });
});
