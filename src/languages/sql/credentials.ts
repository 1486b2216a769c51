/**
 * Finds what statements hold of passwords and the like, wherever the grammar lets one stand: it is struck from whatever is recorded. By words, and
 * generous: a struck literal too many costs a reader a word, one too few is a secret in a file that is kept for years.
 */
import type { Span } from '../../domain/command.ts';
import { type RawStatement, tokensOf } from './parser.ts';
import { CREDENTIAL_STATEMENTS } from './struck.ts';

export interface Credentials {
  readonly spans: readonly Span[];
  /** What its parameters bring belongs to them. */
  readonly withParameters: boolean;
}

const NONE: Credentials = { spans: [], withParameters: false };

// Each pattern is linear: what may repeat is bounded, or cannot contain what comes before it.
const USER_IN_URL = ':\\/\\/[^\\s@]{0,512}@';

/** Texts without any of these are not looked at closer. */
const MENTIONS = new RegExp(
  `passw|passphrase|pwd|secret|token|credential|api_?key|authorization|bearer|dblink|crypt|pgp_|-u |--user|${USER_IN_URL}`,
  'i',
);

/** A literal or comment that holds one. */
const HOLDS = new RegExp(
  [
    'pass(?:word|wd|phrase)"?\\s{0,64}(?:[=:]|[\'"$%]|e\')',
    '\\bpwd\\s{0,64}=',
    '\\b(?:secret|token|api_?key)\\s{0,64}[=:]',
    '\\bauthorization\\s{0,64}:',
    '\\bbearer\\s',
    USER_IN_URL,
  ].join('|'),
  'i',
);

/** In a body of code a secret may stand apart from the word for it. */
const IN_CODE = new RegExp(`passw|passphrase|secret|credential|dblink|authorization|bearer|${USER_IN_URL}`, 'i');
/** On a command line. */
const ON_COMMAND_LINE = new RegExp(`${IN_CODE.source}|\\btoken|-u |--user`, 'i');
/** What a setting is called that holds one. */
const SETTING = /passw|passphrase|secret|token|credential|api_?key/i;

const CODE: ReadonlySet<string> = new Set(['DoStmt', 'CreateFunctionStmt']);
/** Options of foreign servers and their like hold what `CREATE USER MAPPING` does. */
const FOREIGN: ReadonlySet<string> = new Set([
  ...['CreateFdwStmt', 'AlterFdwStmt', 'CreateForeignTableStmt', 'ImportForeignSchemaStmt'],
]);

const LITERAL = /^(?:(?:[uU]&|[bBxXeEnN])?'|\$[^0-9$]*\$)/;
const COMMENT = /^(?:--|\/\*)/;
const CALLS = /^"?(?:dblink\w{0,64}|set_config|crypt|pgp_sym_\w{0,64})"?$/i;

export function credentialsIn(text: string, { kind, start, length }: RawStatement): Credentials {
  const always = CREDENTIAL_STATEMENTS.has(kind) || FOREIGN.has(kind);
  if (!always && !MENTIONS.test(text)) return NONE;
  const all = tokensOf(text);
  const tokens = all.filter((token) => token.start >= start && token.end <= start + length);
  const calls = tokens.some((token) => CALLS.test(token.text) && (!SETS.test(token.text) || SETTING.test(text)));
  const every = always || calls || (kind === 'VariableSetStmt' && SETTING.test(text));
  const pattern = CODE.has(kind) ? IN_CODE : kind === 'CopyStmt' ? ON_COMMAND_LINE : HOLDS;
  const spans = tokens.flatMap((token) => {
    if (!LITERAL.test(token.text)) return [];
    return every || pattern.test(token.text) ? [{ start: token.start, end: token.end }] : [];
  });
  // Comments stand around statements too. Whose they are is told where the text is cut.
  const comments = all.filter((token) => COMMENT.test(token.text) && HOLDS.test(token.text));
  const around = comments.map((token) => ({ start: token.start, end: token.end }));
  return { spans: [...spans, ...around], withParameters: every || spans.length > 0 };
}

const SETS = /^"?set_config"?$/i;

/** Of a text that nobody could read: whether one may stand in it, nobody knows where. */
export function mentionsCredentials(text: string): boolean {
  return MENTIONS.test(text);
}
