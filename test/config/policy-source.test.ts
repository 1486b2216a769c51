/** The policy files change while the gateway runs: a good change is taken over, a bad one never is. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { SourceText } from '../../src/base/document.ts';
import { createPolicySource, type WatchedPolicy } from '../../src/config/index.ts';
import { DENY_ALL, type Policy } from '../../src/domain/verdict.ts';
import { FakeClock } from '../fakes/clock.ts';

let folder: string;
let file: string;
let clock: FakeClock;
let source: WatchedPolicy<Policy> | undefined;
let told: (string | undefined)[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hoop-policy-'));
  file = join(folder, 'policy.yaml');
  clock = new FakeClock();
  source = undefined;
  told = [];
});
afterEach(() => {
  source?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A policy's digest is its text; texts that begin with `bad` do not load. */
function compile(sources: readonly SourceText[]) {
  const text = sources.map((each) => each.text).join('|');
  if (/bad|^$/.test(text))
    return { ok: false as const, problems: [{ file: 'policy.yaml', line: 3, message: 'is wrong' }] };
  return { ok: true as const, policy: { ...DENY_ALL, digest: text } };
}

async function open(path = file): Promise<WatchedPolicy<Policy>> {
  source = await createPolicySource({ path, compile, clock, onProblem: (problem) => void told.push(problem) });
  return source;
}

/** Two looks: one that finds the change, one that finds it unchanged. */
async function settle(watched: WatchedPolicy<Policy>): Promise<void> {
  await watched.look();
  await watched.look();
}

test('a changed file is taken over, and listeners hear of it once', async () => {
  writeFileSync(file, 'one');
  const watched = await open();
  const heard: string[] = [];
  watched.onChange((policy) => heard.push(policy.digest));
  assert.equal(watched.current().digest, 'one');
  writeFileSync(file, 'two');
  await settle(watched);
  await settle(watched);
  assert.deepEqual([watched.current().digest, heard], ['two', ['two']]);
});

test('a file that was only half written at the first look is not taken over', async () => {
  writeFileSync(file, 'access and rules');
  const watched = await open();
  writeFileSync(file, 'access');
  await watched.look();
  assert.equal(watched.current().digest, 'access and rules');
  writeFileSync(file, 'access and more rules');
  await watched.look();
  assert.equal(watched.current().digest, 'access and rules');
  await watched.look();
  assert.equal(watched.current().digest, 'access and more rules');
});

describe('the last good policy stays in force', () => {
  for (const [name, spoil] of [
    ['when the file does not load', () => writeFileSync(file, 'bad')],
    ['when the file is empty', () => writeFileSync(file, '')],
    ['when the file is gone', () => rmSync(file)],
    ['when a folder takes its place', () => [rmSync(file), mkdirSync(file)]],
    ['when it is far too large', () => writeFileSync(file, 'x'.repeat(5_000_000))],
  ] as const) {
    test(`${name}, and the problem is told until it is mended`, async () => {
      writeFileSync(file, 'good');
      const watched = await open();
      spoil();
      await settle(watched);
      assert.equal(watched.current().digest, 'good');
      assert.match(watched.problem ?? '', /policy\.yaml/);
      await settle(watched);
      assert.equal(told.length, 1, 'told once');
      rmSync(file, { recursive: true, force: true });
      writeFileSync(file, 'mended');
      await settle(watched);
      assert.deepEqual([watched.current().digest, watched.problem, told.length], ['mended', undefined, 2]);
    });
  }

  test('going back to what is in force clears the problem, and is no change', async () => {
    writeFileSync(file, 'good');
    const watched = await open();
    let changes = 0;
    watched.onChange(() => void changes++);
    writeFileSync(file, 'bad');
    await settle(watched);
    writeFileSync(file, 'good');
    await settle(watched);
    assert.deepEqual([watched.problem, changes], [undefined, 0]);
  });
});

describe('a folder of files', () => {
  test('is one policy, in order of the names; drafts and other files are left out', async () => {
    writeFileSync(join(folder, 'b.yml'), 'b');
    writeFileSync(join(folder, 'a.yaml'), 'a');
    writeFileSync(join(folder, '.a.yaml.swp.yaml'), 'draft');
    writeFileSync(join(folder, 'README.md'), 'words');
    assert.equal((await open(folder)).current().digest, 'a|b');
  });

  test('a file that comes or goes is a change', async () => {
    writeFileSync(file, 'one');
    const watched = await open(folder);
    writeFileSync(join(folder, 'z.yaml'), 'two');
    await settle(watched);
    assert.equal(watched.current().digest, 'one|two');
    renameSync(join(folder, 'z.yaml'), join(folder, 'z.txt'));
    await settle(watched);
    assert.equal(watched.current().digest, 'one');
  });

  test('an empty one keeps what is in force', async () => {
    writeFileSync(file, 'one');
    const watched = await open(folder);
    rmSync(file);
    await settle(watched);
    assert.equal(watched.current().digest, 'one');
    assert.match(watched.problem ?? '', /holds no \.yaml file/);
  });
});

test('without a good policy at the start nothing starts', async () => {
  await assert.rejects(open(), { code: 'POLICY_INVALID', exit: 2 });
  writeFileSync(file, 'bad');
  await assert.rejects(open(), (error: Error) => /policy\.yaml:3 is wrong/.test(error.message));
});

test('the files are looked at by themselves, and not after close', async () => {
  writeFileSync(file, 'one');
  const watched = await open();
  const changed = new Promise<string>((resolve) => watched.onChange((policy) => resolve(policy.digest)));
  writeFileSync(file, 'two');
  // Reading takes turns of the event loop that a clock of ours does not count: it is moved until the change is heard.
  let heard: string | undefined;
  void changed.then((digest) => {
    heard = digest;
  });
  while (heard === undefined) await clock.advance(250);
  assert.equal(heard, 'two');
  watched.close();
  writeFileSync(file, 'three');
  await clock.advance(10_000);
  assert.equal(watched.current().digest, 'two');
});
