/** The table of programs as docs/shell-commands.md shows it. Run by itself, it writes it there: `node test/languages/shell/page.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../src/base/entry.ts';
import type { Plain, Program } from '../../../src/languages/shell/program.ts';
import { SECTIONS } from '../../../src/languages/shell/programs/index.ts';

export const PAGE = join(packageRoot(), 'docs/shell-commands.md');
const MARKS = /(<!-- programs -->\n)[\s\S]*(<!-- end of programs -->)/;

export function withTable(page: string): string {
  return page.replace(MARKS, (_, begin, end) => `${begin}\n${tables()}\n${end}`);
}

function tables(): string {
  return SECTIONS.map(([title, programs]) => {
    const rows = new Map<string, string[]>();
    for (const [name, program] of Object.entries(programs)) {
      const does = described(program).replaceAll('|', '\\|');
      rows.set(does, [...(rows.get(does) ?? []), `\`${name}\``]);
    }
    const lines = [...rows].map(([does, names]) => `| ${names.join(' ')} | ${does} |`);
    return `### ${title}\n\n| | |\n|---|---|\n${lines.join('\n')}\n`;
  }).join('\n');
}

function described(program: Program): string {
  switch (program.kind) {
    case 'plain':
      return plain(program);
    case 'suite':
      return suite(program.commands);
    case 'wrapper':
      return `what it runs does${program.why ? ', and unknown' : ''}`;
    case 'special':
      return program.does;
    case 'opaque':
      return [...(program.does ?? []), `unknown: ${program.why.replace(/^(?:what )?/, (what) => what)}`].join(', ');
    default:
      throw new Error('a kind of program that the page does not know');
  }
}

function plain({ does, options = '', operands, stdin }: Plain): string {
  const adds = new Map<string, string[]>();
  for (const token of options.split(/\s+/)) {
    const found = /^([^=[!]+)(?:\[=\]|=([a-z]+)?)?(?:!(.+))?$/.exec(token);
    const [, name = '', path, added] = found ?? [];
    const effect = added?.replaceAll(',', ', ') ?? path;
    if (effect !== undefined && effect !== 'read')
      adds.set(effect, [...(adds.get(effect) ?? []), `\`${name.replace(/:$/, '')}\``]);
  }
  const by = [...adds].map(([effect, names]) => `${names.join(' ')}: ${effect}`);
  const last = operands?.last && !does.includes(operands.last) ? [`the last operand: ${operands.last}`] : [];
  const any = operands?.effect
    ? [`${operands.harmless ? 'other operands' : 'with an operand'}: ${operands.effect}`]
    : [];
  return [
    does.join(', '),
    ...by,
    ...last,
    ...any,
    ...(stdin === 'commands' ? ['takes commands from standard input'] : []),
  ].join('; ');
}

function suite(commands: Readonly<Record<string, Plain>>): string {
  const groups = new Map<string, string[]>();
  for (const [name, command] of Object.entries(commands)) {
    const does = plain(command);
    groups.set(does, [...(groups.get(does) ?? []), name === '' ? 'alone' : `\`${name}\``]);
  }
  return [...groups].map(([does, names]) => `${names.join(' ')}: ${does}`).join('. ');
}

if (import.meta.main) writeFileSync(PAGE, withTable(readFileSync(PAGE, 'utf8')));
