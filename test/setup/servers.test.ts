/** Where real servers are found, and what a test says that misses one. */
import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { test } from 'node:test';
import { findServer, installCommand, SERVERS } from '../../bin/setup/servers.js';
import { requireServer } from '../fakes/servers.ts';

test('every program of a server that is there can be run', () => {
  for (const path of Object.values(requireServer('postgresql'))) accessSync(path, constants.X_OK);
});

test("PostgreSQL's own client is taken, not the wrapper that chooses a cluster", () => {
  assert.match(requireServer('postgresql-client').psql!, /^\/usr\/lib\/postgresql\/\d+\/bin\/psql$/);
});

test('a missing server fails with the command that installs it', () => {
  const table = SERVERS as Map<string, { task: 'test'; binaries: string[] }>;
  table.set('no-such-server', { task: 'test', binaries: ['no-such-binary'] });
  try {
    assert.equal(findServer('no-such-server' as 'haproxy'), undefined);
    assert.throws(() => requireServer('no-such-server' as 'haproxy'), {
      message: 'no-such-server is not installed; as root run: apt-get install -y no-such-server',
    });
  } finally {
    table.delete('no-such-server');
  }
});

test('one command installs several', () => {
  assert.equal(installCommand(['a', 'b']), 'apt-get install -y a b');
});
