/**
 * YAML files people write: every problem at once, each with its file, line and what to do about it.
 *
 * A section is read with a schema of its own, so that a slip in one does not hide the slips in the others.
 */
import { type Alias, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { ZodType } from 'zod';
import { HoopError } from './error.ts';
import { explainIssue } from './schema.ts';
import { escapeForDisplay } from './shown.ts';

export interface SourceText {
  /** As it is shown in problems. */
  readonly file: string;
  readonly text: string;
}

export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  readonly message: string;
  readonly hint?: string;
}

export type Path = readonly (string | number)[];

export interface YamlDocument {
  readonly file: string;
  /** The whole document as plain data. */
  readonly root: unknown;
  /** Keys of the mapping at `path`, or indexes of the list there; empty when it is neither or absent. */
  children(path: Path): readonly (string | number)[];
  /** The value at `path` as the schema gives it; undefined, with problems noted, when it does not fit. */
  read<T>(path: Path, schema: ZodType<T>): T | undefined;
  /** Notes a problem at the line of `path`, or of the nearest thing above it that is there. */
  problem(path: Path, message: string, hint?: string): void;
  lineOf(path: Path): number;
  /** Lets nothing more be said about what stands at or below `path`: its problem is told, and its value must not be. */
  hush(path: Path): void;
}

/** Opens one file; undefined, with the problems noted, when it is not one YAML mapping. */
export function openYaml(source: SourceText, problems: Problem[]): YamlDocument | undefined {
  const { file } = source;
  const lines = new LineCounter();
  const parsed = parseDocument(source.text, { lineCounter: lines, prettyErrors: false, resolveKnownTags: false });
  const note = (line: number | undefined, message: string, hint?: string) =>
    void problems.push({ file, ...(line && { line }), message: shown(message), ...(hint && { hint: shown(hint) }) });
  const at = (offset: number | undefined) => (offset === undefined ? undefined : lines.linePos(offset).line);

  for (const { code, message, pos } of [...parsed.errors, ...parsed.warnings])
    note(at(pos[0]), readable(code, message));
  visit(parsed, {
    Pair: (_, { key }) => {
      if (!isScalar(key)) note(at((key as Node | null)?.range?.[0]), 'a key must be plain text');
    },
    Alias: (_, alias) => {
      if (!alias.resolve(parsed))
        note(at(alias.range?.[0]), 'an alias (*) names an anchor (&) that is not set before it');
    },
  });
  if (problems.some((problem) => problem.file === file)) return undefined;

  let root: unknown;
  try {
    root = parsed.toJS({ maxAliasCount: 100 });
  } catch {
    note(undefined, 'aliases make the file far larger than it looks', 'write the repeated parts out');
    return undefined;
  }
  if (root === null || root === undefined)
    note(undefined, 'is empty', 'a file that is still being written is read again');
  else if (!isMapping(root)) note(1, 'must be a mapping (key: value)');
  if (!isMapping(root)) return undefined;

  const lineOf = (path: Path): number => {
    let node: unknown = parsed.contents;
    let offset = parsed.contents?.range?.[0] ?? 0;
    for (const step of path) {
      if (isAlias(node)) node = (node as Alias).resolve(parsed);
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
        if (!pair) break;
        offset = (pair.key as Node).range?.[0] ?? offset;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(step)];
        offset = (node as Node | undefined)?.range?.[0] ?? offset;
      } else break;
    }
    return lines.linePos(offset).line;
  };

  const hushed: Path[] = [];
  const tell = (path: Path, message: string, hint?: string) => {
    if (!hushed.some((held) => held.every((step, index) => step === path[index]))) note(lineOf(path), message, hint);
  };

  return {
    file,
    root,
    lineOf,
    problem: tell,
    hush: (path) => void hushed.push(path),
    children(path) {
      const value = valueAt(root, path);
      if (Array.isArray(value)) return value.map((_, index) => index);
      return isMapping(value) ? Object.keys(value) : [];
    },
    read(path, schema) {
      const value = valueAt(root, path);
      const result = schema.safeParse(value);
      if (result.success) return result.data;
      if (value === undefined) {
        tell(path, `${spell(path)}: is missing`);
        return undefined;
      }
      for (const issue of result.error.issues) {
        for (const found of explainIssue(issue, (below) => valueAt(root, [...path, ...below]))) {
          const where = [...path, ...found.path];
          const subject = spell(found.about === 'key' ? where.slice(0, -1) : where);
          tell(where, subject ? `${subject}: ${found.message}` : found.message, found.hint);
        }
      }
      return undefined;
    },
  };
}

/** `policy.yaml:14 what is wrong` */
export function spellProblem({ file, line, message }: Problem): string {
  return `${file}${line === undefined ? '' : `:${line}`} ${message}`;
}

/** One error that tells them all. `details.problems` has them as data. */
export function problemsError(code: string, problems: readonly Problem[]): HoopError {
  const [first] = problems;
  if (first !== undefined && problems.length === 1) {
    return new HoopError(code, spellProblem(first), { exit: 2, hint: first.hint, details: { problems } });
  }
  const told = problems.map(
    (problem) => `  ${spellProblem(problem)}${problem.hint ? `\n    hint: ${problem.hint}` : ''}`,
  );
  return new HoopError(code, `${problems.length} problems:\n${told.join('\n')}`, {
    exit: 2,
    hint: 'mend them and try again',
    details: { problems },
  });
}

/** `rules[1].then` */
function spell(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '');
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function valueAt(root: unknown, path: Path): unknown {
  let value: unknown = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

// The library quotes the source after a colon, and a source may hold a credential in the wrong place: its words are not repeated.
function readable(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'holds several documents (---); write one file for each';
  if (code === 'DUPLICATE_KEY') return 'a key stands here a second time';
  return `is not valid YAML: ${message.replace(/: .*$/s, '')}`;
}

function shown(text: string): string {
  return escapeForDisplay(text.length > 500 ? `${text.slice(0, 500)}…` : text);
}
