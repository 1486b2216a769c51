/**
 * Two databases that differ only in masked values, asked the same through the reader: both must answer alike, or not get to see the statement. Asked of a real
 * PostgreSQL, with what the reader would have the gateway send.
 */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { createSqlReader, type SqlBasis, type SqlReader } from '../../../src/languages/sql/index.ts';
import { type Database, loadCatalog, type Server, startDatabase } from '../../languages/sql/database.ts';
import { ANY_ORDER } from '../../languages/sql/grammar.ts';
import {
  guardedBasis,
  LATER_SHOP_SCHEMA,
  LEFT,
  openBasis,
  RIGHT,
  SHOP_SCHEMA,
  SHOWN,
  SHOWN_ROWS,
  SHOWN_SCHEMA,
  shopRows,
} from '../../languages/sql/shop.ts';

export interface Twins extends AsyncDisposable {
  readonly reader: SqlReader;
  readonly basis: SqlBasis;
  readonly open: SqlBasis;
  /** Of the server. */
  readonly version: string;
  /** Reads the statement as the gateway would, sends what it would send to both, and compares. Rejects with an AssertionError where they differ. */
  ask(text: string, reader?: Pick<SqlReader, 'analyse'>): Promise<Outcome>;
  /**
   * What a database answers that stores what the masks show: through the masks, and to the statement as it stands. Undefined where it is refused, or one of
   * the two is an error: that is told, and misleads nobody.
   */
  meant(text: string): Promise<readonly [unknown, unknown] | undefined>;
  /** What each answers to the statement as it stands. @param like sent as this one would be */
  direct(text: string, like?: string): Promise<readonly [unknown, unknown]>;
}

export type Outcome =
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'alike'; readonly answer: unknown };

/** How a client sends it: the simple protocol, the extended one, or with results in binary. */
type Manner = 'simple' | 'extended' | 'binary';
const MANNERS: readonly Manner[] = ['simple', 'extended', 'binary'];

