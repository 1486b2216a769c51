import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startAdmin } from '../../../src/app/gateway/admin.ts';
import { listening } from '../../../src/app/gateway/listening.ts';

const PARTS = {
  ready: async () => ({ ok: true, problems: [] }),
  metrics: async () => ({ type: 'text/plain', text: '' }),
};

test('a port that is taken, and an address that is not ours, are said to be so', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const taken = { host: '127.0.0.1', port: (other.address() as AddressInfo).port };
  await assert.rejects(listening('admin.listen', taken, startAdmin({ ...taken, ...PARTS })), {
    code: 'PORT_IN_USE',
    message: `admin.listen: 127.0.0.1:${taken.port} is in use by another process`,
    hint: 'stop what listens there, or name another port in gateway.yaml',
  });
  other.close();
  const foreign = { host: '192.0.2.1', port: 8443 };
  await assert.rejects(listening('listen', foreign, startAdmin({ ...foreign, ...PARTS })), {
    code: 'LISTEN_FAILED',
    exit: 1,
  });
});

test('what is no matter of the address stays what it is', async () => {
  const cause = new Error('something else');
  await assert.rejects(listening('listen', { host: '127.0.0.1', port: 1 }, Promise.reject(cause)), cause);
});
