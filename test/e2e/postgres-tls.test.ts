/** How the gateway logs in to a real target: whose certificate it believes, which proofs it gives, and what it never does. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Secret } from '../../src/base/secret.ts';
import { readSettings } from '../../src/protocols/postgres/settings.ts';
import { connectUpstream } from '../../src/protocols/postgres/upstream.ts';
import { dialTcp } from '../fakes/house.ts';
import { startPostgres, type RunningPostgres } from '../fakes/postgres.ts';
import { ACCOUNT, ACCOUNT_PASSWORD, closeReader, openHouse, prepareDatabase } from './postgres-house.ts';

let pg: RunningPostgres;
let folder: string;
let ca: string;
let otherCa: string;
let otherCertificate: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hoopctl-tls-'));
  pg = await startPostgres({ ssl: true, settings: { log_connections: 'on' } });
  await prepareDatabase(pg);
  ca = join(folder, 'ca.pem');
  await writeFile(ca, pg.certificate ?? '');
  otherCa = join(folder, 'other.pem');
  const other = await startPostgres({ ssl: true });
  otherCertificate = other.certificate ?? '';
  await writeFile(otherCa, otherCertificate);
  await other.stop();
});
after(async () => {
  await pg.stop();
  await rm(folder, { recursive: true, force: true });
  await closeReader();
});

async function attempt(
  settings: Readonly<Record<string, unknown>>,
): Promise<{ stdout: string; stderr: string; notes: string }> {
  const house = await openHouse(pg, { settings });
  try {
    const { stdout, stderr } = await house.psql(
      '-At',
      '-c',
      'SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
    );
    return { stdout: stdout.trim(), stderr, notes: JSON.stringify(house.notes) };
  } finally {
    await house.close();
  }
}

describe('TLS with the target', () => {
  test('verify-full believes a certificate of the named authority for this host', async () => {
    const { stdout, stderr } = await attempt({ tls: { mode: 'verify-full', ca } });
    assert.equal(stderr, '');
    assert.match(stdout, /^t\|TLSv1\.3/);
  });

  test('binds the login to the channel where the server can, and the server sees the same certificate', async () => {
    const read = readSettings({
      address: `${pg.host}:${pg.port}`,
      database: 'shop',
      account: { user: ACCOUNT, password: { env: 'X' } },
      tls: { mode: 'verify-full', ca },
    });
    assert.ok(read.ok);
    const way = {
      dial: () => dialTcp({ host: pg.host, port: pg.port }),
      secret: async () => Secret.of(ACCOUNT_PASSWORD),
      signal: new AbortController().signal,
    };
    const upstream = await connectUpstream(way, read.settings, new Map());
    upstream.channel.abort(undefined);
    assert.equal(upstream.channelBound, true);
    const forged = async () => {
      const channel = await way.dial();
      return {
        ...channel,
        secure: async (options: never) => ({
          ...(await channel.secure(options)),
          peerCertificate: () => new X509Certificate(otherCertificate).raw,
        }),
      };
    };
    await assert.rejects(connectUpstream({ ...way, dial: forged }, read.settings, new Map()), { code: 'TARGET_LOGIN' });
  });

  test('verify-full refuses another authority, and another name', async () => {
    for (const tls of [
      { mode: 'verify-full', ca: otherCa },
      'verify-full',
      { mode: 'verify-full', ca, serverName: 'db.example.test' },
    ]) {
      const { stdout, stderr, notes } = await attempt({ tls });
      assert.equal(stdout, '');
      assert.match(stderr, /HOOP_UNAVAILABLE: TLS with the target failed/);
      assert.match(notes, /TARGET_TLS/);
    }
  });

  test('verify-ca asks for the authority, not for the name', async () => {
    assert.match((await attempt({ tls: { mode: 'verify-ca', ca, serverName: 'db.example.test' } })).stdout, /^t/);
    assert.equal((await attempt({ tls: { mode: 'verify-ca', ca: otherCa } })).stdout, '');
  });

  test('require encrypts, and asks nothing', async () => {
    assert.match((await attempt({ tls: 'require' })).stdout, /^t/);
  });

  test('an authority file that cannot be read is said to be so', async () => {
    assert.match(
      (await attempt({ tls: { mode: 'verify-full', ca: join(folder, 'none.pem') } })).stderr,
      /file of authorities cannot be read/,
    );
  });
});

describe('the login at the target', () => {
  test('fails with a wrong password, without a word of it', async () => {
    const house = await openHouse(pg, { password: 'wrong-canary-password' });
    try {
      const { stderr } = await house.psql('-c', 'SELECT 1');
      assert.match(
        stderr,
        /HOOP_UNAVAILABLE: the target refused the login: password authentication failed for user "run"/,
      );
      assert.doesNotMatch(stderr + JSON.stringify(house.notes), /canary|app_reader/);
    } finally {
      await house.close();
    }
  });

  for (const [auth, said] of [
    ['md5', /md5 authentication, which is no longer safe/],
    ['password', /in clear text, which is never sent/],
  ] as const) {
    test(`is not done by ${auth}`, async () => {
      const old = await startPostgres({ auth, settings: { password_encryption: 'md5' } });
      const house = await openHouse(old, {
        settings: { account: { user: 'postgres', password: { env: 'X' } }, database: 'postgres' },
        password: old.superuserPassword,
      });
      try {
        const { stderr } = await house.psql('-d', 'postgres', '-c', 'SELECT 1');
        assert.match(stderr, said);
      } finally {
        await house.close();
        await old.stop();
      }
    });
  }

  test('is one line for a server that is not there', async () => {
    const house = await openHouse(pg, { address: { host: '127.0.0.1', port: 1 } });
    try {
      const { stderr } = await house.psql('-c', 'SELECT 1');
      assert.match(stderr, /HOOP_UNAVAILABLE: the target cannot be reached: ECONNREFUSED/);
      assert.doesNotMatch(stderr, new RegExp(ACCOUNT_PASSWORD));
    } finally {
      await house.close();
    }
  });
});
