/** The man pages: complete by the commands' forms, and rendered by the system's own `man` without a warning. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { COMMANDS } from '../../src/cli/commands.ts';
import { EXIT_CODES } from '../../src/cli/exit-codes.ts';
import { shownOptions } from '../../src/cli/help.ts';
import { manPages, roff } from '../../src/cli/man.ts';
import { ENVIRONMENT } from '../../src/cli/topics.ts';
import { requireServer } from '../fakes/servers.ts';
import { newHome } from './cli.ts';

let folder = '';
const rendered = new Map<string, string>();

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hoopctl-man-'));
  for (const [file, text] of await manPages()) {
    writeFileSync(join(folder, file), text);
    const { status, stdout, stderr } = render(file);
    assert.deepEqual([file, status, stderr], [file, 0, '']);
    rendered.set(file, stdout);
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Wide, so that nothing is broken over lines; without overstriking. */
function render(file: string) {
  const env = { PATH: process.env['PATH'], MANWIDTH: '400', LC_ALL: 'C.UTF-8', MAN_KEEP_FORMATTING: '', TERM: 'dumb' };
  const { status, stdout, stderr } = spawnSync(
    requireServer('man-db')['man']!,
    ['--warnings', '-l', join(folder, file)],
    {
      encoding: 'utf8',
      env,
    },
  );
  return { status, stderr, stdout: stdout.replace(/.\x08/g, '') };
}

const flat = (text: string) => text.replace(/\s+/g, ' ');

test('there is a page for hoopctl, which names every command, variable and exit code, and one for each command', () => {
  assert.deepEqual([...rendered.keys()], ['hoopctl.1', ...COMMANDS.map(({ name }) => `hoopctl-${name}.1`)]);
  const first = flat(rendered.get('hoopctl.1')!);
  for (const { name, summary } of COMMANDS) assert.ok(first.includes(` ${name} ${summary} `), name);
  for (const [name, meaning] of ENVIRONMENT) assert.ok(first.includes(`${name} ${meaning}`), name);
  for (const { name } of COMMANDS) assert.ok(first.includes(`hoopctl-${name}(1)`), name);
});

test('every subcommand, argument, option and exit code of a command stands on its page', async () => {
  for (const { name, load } of COMMANDS) {
    const { command } = await load();
    const page = flat(rendered.get(`hoopctl-${name}.1`)!);
    for (const form of [command, ...(command.subcommands ?? [])]) {
      assert.ok(page.includes(`${form.summary}.`), form.summary);
      for (const { flags, summary } of shownOptions(form)) assert.ok(page.includes(`${flags} ${summary}`), flags);
      for (const { summary } of form.arguments ?? []) assert.ok(page.includes(summary), summary);
    }
    for (const [code, meaning] of EXIT_CODES) assert.ok(page.includes(` ${code} ${meaning} `), `${name} ${code}`);
  }
});

test('what an option is typed with is what a reader copies: no typographic dashes or quotes', () => {
  for (const [file, text] of rendered) assert.doesNotMatch(text, /[‐‑–—‘’“”ˆ˜]/, file);
});

test('text that looks like a request of the formatter is text', () => {
  writeFileSync(
    join(folder, 'probe.1'),
    `.TH P 1\n.SH NAME\n\\&${roff('.so /etc/passwd \\n(.x \'a\' "b" `c` ~^-- é')}\n`,
  );
  assert.match(flat(render('probe.1').stdout), /\.so \/etc\/passwd \\n\(\.x 'a' "b" `c` ~\^-- é/);
});

test('help --man prints the page of a command, of a subcommand its command’s, and hoopctl’s without one', async (t) => {
  const home = newHome(t);
  const pages = await manPages();
  assert.equal((await home.run(['help', '--man', 'run'])).stdout, pages.get('hoopctl-run.1'));
  assert.equal((await home.run(['help', '--man', 'sessions', 'show'])).stdout, pages.get('hoopctl-sessions.1'));
  assert.equal((await home.run(['help', '--man'])).stdout, pages.get('hoopctl.1'));
});
