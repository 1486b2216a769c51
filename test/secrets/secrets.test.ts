/** A secret is what its reference names, now; what is wrong with it is said, the secret never. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { HoopError } from '../../src/base/error.ts';
import { createSecrets, type SecretRef } from '../../src/secrets/index.ts';

describe('in the environment', () => {
  test('is taken as it is', async () => {
    const secrets = createSecrets({ env: { DB_PASSWORD: ' with spaces \n' } });
    assert.equal((await secrets.resolve({ env: 'DB_PASSWORD' })).reveal(), ' with spaces \n');
    assert.equal((await secrets.resolveToken({ env: 'DB_PASSWORD' })).expose(), ' with spaces \n');
  });

  for (const [name, env, code] of [
    ['NOT_SET', {}, 'SECRET_MISSING'],
    ['EMPTY', { EMPTY: '' }, 'SECRET_EMPTY'],
    ['no name', { 'no name': 'x' }, 'SECRET_REFERENCE'],
    ['A=B', {}, 'SECRET_REFERENCE'],
    ['', { '': 'x' }, 'SECRET_REFERENCE'],
    ['toString', {}, 'SECRET_MISSING'],
  ] as const) {
    test(`"${name}" is refused by name`, async () => {
      const secrets = createSecrets({ env });
      await assert.rejects(secrets.resolve({ env: name }), refusal(code, name));
    });
  }
});

describe('in a file', () => {
  test('is its text without the last line ending, and nothing else cut', async () => {
    await using folder = temporary();
    const secrets = createSecrets({ folder: folder.path });
    for (const [text, value] of [
      ['pass', 'pass'],
      ['pass\n', 'pass'],
      ['pass\r\n', 'pass'],
      ['pass\n\n', 'pass\n'],
      [' two words ', ' two words '],
    ] as const) {
      folder.write('password', text);
      assert.equal((await secrets.resolve({ file: 'password' })).reveal(), value);
    }
  });

  test('is read anew when it was replaced or overwritten', async () => {
    await using folder = temporary();
    const secrets = createSecrets({ folder: folder.path });
    folder.write('password', 'one');
    assert.equal((await secrets.resolve({ file: 'password' })).reveal(), 'one');
    folder.write('password.new', 'two');
    renameSync(join(folder.path, 'password.new'), join(folder.path, 'password'));
    assert.equal((await secrets.resolve({ file: 'password' })).reveal(), 'two');
    folder.write('password', 'six');
    assert.equal((await secrets.resolve({ file: 'password' })).reveal(), 'six');
  });

  test('that is gone is no secret any more', async () => {
    await using folder = temporary();
    const secrets = createSecrets({ folder: folder.path });
    folder.write('password', 'one');
    await secrets.resolve({ file: 'password' });
    rmSync(join(folder.path, 'password'));
    await assert.rejects(secrets.resolve({ file: 'password' }), refusal('SECRET_MISSING', 'password'));
  });

  test('that others can read is warned about, once, and used', async () => {
    await using folder = temporary();
    const warnings: string[] = [];
    const secrets = createSecrets({
      folder: folder.path,
      warn: (message, hint) => warnings.push(`${message}; ${hint}`),
    });
    folder.write('open', 'one');
    folder.write('closed', 'two');
    chmodSync(join(folder.path, 'open'), 0o640);
    for (const file of ['open', 'open', 'closed']) await secrets.resolve({ file });
    const path = join(folder.path, 'open');
    assert.deepEqual(warnings, [`${path} holds a secret and can be read by others (mode 640); chmod 600 ${path}`]);
  });

  for (const [name, text, code] of [
    ['empty', '', 'SECRET_EMPTY'],
    ['newline', '\n', 'SECRET_EMPTY'],
    ['huge', 'x'.repeat(65_537), 'SECRET_UNREADABLE'],
    ['binary', Buffer.from([0xff, 0xfe, 0x00]), 'SECRET_UNREADABLE'],
  ] as const) {
    test(`that is ${name} is refused`, async () => {
      await using folder = temporary();
      folder.write(name, text);
      await assert.rejects(createSecrets({ folder: folder.path }).resolve({ file: name }), refusal(code, name));
    });
  }

  test('is not a folder', async () => {
    await using folder = temporary();
    mkdirSync(join(folder.path, 'd'));
    await assert.rejects(
      createSecrets({ folder: folder.path }).resolve({ file: 'd' }),
      refusal('SECRET_UNREADABLE', 'd'),
    );
  });
});

for (const ref of [{}, { env: 'A', file: 'b' }, { vault: 'x' }, { env: 'A', vault: 'x' }, { env: 1 }, { file: '' }]) {
  test(`a reference that this version does not know is refused: ${JSON.stringify(ref)}`, async () => {
    const secrets = createSecrets({ env: { A: 'x' } });
    await assert.rejects(secrets.resolve(ref as unknown as SecretRef), refusal('SECRET_REFERENCE', 'env'));
  });
}

test('an error about a secret never holds it', async () => {
  await using folder = temporary();
  folder.write('s', Buffer.concat([Buffer.from('canary'), Buffer.from([0xff])]));
  await assert.rejects(createSecrets({ folder: folder.path }).resolve({ file: 's' }), (error) => {
    assert.ok(!inspect(error, { depth: 10 }).includes('canary'));
    return true;
  });
});

function refusal(code: string, names: string) {
  return (error: unknown) => {
    assert.ok(error instanceof HoopError);
    assert.equal(error.code, code);
    assert.ok(error.message.includes(names), error.message);
    assert.ok(error.hint);
    assert.equal(error.exit, 2);
    return true;
  };
}

function temporary() {
  const path = mkdtempSync(join(tmpdir(), 'hoopctl-secrets-'));
  return {
    path,
    write: (name: string, text: string | Buffer) => writeFileSync(join(path, name), text, { mode: 0o600 }),
    [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }),
  };
}
