import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HoopError } from '../../src/base/error.ts';
import { agentEnvironment, type EnvironmentRequest } from '../../src/launcher/index.ts';

describe("an agent's environment", () => {
  test('holds what the allow-list names, as it was', () => {
    const inherited = {
      PATH: '/bin',
      HOME: '/home/dana',
      LANG: 'C',
      LC_ALL: 'C.UTF-8',
      LC_TIME: 'de',
      TERM: 'xterm',
      TZ: 'UTC',
      TMPDIR: '/tmp',
      USER: 'dana',
      SHELL: '/bin/sh',
      COLORTERM: 'truecolor',
      NO_COLOR: '1',
      CI: 'true',
      EDITOR: 'vi',
      VISUAL: 'vi',
      PAGER: 'less',
      VIRTUAL_ENV: '/venv',
      SSL_CERT_FILE: '/ca.pem',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
    };
    assert.deepEqual(build({ inherited }).env, inherited);
  });

  test('holds no credential of the launching shell, and names what it left out, suspicious names first', () => {
    const { env, notPassed } = build({
      inherited: {
        PATH: '/bin',
        PGPASSWORD: 'x',
        AWS_SECRET_ACCESS_KEY: 'x',
        KUBECONFIG: '/k',
        SSH_AUTH_SOCK: '/s',
        GITHUB_TOKEN: 'x',
        DATABASE_URL: 'postgres://x',
        XDG_RUNTIME_DIR: '/run',
        LD_PRELOAD: '/evil.so',
        NODE_OPTIONS: '--require evil',
        BASH_ENV: 'x',
        HOOPCTL_TOKEN: 'login',
        _: '/bin/x',
        PWD: '/',
        SHLVL: '1',
      },
    });
    assert.deepEqual(env, { PATH: '/bin' });
    assert.deepEqual(notPassed, [
      'AWS_SECRET_ACCESS_KEY',
      'DATABASE_URL',
      'GITHUB_TOKEN',
      'HOOPCTL_TOKEN',
      'KUBECONFIG',
      'PGPASSWORD',
      'SSH_AUTH_SOCK',
      'BASH_ENV',
      'LD_PRELOAD',
      'NODE_OPTIONS',
      'XDG_RUNTIME_DIR',
    ]);
  });

  test('takes on what is named, and says what is named but not set', () => {
    const { env, missing, notPassed } = build({
      inherited: { OPENAI_API_KEY: 'k', OTHER: 'o' },
      pass: ['OPENAI_API_KEY', 'REPORT_TZ'],
    });
    assert.deepEqual(env, { OPENAI_API_KEY: 'k' });
    assert.deepEqual(missing, ['REPORT_TZ']);
    assert.deepEqual(notPassed, ['OTHER']);
  });

  test('takes values from files, and the later file wins', () => {
    const { env } = build({
      inherited: { A: 'shell' },
      pass: ['A'],
      files: [
        { path: 'one', variables: { A: '1', B: '1' } },
        { path: 'two', variables: { B: '2' } },
      ],
    });
    assert.deepEqual(env, { A: '1', B: '2' });
  });

  test("lets nothing overrule the tunnel's own lines, and says so", () => {
    const { env, overruled } = build({
      inherited: { DATABASE_URL: 'postgres://admin:real@db/orders' },
      pass: ['DATABASE_URL'],
      given: { DATABASE_URL: 'postgres://run:x@127.0.0.1:1/orders' },
    });
    assert.deepEqual(env, { DATABASE_URL: 'postgres://run:x@127.0.0.1:1/orders' });
    assert.deepEqual(overruled, ['DATABASE_URL']);
  });

  for (const name of [
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'DYLD_INSERT_LIBRARIES',
    'NODE_OPTIONS',
    'BASH_ENV',
    'PYTHONSTARTUP',
    'HOOPCTL_TOKEN',
    'HOOP_RUN_ID',
  ]) {
    test(`never takes ${name}, by name or from a file`, () => {
      const refused = (error: unknown) =>
        error instanceof HoopError && error.code === 'ENV_FORBIDDEN' && error.exit === 2;
      assert.throws(() => build({ inherited: { [name]: 'x' }, pass: [name] }), refused);
      assert.throws(() => build({ files: [{ path: '.env.agent', variables: { [name]: 'x' } }] }), refused);
    });
  }

  test('takes names, not values on the command line', () => {
    assert.throws(() => build({ pass: ['TOKEN=abc'] }), { code: 'ENV_NAME' });
  });

  test('drops proxies that carry a login, in either case of letters', () => {
    const { env, notPassed } = build({
      inherited: { HTTPS_PROXY: 'http://dana:pw@proxy:3128', https_proxy: 'dana:pw@proxy', Http_Proxy: 'x' },
    });
    assert.deepEqual(env, {});
    assert.deepEqual(notPassed, ['HTTPS_PROXY', 'Http_Proxy', 'https_proxy']);
  });

  test('passes other proxies, and keeps the endpoints out of them', () => {
    const { env } = build({ inherited: { HTTPS_PROXY: 'http://proxy:3128', no_proxy: 'intern.test' } });
    assert.deepEqual(env, {
      HTTPS_PROXY: 'http://proxy:3128',
      NO_PROXY: 'intern.test,127.0.0.1,localhost',
      no_proxy: 'intern.test,127.0.0.1,localhost',
    });
  });

  test('keeps the endpoints out of a proxy that was named, whatever it is for', () => {
    for (const name of ['grpc_proxy', 'HTTPS_PROXY', 'WSS_PROXY']) {
      const { env } = build({ inherited: { [name]: 'http://dana:pw@proxy:3128' }, pass: [name] });
      assert.equal(env['NO_PROXY'], '127.0.0.1,localhost', name);
    }
    assert.deepEqual(build({ inherited: { NO_PROXY: 'intern.test' } }).env, { NO_PROXY: 'intern.test' });
  });

  test('does not take a name that only looks like an allowed one', () => {
    const { env } = build({ inherited: { PATHS: 'x', XLC_ALL: 'x', __proto__x: 'x', constructor: 'x' } });
    assert.deepEqual(env, {});
  });
});

function build(request: Partial<EnvironmentRequest>) {
  return agentEnvironment({ inherited: {}, pass: [], files: [], given: {}, ...request });
}
