/** What is sealed comes back with the same key and for the same owner, and otherwise not at all. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HoopError } from '../../src/base/error.ts';
import { Secret } from '../../src/base/secret.ts';
import { makePassword, openSealer } from '../../src/secrets/index.ts';

test('a sealed secret comes back, after a restart too', async () => {
  await using keys = folder();
  const sealed = openSealer(keys.path).seal(Secret.of('canary-ü'), 'app on db:5432');
  assert.equal(openSealer(keys.path).unseal(sealed, 'app on db:5432').reveal(), 'canary-ü');
  assert.ok(!sealed.includes('canary'));
  assert.deepEqual(readdirSync(keys.path), ['seal.key']);
  assert.equal(statSync(join(keys.path, 'seal.key')).mode & 0o777, 0o600);
});

test('two seals of one secret do not show that they are of one', async () => {
  await using keys = folder();
  const sealer = openSealer(keys.path);
  assert.notEqual(sealer.seal(Secret.of('x'), 'a'), sealer.seal(Secret.of('x'), 'a'));
});

test("one in another's place, one that was changed, and one of another key do not open", async () => {
  await using keys = folder();
  await using others = folder();
  const sealer = openSealer(keys.path);
  const sealed = sealer.seal(Secret.of('canary'), 'a');
  const broken = (attempt: () => unknown) =>
    assert.throws(attempt, (error) => error instanceof HoopError && error.code === 'SEAL_BROKEN');
  broken(() => sealer.unseal(sealed, 'b'));
  broken(() => openSealer(others.path).unseal(sealed, 'a'));
  broken(() => sealer.unseal('', 'a'));
  const body = Buffer.from(sealed.slice('hoop-seal-1:'.length), 'base64url');
  for (let at = 0; at < body.length; at++) {
    const changed = Buffer.from(body);
    changed[at] = (changed[at] as number) ^ 1;
    broken(() => sealer.unseal(`hoop-seal-1:${changed.toString('base64url')}`, 'a'));
  }
});

test('a key that others can read, or that is none, is refused', async () => {
  await using keys = folder();
  openSealer(keys.path);
  const path = join(keys.path, 'seal.key');
  const before = readFileSync(path, 'utf8');
  chmodSync(path, 0o644);
  assert.throws(() => openSealer(keys.path), /can be read by others/);
  chmodSync(path, 0o600);
  writeFileSync(path, before.slice(0, 10));
  assert.throws(() => openSealer(keys.path), /does not hold 32 bytes/);
});

test('passwords are long, and no two are alike', () => {
  const made = [makePassword(), makePassword()].map((secret) => secret.reveal());
  assert.match(made[0] as string, /^[A-Za-z0-9_-]{43}$/);
  assert.notEqual(made[0], made[1]);
});

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'hoopctl-seal-'));
  return { path, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }) };
}
