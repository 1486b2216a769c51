/** What an agent and a person's psql are told of an endpoint. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { client } from '../../../src/protocols/postgres/client.ts';

const TCP = {
  target: 'orders-db',
  host: '127.0.0.1',
  port: 5433,
  user: 'run',
  secret: 's/e+c=ret',
  database: 'orders',
};
const SOCKET = { ...TCP, host: '/run/user/1000/hoop x' };

describe('an endpoint', () => {
  test('is given under its own name', () => {
    assert.deepEqual(client.environment(TCP, false), {
      HOOP_ORDERS_DB_URL: 'postgres://run:s%2Fe%2Bc%3Dret@127.0.0.1:5433/orders',
      HOOP_ORDERS_DB_HOST: '127.0.0.1',
      HOOP_ORDERS_DB_PORT: '5433',
      HOOP_ORDERS_DB_USER: 'run',
      HOOP_ORDERS_DB_PASSWORD: 's/e+c=ret',
    });
  });

  test('is given under the names every client knows, too, where it is the only one', () => {
    const short = client.environment(TCP, true);
    assert.deepEqual(Object.keys(short).slice(5), [
      ...['DATABASE_URL', 'PGHOST', 'PGPORT', 'PGUSER', 'PGPASSWORD', 'PGDATABASE', 'PGSSLMODE', 'PGREQUIREAUTH'],
    ]);
    assert.equal(short['PGSSLMODE'], 'disable');
    assert.equal(short['PGREQUIREAUTH'], 'scram-sha-256');
  });

  test('has a URL that parsers read back', () => {
    const url = new URL(client.url(TCP, 'url'));
    assert.deepEqual([decodeURIComponent(url.password), url.port, url.pathname], ['s/e+c=ret', '5433', '/orders']);
    assert.equal(
      client.url(SOCKET, 'url'),
      'postgres://run:s%2Fe%2Bc%3Dret@%2Frun%2Fuser%2F1000%2Fhoop%20x:5433/orders',
    );
    assert.equal(client.url(TCP, 'sqlalchemy'), 'postgresql://run:s%2Fe%2Bc%3Dret@127.0.0.1:5433/orders');
    assert.equal(
      client.url(TCP, 'jdbc'),
      'jdbc:postgresql://127.0.0.1:5433/orders?user=run&password=s%2Fe%2Bc%3Dret&sslmode=disable',
    );
    assert.match(client.url({ ...TCP, host: '::1' }, 'url'), /@\[::1\]:5433\//);
  });

  test('is handed to psql without the secret in its arguments', () => {
    const native = client.native(TCP, ['-c', 'select 1']);
    assert.deepEqual([native.command, native.args], ['psql', ['-c', 'select 1']]);
    assert.equal(native.env['PGPASSWORD'], 's/e+c=ret');
  });

  test('in a folder has the file name libpq looks for', () => {
    assert.equal(client.socketName?.(5433), '.s.PGSQL.5433');
  });

  test('has a verifier that shows nothing of the secret', async () => {
    const verifier = await client.verifierOf('a secret');
    assert.equal(verifier.kind === 'scram-sha-256' && verifier.iterations, 4096);
    assert.ok(!JSON.stringify(verifier).includes('a secret'));
    assert.notDeepEqual(await client.verifierOf('a secret'), verifier, 'each has a salt of its own');
  });
});
