/** Turns what was read of a text into commands: what is judged, recorded and shown to approvers, each with its exact bytes. Pure. */
import type { Command, Effect, Impossible, Parameter, Span } from '../../domain/command.ts';
import {
  type Analysis,
  factsIn,
  mentionsCredentials,
  type NotRead,
  type Situation,
  type StatementAnalysis,
} from '../../languages/sql/index.ts';
import type { Portal, Prepared } from './statements.ts';

/** What a command's text means in this session at this moment. */
export interface Meaning {
  /** Canonical JSON of the session's state. */
  readonly context: string;
  readonly situation: Situation;
  /** The text of the statement that EXECUTE or FETCH runs. */
  readonly runs?: Buffer | undefined;
  readonly part?: 'prepare' | 'continue' | undefined;
  readonly parameters?: readonly Parameter[] | undefined;
  /** Why it cannot be let through, beside what the reading says. */
  readonly impossible?: Impossible | undefined;
  /** What reaches the target instead of the text. */
  readonly sent: string | undefined;
}

/** One statement of a text as a command. `bytes` are the statement's own, or the whole text where it stands alone. */
export function commandOf(analysis: StatementAnalysis, text: Slice, meaning: Meaning): Command {
  const template = templateOf(analysis, text);
  const facts = factsIn(analysis.facts, meaning.situation);
  const { runs, part, parameters, sent } = meaning;
  const impossible = meaning.impossible ?? template.impossible;
  if (runs === undefined && impossible === undefined) {
    const command = ordinary(analysis, template, facts, meaning);
    return parameters === undefined ? command : { ...command, parameters };
  }
  return {
    ...template.command,
    facts,
    context: contextOf(analysis, meaning),
    ...(sent === undefined ? {} : { sent }),
    ...(part === undefined ? {} : { part }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(impossible === undefined ? {} : { impossible }),
  };
}

/** All but the values: the same for each execution while the session's state stays. */
function ordinary(analysis: StatementAnalysis, template: Template, facts: Command['facts'], meaning: Meaning): Command {
  const { context, part, sent } = meaning;
  const known = template.last?.context === context ? template.last.command : undefined;
  if (known && known.facts === facts && known.sent === sent && known.part === part) return known;
  const command = {
    ...template.command,
    facts,
    context: contextOf(analysis, meaning),
    ...(sent === undefined ? {} : { sent }),
    ...(part === undefined ? {} : { part }),
  };
  template.last = { context, command };
  return command;
}

/** Where a statement's bytes stand in the text they came in. */
export interface Slice {
  readonly bytes: Buffer;
  /** Of `bytes` within the text the analysis counts in. */
  readonly start: number;
}

/** Cuts a text between its statements: every byte belongs to one of them, with what separates it from the next. */
export function slicesOf(text: Buffer, statements: readonly StatementAnalysis[]): readonly Slice[] {
  return statements.map((_, i) => {
    const start = i === 0 ? 0 : (statements[i]?.start ?? 0);
    return { bytes: text.subarray(start, statements[i + 1]?.start ?? text.length), start };
  });
}

/** What is sent for a whole text when some of its statements were rewritten. */
export function sentText(slices: readonly Slice[], statements: readonly StatementAnalysis[]): string | undefined {
  if (!statements.some(({ rewrite }) => rewrite)) return undefined;
  const texts = statements.map((statement, i) => statement.rewrite?.text ?? written(statement, slices[i] as Slice));
  return texts.join(';\n');
}

function written(statement: StatementAnalysis, { bytes, start }: Slice): string {
  const from = statement.start - start;
  return bytes.toString('utf8', from, from + statement.length);
}

interface Template {
  readonly command: Omit<Command, 'context'>;
  readonly impossible: Impossible | undefined;
  /** The command for the latest session state: the same text again costs one comparison. */
  last?: { readonly context: string; readonly command: Command };
}

// Equal text on an equal basis gives the same analysis object: what can be said once is said once.
const templates = new WeakMap<StatementAnalysis, Template>();

function templateOf(analysis: StatementAnalysis, text: Slice): Template {
  const known = templates.get(analysis);
  if (known && equalBytes(known.command.bytes, text.bytes)) return known;
  const template = makeTemplate(analysis, text);
  templates.set(analysis, template);
  return template;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && Buffer.compare(a, b) === 0);
}

function makeTemplate(analysis: StatementAnalysis, text: Slice): Template {
  const { effects, resources, facts, schemas, refused, touchesMasked, ranUserCode } = analysis;
  const bytes = Buffer.from(text.bytes);
  const struck = spansIn(analysis.struck, text.start, bytes.length);
  return {
    command: {
      text: bytes.toString('utf8'),
      bytes,
      effects: new Set(effects),
      resources,
      facts,
      scopes: schemas,
      touchesMasked,
      ranUserCode,
      reading: analysis,
      ...(struck.length > 0 ? { struck } : {}),
    },
    impossible: refused && {
      code: refused.code === 'LOCKED' ? 'HOOP_UNAVAILABLE' : 'HOOP_DENIED',
      reason: refused.reason,
      hint: refused.hint,
      protocolCode: refused.sqlState,
    },
  };
}

