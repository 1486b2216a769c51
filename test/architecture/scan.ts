/**
 * Reads TypeScript as tokens, far enough to see what a file imports and calls. TypeScript 7 offers no compiler API, and a pattern over raw text would
 * see imports in comments and strings.
 */

export type Token =
  | { readonly kind: 'word' | 'punctuation'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'computed' }; // a template with parts, or a regular expression

export interface Import {
  /** What stands between the quotes; undefined when it is computed at run time. */
  readonly specifier: string | undefined;
  /** `import()`: not loaded with the file. */
  readonly lazy: boolean;
  /** `import type`, `export type`: gone at run time. */
  readonly typeOnly: boolean;
}

export function importsOf(source: string): Import[] {
  const tokens = tokenize(source);
  return tokens.flatMap((token, at) => {
    const next = tokens[at + 1];
    if (token.kind !== 'word' || isMember(tokens, at)) return [];
    if (token.text === 'from' && next?.kind === 'string') return [named(next.text, startsAsType(tokens, at))];
    if (token.text === 'import' && next?.kind === 'string') return [named(next.text, false)];
    const called = next?.kind === 'punctuation' && next.text === '(';
    if (!called || (token.text !== 'import' && token.text !== 'require')) return [];
    const argument = tokens[at + 2];
    return [{ specifier: argument?.kind === 'string' ? argument.text : undefined, lazy: true, typeOnly: false }];
  });
}

/** True when the words and punctuation stand side by side somewhere in the file: `holds(tokens, '.', 'reveal', '(')`. */
export function holds(tokens: readonly Token[], ...texts: readonly string[]): boolean {
  return tokens.some((_, at) =>
    texts.every((text, offset) => {
      const token = tokens[at + offset];
      return token !== undefined && token.kind !== 'string' && token.kind !== 'computed' && token.text === text;
    }),
  );
}

export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  const braces: ('block' | 'template')[] = [];
  let at = source.startsWith('#!') ? endOfLine(source, 0) : 0;
  while (at < source.length) {
    const char = source[at]!;
    if (/\s/.test(char)) at += 1;
    else if (source.startsWith('//', at)) at = endOfLine(source, at);
    else if (source.startsWith('/*', at)) at = after(source, '*/', at + 2);
    else if (char === "'" || char === '"') at = readString(source, at, tokens);
    else if (char === '`') at = readTemplate(source, at + 1, tokens, braces);
    else if (char === '}' && braces.pop() === 'template') at = readTemplate(source, at + 1, tokens, braces);
    else if (char === '/' && startsRegex(tokens)) at = readRegex(source, at, tokens);
    else if (/[\p{ID_Start}$_#]/u.test(char)) at = readWord(source, at, tokens);
    else {
      if (char === '{') braces.push('block');
      tokens.push({ kind: 'punctuation', text: char });
      at += 1;
    }
  }
  return tokens;
}

function named(specifier: string, typeOnly: boolean): Import {
  return { specifier, lazy: false, typeOnly };
}

/** `thing.import(…)` and `{ from: … }` are names, not the keywords. */
function isMember(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1];
  return before?.kind === 'punctuation' && before.text === '.';
}

/** Walks back from `from` to the `import` or `export` it belongs to. */
function startsAsType(tokens: readonly Token[], from: number): boolean {
  for (let at = from - 1; at >= 0; at -= 1) {
    const token = tokens[at]!;
    if (token.kind !== 'word' || (token.text !== 'import' && token.text !== 'export')) continue;
    const next = tokens[at + 1];
    return next?.kind === 'word' && next.text === 'type';
  }
  return false;
}

function endOfLine(source: string, from: number): number {
  const end = source.indexOf('\n', from);
  return end < 0 ? source.length : end;
}

function after(source: string, mark: string, from: number): number {
  const found = source.indexOf(mark, from);
  return found < 0 ? source.length : found + mark.length;
}

function readString(source: string, from: number, tokens: Token[]): number {
  let at = from + 1;
  while (at < source.length && source[at] !== source[from] && source[at] !== '\n') at += source[at] === '\\' ? 2 : 1;
  tokens.push({ kind: 'string', text: source.slice(from + 1, at) });
  return at + 1;
}

/** Reads template text up to its end, or up to a `${`, whose code is then read as code. */
function readTemplate(source: string, from: number, tokens: Token[], braces: ('block' | 'template')[]): number {
  const continued = source[from - 1] === '}';
  let at = from;
  while (at < source.length && source[at] !== '`') {
    if (source.startsWith('${', at)) {
      tokens.push({ kind: 'computed' });
      braces.push('template');
      return at + 2;
    }
    at += source[at] === '\\' ? 2 : 1;
  }
  tokens.push(continued ? { kind: 'computed' } : { kind: 'string', text: source.slice(from, at) });
  return at + 1;
}

const WORDS_BEFORE_REGEX = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'do',
  'else',
  'void',
  'delete',
  'throw',
  'await',
  'yield',
]);

/** After a value a slash divides; elsewhere it opens a pattern. */
function startsRegex(tokens: readonly Token[]): boolean {
  const before = tokens.at(-1);
  if (before === undefined) return true;
  if (before.kind === 'word') return WORDS_BEFORE_REGEX.has(before.text);
  return before.kind === 'punctuation' && ![')', ']', '}'].includes(before.text);
}

function readRegex(source: string, from: number, tokens: Token[]): number {
  let at = from + 1;
  let inClass = false;
  while (at < source.length && source[at] !== '\n' && (inClass || source[at] !== '/')) {
    if (source[at] === '[') inClass = true;
    else if (source[at] === ']') inClass = false;
    at += source[at] === '\\' ? 2 : 1;
  }
  tokens.push({ kind: 'computed' });
  return at + 1;
}

function readWord(source: string, from: number, tokens: Token[]): number {
  const word = /[\p{ID_Continue}$#]+/uy;
  word.lastIndex = from;
  const text = word.exec(source)?.[0] ?? source[from]!;
  tokens.push({ kind: 'word', text });
  return from + text.length;
}
