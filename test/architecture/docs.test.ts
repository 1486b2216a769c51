/** The documentation holds together: every page can be reached, and no link leads nowhere. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';

const root = packageRoot();
const PAGES = globSync(['*.md', 'docs/**/*.md', 'templates/**/*.md'], { cwd: root }).sort();

/** Targets of `[text](target)` outside code, without addresses elsewhere and without the part after `#`. */
function linksIn(page: string): string[] {
  const prose = readFileSync(join(root, page), 'utf8').replace(/```[\s\S]*?```|`[^`\n]*`|<!--[\s\S]*?-->/g, '');
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!.split('#')[0]!);
  return targets.filter((target) => target !== '' && !/^[a-z]+:/.test(target));
}

test('every link leads to a file', () => {
  assert.ok(PAGES.includes('README.md'), 'no page was read');
  const broken = PAGES.flatMap((page) =>
    linksIn(page)
      .filter((target) => !existsSync(join(root, dirname(page), target)))
      .map((target) => `${page}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('every page of docs/ stands in its index', () => {
  const listed = new Set(linksIn('docs/README.md').map((target) => relative(root, join(root, 'docs', target))));
  const pages = PAGES.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md');
  assert.deepEqual(
    pages.filter((page) => !listed.has(page)),
    [],
  );
});