export async function startTwins(server: Server = 'installed'): Promise<Twins> {
  const database: Database = await startDatabase(server);
  await (await database.create('shop', server === 'packaged' ? LATER_SHOP_SCHEMA : SHOP_SCHEMA)).end();
  const left = await database.create('left_shop', shopRows(LEFT), 'shop');
  const right = await database.create('right_shop', shopRows(RIGHT), 'shop');
  const shown = await database.create('shown_shop', SHOWN_SCHEMA + shopRows(SHOWN) + SHOWN_ROWS, 'shop');
  // As an attacker may: so that an index decides in which order rows come.
  for (const client of [left, right])
    await client.query('SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off');
  const catalog = await loadCatalog(left);
  const basis = guardedBasis(catalog);
  const own = createSqlReader({ timeoutMs: 10_000 });
  return {
    reader: own,
    basis,
    open: openBasis(catalog),
    version: String((await left.query('SHOW server_version')).rows[0]?.server_version),
    async ask(text, reader = own) {
      const analysis = await reader.analyse(text, basis);
      if (!analysis.ok) return { kind: 'refused', why: analysis.code };
      const [statement] = analysis.statements;
      if (statement === undefined || analysis.statements.length !== 1) return { kind: 'refused', why: 'count' };
      if (statement.refused !== undefined)
        return { kind: 'refused', why: `${statement.refused.code}: ${statement.refused.reason}` };
      const sent = statement.rewrite?.text ?? text;
      // The gateway withholds the texts of errors there, as the server quotes whole rows in them.
      const generic = statement.touchesMasked && statement.effects.some((effect) => effect !== 'read');
      const manner = mannerOf(text);
      const [one, other] = [
        await answer(left, sent, manner, generic, text),
        await answer(right, sent, manner, generic, text),
      ];
      assert.deepEqual(one, other, `the answers differ for\n  ${text}\nsent (${manner}) as\n  ${sent}`);
      return { kind: 'alike', answer: one };
    },
    async meant(text) {
      const analysis = await own.analyse(text, basis);
      const [statement] = analysis.ok ? analysis.statements : [];
      if (statement?.rewrite === undefined || statement.refused !== undefined) return undefined;
      // What a write stores in a masked column is not what its mask shows; a plan, or rows in the order it gives them, mean nothing; and the row of a table
      // whose columns were renamed by place has their new names in JSON when it comes through masks.
      if (/\bRETURNING\b|^EXPLAIN\b|\(k0\b.*json|json.*\(k0\b/i.test(text) || text.endsWith(ANY_ORDER))
        return undefined;
      // In binary the row of a table says of which.
      const manner = mannerOf(text) === 'binary' ? 'extended' : mannerOf(text);
      const ordered = /\bORDER BY\b/i.test(text);
      const through = inOrder(await answer(shown, statement.rewrite.text, manner, true, text), ordered);
      const direct = inOrder(await answer(shown, text, manner, true), ordered);
      return [through, direct].some((one) => (one as { code?: string }).code !== undefined)
        ? undefined
        : [through, direct];
    },
    direct: async (text, like = text) => [
      await answer(left, text, mannerOf(like), false, like),
      await answer(right, text, mannerOf(like), false, like),
    ],
    async [Symbol.asyncDispose]() {
      await own.close();
      await database.stop();
    },
  };
}

const RECORD = 2249;

interface Given {
  readonly rows?: readonly unknown[];
  readonly fields?: readonly { readonly dataTypeID: number }[];
  readonly after?: readonly Given[];
}

/** Without an order rows may come in any. */
function inOrder(given: unknown, ordered: boolean): unknown {
  const { rows, fields, after } = given as Given;
  if (rows === undefined) return given;
  return {
    ...(given as Given),
    // The row of a table comes as a row without a name; how long a text may be is known better of a constant.
    fields: fields?.map((field) => ({
      ...field,
      dataTypeID: field.dataTypeID < 16384 ? field.dataTypeID : RECORD,
      dataTypeModifier: 0,
    })),
    rows: ordered ? rows : rows.map((row) => JSON.stringify(row)).sort(),
    ...(after === undefined ? {} : { after: after.map((each) => inOrder(each, ordered)) }),
  };
}

/** By the text, so that a difference can be found again. */
function mannerOf(text: string): Manner {
  return /^\s*COPY/i.test(text) ? 'simple' : (MANNERS[text.length % MANNERS.length] ?? 'simple');
}

/**
 * What a client would see of it: columns, rows, tag, copied lines and notices, or the error; of a cursor its rows in several orders, of what was prepared its
 * rows for several values; and what is stored afterwards where everyone may read it.
 */
async function answer(
  client: pg.Client,
  text: string,
  manner: Manner,
  generic: boolean,
  original = text,
): Promise<unknown> {
  // What a sequence gave is not rolled back.
  await client.query("BEGIN; SELECT pg_catalog.setval('public.orders_id_seq', 1000)");
  const notices: unknown[] = [];
  const noteNotice = ({ severity, code, message, detail, hint, where }: NoticeMessage) => {
    notices.push(generic ? code : { severity, code, message, detail, hint, where });
  };
  client.on('notice', noteNotice);
  try {
    const first = await sent(client, text, manner);
    const after: unknown[] = [];
    for (const next of followers(original))
      after.push(await sent(client, next, next.startsWith('FETCH') ? manner : 'simple'));
    return {
      ...first,
      ...(after.length === 0 ? {} : { after }),
      ...(WRITES.has(first.command) ? { stored: await stored(client) } : {}),
      ...(notices.length === 0 ? {} : { notices }),
    };
  } catch (error) {
    const { code, message, detail, hint, where } = error as pg.DatabaseError;
    return generic ? { code } : { code, message, detail, hint, where, ...(notices.length === 0 ? {} : { notices }) };
  } finally {
    client.off('notice', noteNotice);
    await client.query('ROLLBACK; DEALLOCATE ALL');
    await tidy(client, text);
  }
}

/** What is asked next in the same transaction: rows of a cursor, forwards and back, and of what was prepared. */
function followers(text: string): readonly string[] {
  const [, scroll, cursor] = /^\s*DECLARE\s+(?=\w+\s+(SCROLL)?)(\w+)/i.exec(text) ?? [];
  if (cursor !== undefined) {
    const back = [`FETCH ABSOLUTE 2 FROM ${cursor}`, `FETCH BACKWARD ALL FROM ${cursor}`, `FETCH LAST FROM ${cursor}`];
    return [
      ...[`FETCH 2 FROM ${cursor}`, `MOVE 1 FROM ${cursor}`, `FETCH 20 FROM ${cursor}`],
      ...(scroll === undefined ? [] : back),
    ];
  }
  const [, name, type] = /^\s*PREPARE\s+(\w+)\s*(?:\((\w+)\))?/i.exec(text) ?? [];
  if (name === undefined) return [];
  if (type === 'text') return GUESSES.map((value) => `EXECUTE ${name} ('${value}')`);
  return type === undefined && !text.includes('$1')
    ? [`EXECUTE ${name}`]
    : [`EXECUTE ${name} (1)`, `EXECUTE ${name} (4)`];
}

/** Values of one of the databases, of the masks, and of neither. */
const GUESSES = ['919-01-0011', '52', '***', '9%', '5'];

/** What a write that was rolled back left in the files counts in the next plan, and so in the order of rows that nobody ordered. */
async function tidy(client: pg.Client, text: string): Promise<void> {
  if (!/\b(INSERT|UPDATE|DELETE|MERGE)\b/i.test(text)) return;
  const named = STORED.filter((table) => new RegExp(`\\b${table}\\b`, 'i').test(text));
  const all = named.some((name) =>
    ['legs', 'moved', 'parts', 'parent', 'sorted', 'grown', 'customers', 'v_all'].includes(name),
  );
  const tables = all ? TIDIED : [...new Set([...named, 'customers'])].filter((name) => !name.startsWith('v_'));
  if (tables.length > 0) await client.query(`VACUUM ${tables.join(', ')}`);
}

const STORED = [
  ...[
    'customers',
    'v_all',
    'legs',
    'legs_1',
    'legs_2',
    'parts',
    'parts_1',
    'moved',
    'moved_1',
    'moved_2',
    'sorted',
    'sorted_1',
  ],
  ...[
    'parent',
    'child',
    'unique_secret',
    'secret_ref',
    'points_at_secret',
    'members',
    'grown',
    'grown_child',
    'odd',
    'expiring',
  ],
  ...['plain', 'orders', 'watched', 'refs', 'keyless', 'mixed', 'stem', 'branch', 'leaf', 'late'],
];
const TIDIED = STORED.filter((name) => !name.startsWith('v_'));

interface NoticeMessage {
  readonly severity?: string | undefined;
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly where?: string | undefined;
}

/** Tags of statements that leave something behind; a SELECT may do so with INTO, or with a write below its WITH. */
const WRITES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'CREATE', 'SELECT', 'TRUNCATE']);

