/** Calls PostgreSQL's parser and says in plain data what came of it. Runs in a worker: a text may hang it or break it for good. */
import { loadModule, parseSync, SqlError, scanSync } from 'libpg-query';
import type { Span } from '../../domain/command.ts';
import { DEPTH_LIMIT, depthOf, type Fields, isFields, wrappedKind } from './tree.ts';

export interface RawStatement {
  readonly kind: string;
  readonly node: Fields;
  /** UTF-8 bytes. */
  readonly start: number;
  readonly length: number;
}

export type Parsed =
  | { readonly kind: 'parsed'; readonly statements: readonly RawStatement[] }
  | { readonly kind: 'syntax'; readonly message: string; readonly position: number }
  | { readonly kind: 'deep' }
  /** The parser itself failed: it must not be used again. */
  | { readonly kind: 'broken'; readonly message: string };

export const ready: Promise<void> = loadModule();

/** @param bytes the text's length in UTF-8 bytes */
export function parse(text: string, bytes: number): Parsed {
  if (text === '') return { kind: 'parsed', statements: [] };
  try {
    const tree: unknown = parseSync(text);
    if (depthOf(tree) > DEPTH_LIMIT) return { kind: 'deep' };
    const list = isFields(tree) && Array.isArray(tree['stmts']) ? tree['stmts'] : [];
    return { kind: 'parsed', statements: list.map((raw) => rawStatement(raw, bytes)) };
  } catch (error) {
    if (error instanceof SqlError) {
      // cursorPosition counts characters from 0; the message never quotes more than a token.
      return { kind: 'syntax', message: error.message, position: (error.sqlDetails?.cursorPosition ?? 0) + 1 };
    }
    return { kind: 'broken', message: error instanceof Error ? error.message : String(error) };
  }
}

/** Parses text of our own or of the catalog's: one statement, or undefined. */
export function parseOne(text: string): RawStatement | undefined {
  const parsed = parse(text, Buffer.byteLength(text));
  if (parsed.kind === 'broken') throw new ParserBroken(parsed.message);
  return parsed.kind === 'parsed' && parsed.statements.length === 1 ? parsed.statements[0] : undefined;
}

/**
 * Where the literals stand whose constants start at these byte offsets. A constant may start before its literal: at the sign of a number, at the type of
 * `date '2020-01-01'`.
 */
export function literalSpans(text: string, starts: readonly number[]): Span[] {
  if (starts.length === 0) return [];
  const { tokens } = scanSync(text);
  const spans: Span[] = [];
  let wanted = [...new Set(starts)].sort((a, b) => a - b);
  for (let i = 0; i < tokens.length && wanted.length > 0; i++) {
    const start = tokens[i]?.start ?? 0;
    if (start < (wanted[0] ?? 0)) continue;
    let end = tokens[i]?.end ?? start;
    for (let ahead = i; ahead < tokens.length && ahead < i + 8; ahead++) {
      const token = tokens[ahead];
      if (token === undefined || !LITERAL.test(token.text)) continue;
      end = token.end;
      break;
    }
    if (KEYWORD_LITERAL.test(tokens[i]?.text ?? '')) end = tokens[i]?.end ?? end;
    spans.push({ start, end });
    wanted = wanted.filter((one) => one > start);
  }
  return spans;
}

/** The words of a text and its comments, with their byte offsets. */
export function tokensOf(
  text: string,
): readonly { readonly text: string; readonly start: number; readonly end: number }[] {
  return scanSync(text).tokens;
}

// The scanner names only some kinds of tokens: U&'', B'' and X'' are told by their text.
const LITERAL = /^(?:(?:[uU]&|[bBxXeEnN])?'|\$[^0-9$]*\$|\.?[0-9])/;
const KEYWORD_LITERAL = /^(true|false|null)$/i;

/** Whether a token is a constant: a number, or a string in any of its spellings. */
export function isLiteral(token: string): boolean {
  return LITERAL.test(token);
}

export class ParserBroken extends Error {}

function rawStatement(raw: unknown, bytes: number): RawStatement {
  const fields = isFields(raw) ? raw : {};
  const start = typeof fields['stmt_location'] === 'number' ? fields['stmt_location'] : 0;
  const length = typeof fields['stmt_len'] === 'number' ? fields['stmt_len'] : bytes - start;
  const wrapper = fields['stmt'];
  const kind = wrappedKind(wrapper) ?? 'RawStmt';
  const node = isFields(wrapper) && isFields(wrapper[kind]) ? wrapper[kind] : {};
  return { kind, node, start, length };
}