function spansIn(spans: readonly Span[], start: number, length: number): readonly Span[] {
  return spans
    .map((span) => ({ start: span.start - start, end: span.end - start }))
    .filter((span) => span.start >= 0 && span.end <= length);
}

function contextOf({ objects }: StatementAnalysis, { context, runs }: Meaning): string {
  if (objects.length === 0 && runs === undefined) return context;
  return `{"session":${context},"objects":${JSON.stringify([...objects].sort())},"runs":${JSON.stringify(runs?.toString('utf8') ?? null)}}`;
}

const UNKNOWN: ReadonlySet<Effect> = new Set(['unknown']);
const CONTROL: ReadonlySet<Effect> = new Set(['control']);

/**
 * A text that could not be read: refused whatever policy says, and recorded.
 *
 * @param masked columns are masked: what it holds may be aimed at one of them, and where its literals begin and end cannot be told
 */
export function unreadCommand(read: NotRead, text: Buffer, context: string, masked: boolean): Command {
  const code =
    read.code === 'busy' || read.code === 'internal'
      ? 'HOOP_UNAVAILABLE'
      : read.code === 'limit'
        ? 'HOOP_LIMIT'
        : 'HOOP_DENIED';
  // The parser's own words quote the text.
  const hidden = masked || mentionsCredentials(text.toString('latin1'));
  const reason = hidden && read.code === 'syntax' ? `syntax error at character ${read.position ?? 1}` : read.message;
  const command = unreadable(text, context, read, { code, reason, protocolCode: read.sqlState });
  return hidden ? { ...command, struck: [{ start: 0, end: text.length }] } : command;
}

function unreadable(text: Buffer, context: string, reading: object, impossible: Impossible): Command {
  return {
    text: text.toString('utf8'),
    bytes: text,
    effects: UNKNOWN,
    resources: [],
    facts: {},
    scopes: null,
    context,
    impossible,
    reading,
  };
}

/** Several statements where the protocol takes one. */
export function severalCommand(text: Buffer, context: string, reading: Extract<Analysis, { ok: true }>): Command {
  const command = unreadable(text, context, reading, {
    code: 'HOOP_DENIED',
    reason: 'cannot insert multiple commands into a prepared statement',
    protocolCode: '42601',
  });
  const struck = reading.statements.flatMap((statement) => statement.struck);
  return struck.length === 0 ? command : { ...command, struck };
}

/** Nothing but space and comments. It is sent and recorded, and does nothing. */
export function emptyCommand(text: Buffer, context: string): Command {
  return {
    text: text.toString('utf8'),
    bytes: text,
    effects: CONTROL,
    resources: [],
    facts: {},
    scopes: [],
    context,
    reading: EMPTY,
  };
}

const EMPTY = {};

/** A call by number has no text and no name to judge (PostgreSQL, "Function Call"). */
export function functionCallCommand(context: string): Command {
  return unreadable(Buffer.alloc(0), context, EMPTY, {
    code: 'HOOP_DENIED',
    reason: 'function calls by number are not supported through this gateway',
    hint: 'call the function in a SELECT',
    protocolCode: '0A000',
  });
}

/** What was bound, as approvers see it. */
export function parametersOf(statement: Prepared, portal: Portal, struck: readonly number[]): readonly Parameter[] {
  const { values, formats } = portal;
  return values.map((value, i) => {
    const oid = statement.types[i] || statement.parameterTypes?.[i] || 0;
    const binary = (formats.length === 1 ? formats[0] : formats[i]) === 1;
    return {
      type: oid === 0 ? '' : (TYPE_NAMES.get(oid) ?? String(oid)),
      format: binary ? 'binary' : 'text',
      value,
      ...(struck.includes(i + 1) ? { struck: true } : {}),
    };
  });
}

/** The commonest of the server's own types (pg_type.dat); others go by their number. */
const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  ...([
    [16, 'bool'],
    [17, 'bytea'],
    [18, 'char'],
    [20, 'int8'],
    [21, 'int2'],
    [23, 'int4'],
    [25, 'text'],
    [26, 'oid'],
  ] as const),
  ...([
    [114, 'json'],
    [142, 'xml'],
    [700, 'float4'],
    [701, 'float8'],
    [869, 'inet'],
    [1042, 'bpchar'],
    [1043, 'varchar'],
  ] as const),
  ...([
    [1082, 'date'],
    [1083, 'time'],
    [1114, 'timestamp'],
    [1184, 'timestamptz'],
    [1186, 'interval'],
    [1700, 'numeric'],
  ] as const),
  ...([
    [2950, 'uuid'],
    [3802, 'jsonb'],
    [1007, 'int4[]'],
    [1016, 'int8[]'],
    [1009, 'text[]'],
    [1015, 'varchar[]'],
    [705, 'unknown'],
  ] as const),
]);
