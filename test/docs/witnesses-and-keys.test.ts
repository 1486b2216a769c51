/** docs/witnesses-and-keys.md, followed against a gateway with a witness. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DATABASE_PASSWORD, startStack } from '../fakes/stack.ts';
import { startWitness } from '../fakes/witness.ts';
import { readPage } from './blocks.ts';
import { openDesk, type Reader } from './follow.ts';

const PAGE = 'docs/witnesses-and-keys.md';
const GATEWAY = 'https://gateway.example:8443';
const KEY_ON_THE_PAGE = /witness\.example\/w1\+2f8ad3f2\+[A-Za-z0-9+/]{44}/;

test('witnesses-and-keys.md', async () => {
  const witness = await startWitness();
  await using stack = await startStack({
    gatewayYaml: (yaml) =>
      yaml.replace('durability:', `log: { witness: [{ url: '${witness.url}', key: '${witness.key}' }] }, durability:`),
  });
  using desk = openDesk();
  const keys = join(stack.gatewayFolder, 'keys');
  const [gateway = ''] = readdirSync(join(stack.recordings, '.log'));
  const trust = (file: string) => {
    const key = createPublicKey(readFileSync(join(keys, file)));
    witness.trust(`hoopctl/${gateway}`, key.export({ type: 'spki', format: 'pem' }) as string);
  };
  const people: Readonly<Record<string, string>> = { dana: 'dana', keeper: 'riley' };
  const reader = (...standIns: NonNullable<Reader['standIns']>): Reader => ({
    visit: (link, person) => stack.idp.visit(link, { user: `${people[person]}@example.test` }),
    env: { SHOP_PASSWORD: DATABASE_PASSWORD },
    standIns: [[GATEWAY, stack.gateway.url], ...standIns],
  });

  trust('recording.pub');
  const blocks = readPage(PAGE);
  const restart = blocks.findIndex(({ elsewhere }) => elsewhere !== undefined);
  assert.ok(restart > 0);
  const gatewayYaml = ['/etc/hoopctl/gateway.yaml', join(stack.gatewayFolder, 'gateway.yaml')] as const;
  await desk.follow(blocks.slice(0, restart), reader([KEY_ON_THE_PAGE, witness.key], gatewayYaml));
  const before = readFileSync(join(keys, 'recording.pub'), 'utf8');
  // Told before the gateway signs with it: a witness that refused is asked again only after a while.
  trust('recording.key.next');
  await stack.restart();
  const said = await desk.follow(
    blocks.slice(restart + 1),
    reader(['/var/lib/hoopctl/keys', keys], ['/var/lib/hoopctl/recordings', stack.recordings]),
  );
  const after = readFileSync(join(keys, 'recording.pub'), 'utf8');
  assert.notEqual(after, before);
  assert.ok(said.at(-1)?.includes(after.split('\n')[1] ?? '?'), 'the key that is pinned then is the new one');
  await witness.close();
});
