import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { writeFiles } from '../../../src/app/client-files.ts';
import type { Endpoint } from '../../../src/domain/protocol.ts';
import { client } from '../../../src/protocols/http/client.ts';
import { temporaryFolder } from '../../fakes/resources.ts';

const BILLING: Endpoint = {
  ...{ target: 'billing-eu', host: '127.0.0.1', port: 2280, user: 'run' },
  secret: Buffer.alloc(32, 1).toString('base64url'),
};

describe('an http endpoint', () => {
  test('is verified by the digest of its secret', async () => {
    const verifier = await client.verifierOf(BILLING.secret);
    assert.equal(verifier.kind, 'sha-256');
    assert.match(verifier.kind === 'sha-256' ? verifier.digest : '', /^[0-9a-f]{64}$/);
  });

  test('has an address without a secret in it, and the secret beside it', () => {
    assert.deepEqual(client.environment(BILLING, true), {
      HOOP_BILLING_EU_URL: 'http://127.0.0.1:2280',
      HOOP_BILLING_EU_HOST: '127.0.0.1',
      HOOP_BILLING_EU_PORT: '2280',
      HOOP_BILLING_EU_USER: 'run',
      HOOP_BILLING_EU_PASSWORD: BILLING.secret,
      HOOP_BILLING_EU_TOKEN: BILLING.secret,
    });
    assert.equal(client.url(BILLING, 'url'), 'http://127.0.0.1:2280');
  });

  test('has no address of JDBC or SQLAlchemy', () => {
    for (const form of ['jdbc', 'sqlalchemy'] as const)
      assert.throws(() => client.url(BILLING, form), { code: 'URL_FORM', exit: 2 });
  });

  test('of a model gives what the libraries of its provider read, where it may have the usual names', () => {
    const openai = { ...BILLING, target: 'openai', shown: { preset: 'openai' } };
    assert.deepEqual(usual(openai), {
      OPENAI_BASE_URL: 'http://127.0.0.1:2280/v1',
      OPENAI_API_KEY: BILLING.secret,
      OPENAI_AGENTS_DISABLE_TRACING: '1',
    });
    assert.deepEqual(usual({ ...openai, shown: { preset: 'anthropic' } }), {
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:2280',
      ANTHROPIC_API_KEY: BILLING.secret,
    });
    assert.equal(Object.hasOwn(client.environment(openai, false), 'OPENAI_API_KEY'), false);
    assert.deepEqual(usual({ ...openai, shown: { preset: 'toString' } }), {});
  });

  test('of a model that lies elsewhere has its base there, if that is a path', () => {
    const base = (path: string) =>
      usual({ ...BILLING, shown: { preset: 'openai', path } })['OPENAI_BASE_URL']?.slice(
        'http://127.0.0.1:2280'.length,
      );
    assert.equal(base('/openai/v1/'), '/openai/v1');
    assert.equal(base(''), '');
    for (const path of ['.evil.test/', '@evil.test', '//evil.test', '/a b', '/a\n'])
      assert.equal(base(path), '/v1', path);
  });
});

describe('the files of http endpoints', () => {
  test('are one configuration of curl for each', () => {
    const other = { ...BILLING, target: 'crm', secret: 'other' };
    const { files, env } = client.files?.([BILLING, other], '/run/x') ?? { files: {}, env: {} };
    assert.deepEqual(Object.keys(files), ['billing-eu.curlrc', 'crm.curlrc']);
    assert.match(files['crm.curlrc'] ?? '', /^oauth2-bearer = "other"$/m);
    assert.deepEqual(env, { HOOP_CURL_DIR: '/run/x' });
    assert.match(client.usage?.('crm') ?? '', /curl -K "\$HOOP_CURL_DIR\/crm\.curlrc" "\$HOOP_CRM_URL\/PATH"/);
  });

  test('are not written for a target whose name could lead elsewhere', () => {
    for (const target of ['../x', 'a/b', 'Web', ''])
      assert.throws(() => client.files?.([{ ...BILLING, target }], '/run/x'), { code: 'HTTP_NAME', exit: 2 });
  });

  test('let curl in, with the secret in no command line', async (t) => {
    const { endpoint, folder, asked } = await listening(t);
    const [[command = '', ...args] = []] = client.commands?.(endpoint, folder) ?? [];
    assert.equal(await run(command, args), 'it works');
    assert.equal(asked[0]?.headers.authorization, `Bearer ${endpoint.secret}`);
    assert.doesNotMatch(args.join(' '), new RegExp(endpoint.secret));
  });
});

describe("a person's own curl", () => {
  test('takes a path first, then what is its own', () => {
    const { command, args } = client.native(BILLING, ['/v1/x?a[]=1', '-X', 'POST', '-o', '/tmp/x'], '/run/x');
    assert.equal(command, 'curl');
    assert.deepEqual(args, [
      ...['-q', '-K', '/run/x/billing-eu.curlrc', 'http://127.0.0.1:2280/v1/x?a[]=1'],
      ...['-X', 'POST', '-o', '/tmp/x'],
    ]);
    assert.equal(client.native(BILLING, [], '/run/x').args.at(-1), 'http://127.0.0.1:2280/');
  });

  test('is not started without a path: what comes first would be another address', () => {
    for (const first of ['-X', 'https://evil.test/', '.evil.test/', '@evil.test/', ':1/'])
      assert.throws(() => client.native(BILLING, [first]), { code: 'CONNECT_PATH', exit: 2 });
  });

  test('reaches the tunnel alone, whatever proxy and configuration are the user’s', async (t) => {
    const { endpoint, folder, asked } = await listening(t);
    const home = temporaryFolder(t);
    writeFiles(home, { '.curlrc': 'proxy = "http://127.0.0.1:1"\nheader = "X-Other: 1"\n' });
    const { command, args, without = [] } = client.native(endpoint, ['/v1/x?a[]=1', '-s'], folder);
    const proxies = { http_proxy: 'http://127.0.0.1:1', ALL_PROXY: 'http://127.0.0.1:1' };
    assert.equal(await run(command, args, { HOME: home, ...proxies }), 'it works');
    assert.equal(asked[0]?.url, '/v1/x?a[]=1');
    assert.equal(asked[0]?.headers['x-other'], undefined);
    for (const name of Object.keys(proxies)) assert.ok(without.includes(name), name);
  });
});

function usual(endpoint: Endpoint): Record<string, string> {
  const always = client.environment(endpoint, false);
  return Object.fromEntries(Object.entries(client.environment(endpoint, true)).filter(([name]) => !(name in always)));
}

async function listening(t: TestContext) {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    response.end('it works');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const endpoint = { ...BILLING, port, secret: randomBytes(32).toString('base64url') };
  const folder = join(temporaryFolder(t), 'a "folder"');
  writeFiles(folder, client.files?.([endpoint], folder).files ?? {});
  return { endpoint, folder, asked };
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile(command, args, { env: { PATH: process.env['PATH'], ...env }, timeout: 20_000 }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    ),
  );
}