async function sent(client: pg.Client, text: string, manner: Manner) {
  // A parameter needs the extended protocol.
  const values = /\$1\b/.test(text) && !/^\s*PREPARE\b/i.test(text) ? GUESSES.slice(0, 1) : [];
  const copied: Buffer[] = [];
  // The client drops the lines of a COPY.
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
  const noteLine = ({ chunk }: { chunk: Buffer }) => copied.push(Buffer.from(chunk));
  connection.on('copyData', noteLine);
  const query = {
    text,
    rowMode: 'array',
    ...(manner === 'simple' && values.length === 0 ? {} : { values, queryMode: 'extended' }),
    ...(manner === 'binary' ? { binary: true } : {}),
    types: { getTypeParser: () => (value: unknown) => value },
  };
  const asked = client.query(query as unknown as pg.QueryArrayConfig);
  const { fields, rows, rowCount, command } = await asked.finally(() => connection.off('copyData', noteLine));
  return {
    fields: fields.map(({ name, dataTypeID, dataTypeModifier, format }) => ({
      name,
      dataTypeID,
      dataTypeModifier,
      format,
    })),
    rows: copied.length === 0 ? rows : copied.map((line) => line.toString('latin1')),
    rowCount,
    command,
  };
}

/** What everyone may read afterwards: a masked value that was written there would have got out. */
async function stored(client: pg.Client): Promise<unknown> {
  const { rows } = await client.query(CLEAR_CONTENTS);
  if (rows[0]?.made === null) return rows;
  return [rows, (await client.query('SELECT t::text FROM made t ORDER BY 1')).rows];
}

const CLEAR_CONTENTS = `SELECT pg_catalog.to_regclass('public.made')::text AS made, ${Object.entries({
  ...{ plain: '*', orders: '*', watched: '*', refs: '*', points_at_secret: 'id', unique_secret: 'id, label' },
  ...{ customers: 'id, name, email, grp', legs: 'id, name, email, grp', members: 'id, tenant', parent: 'id' },
  ...{ child: 'id, extra', parts: 'id', moved: 'id', sorted: 'id', odd: 'id, label', expiring: 'id, label' },
  ...{ secret_ref: 'id', grown: 'id', late: 'id', leaf: 'id', mixed: 'id, label', stem: '*', branch: '*' },
})
  .map(
    ([name, columns]) =>
      `(SELECT array_agg(t::text ORDER BY t::text) FROM (SELECT ${columns} FROM public.${name}) t) AS of_${name}`,
  )
  .join(', ')}`;
