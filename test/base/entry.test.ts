/** A module finds its workers and templates from a checkout and from a built package. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { entryUrl, locateEntry, packageRoot } from '../../src/base/entry.ts';

test('in a checkout an entry is the source file itself', () => {
  const file = fileURLToPath(entryUrl('base/entry.ts'));
  assert.equal(file, join(packageRoot(), 'src', 'base', 'entry.ts'));
  assert.ok(existsSync(file));
});

test('the package root holds package.json and bin', () => {
  assert.ok(existsSync(join(packageRoot(), 'package.json')));
  assert.ok(existsSync(join(packageRoot(), 'bin', 'hoopctl.js')));
});

test('in a built package an entry is the JavaScript below dist, from whatever depth the code was moved to', () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'hoopctl-entry-')));
  try {
    writeFileSync(join(root, 'package.json'), '{}');
    mkdirSync(join(root, 'dist', 'chunks'), { recursive: true });
    const expected = pathToFileURL(join(root, 'dist', 'languages', 'sql', 'worker.js')).href;
    for (const place of ['dist/chunks/a-1.js', 'dist/cli/main.js', 'dist/b.js']) {
      const from = pathToFileURL(join(root, place)).href;
      assert.equal(locateEntry(from, 'languages/sql/worker.ts').href, expected);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
