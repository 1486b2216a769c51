/**
 * Two databases that differ only in masked values, asked the same through the reader: both must answer alike, or not get to see the statement. Asked of a real
 * PostgreSQL, with what the reader would have the gateway send.
 */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { createSqlReader, type SqlBasis, type SqlReader } from '../../../src/languages/sql/index.ts';
import { type Database, loadCatalog, startDatabase } from '../../languages/sql/database.ts';
import {
  guardedBasis,
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
  /** Reads the statement as the gateway would, sends what it would send to both, and compares. Rejects with an AssertionError where they differ. */
  ask(text: string, reader?: SqlReader): Promise<Outcome>;
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

export async function startTwins(): Promise<Twins> {
  const database: Database = await startDatabase();
  await (await database.create('shop', SHOP_SCHEMA)).end();
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
      const [one, other] = [await answer(left, sent, manner, generic), await answer(right, sent, manner, generic)];
      assert.deepEqual(one, other, `the answers differ for\n  ${text}\nsent (${manner}) as\n  ${sent}`);
      return { kind: 'alike', answer: one };
    },
    async meant(text) {
      const analysis = await own.analyse(text, basis);
      const [statement] = analysis.ok ? analysis.statements : [];
      if (statement?.rewrite === undefined || statement.refused !== undefined) return undefined;
      // What a write stores in a masked column is not what its mask shows.
      if (/\bRETURNING\b/i.test(text)) return undefined;
      const manner = mannerOf(text);
      const ordered = /\bORDER BY\b/i.test(text);
      const through = inOrder(await answer(shown, statement.rewrite.text, manner, true), ordered);
      const direct = inOrder(await answer(shown, text, manner, true), ordered);
      return [through, direct].some((one) => (one as { code?: string }).code !== undefined)
        ? undefined
        : [through, direct];
    },
    direct: async (text, like = text) => [
      await answer(left, text, mannerOf(like), false),
      await answer(right, text, mannerOf(like), false),
    ],
    async [Symbol.asyncDispose]() {
      await own.close();
      await database.stop();
    },
  };
}

const RECORD = 2249;

/** Without an order rows may come in any. */
function inOrder(given: unknown, ordered: boolean): unknown {
  const { rows, fields } = given as { rows?: unknown[]; fields?: readonly { dataTypeID: number }[] };
  if (rows === undefined) return given;
  return {
    ...(given as object),
    // The row of a table comes as a row without a name; how long a text may be is known better of a constant.
    fields: fields?.map((field) => ({
      ...field,
      dataTypeID: field.dataTypeID < 16384 ? field.dataTypeID : RECORD,
      dataTypeModifier: 0,
    })),
    rows: ordered ? rows : rows.map((row) => JSON.stringify(row)).sort(),
  };
}

/** By the text, so that a difference can be found again. */
function mannerOf(text: string): Manner {
  return /^\s*COPY/i.test(text) ? 'simple' : (MANNERS[text.length % MANNERS.length] ?? 'simple');
}

/** What a client would see of it: columns, rows, tag, or the error; of a cursor its rows; and what is stored afterwards where everyone may read it. */
async function answer(client: pg.Client, text: string, manner: Manner, generic: boolean): Promise<unknown> {
  // What a sequence gave is not rolled back.
  await client.query("BEGIN; SELECT pg_catalog.setval('public.orders_id_seq', 1000)");
  try {
    const first = await sent(client, text, manner);
    const cursor = /^\s*DECLARE\s+(\w+)/i.exec(text)?.[1];
    const prepared = /^\s*PREPARE\s+(\w+)/i.exec(text)?.[1];
    return {
      ...first,
      ...(cursor === undefined ? {} : { fetched: await sent(client, `FETCH 20 FROM ${cursor}`, manner) }),
      ...(prepared === undefined ? {} : { executed: await sent(client, `EXECUTE ${prepared}(1)`, 'simple') }),
      ...(WRITES.has(first.command) ? { stored: await stored(client) } : {}),
    };
  } catch (error) {
    const { code, message, detail, hint, where } = error as pg.DatabaseError;
    return generic ? { code } : { code, message, detail, hint, where };
  } finally {
    await client.query('ROLLBACK; DEALLOCATE ALL');
    // What a write that was rolled back left in the files counts in the next plan, and so in the order of rows that nobody ordered.
    if (/\b(INSERT|UPDATE|DELETE|MERGE)\b/i.test(text)) await client.query(VACUUM);
  }
}

const VACUUM = 'VACUUM customers, orders, plain, watched, refs, members';

/** Tags of statements that leave something behind; a SELECT may do so with INTO. */
const WRITES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'CREATE', 'SELECT']);

async function sent(client: pg.Client, text: string, manner: Manner) {
  const result = await client.query({
    text,
    rowMode: 'array',
    ...(manner === 'simple' ? {} : { values: [] as unknown[], queryMode: 'extended' }),
    ...(manner === 'binary' ? { binary: true } : {}),
    types: { getTypeParser: () => (value: unknown) => value },
  } as never);
  const { fields, rows, rowCount, command } = result as unknown as pg.QueryArrayResult;
  return {
    fields: fields.map(({ name, dataTypeID, dataTypeModifier, format }) => ({
      name,
      dataTypeID,
      dataTypeModifier,
      format,
    })),
    rows,
    rowCount,
    command,
  };
}

/** What everyone may read afterwards: a masked value that was written there would have got out. */
async function stored(client: pg.Client): Promise<unknown> {
  const contents: unknown[] = [];
  for (const table of ['plain', 'orders', 'watched', 'refs', 'made']) {
    const { rows } = await client.query('SELECT pg_catalog.to_regclass($1) AS found', [table]);
    if (rows[0]?.found !== null) contents.push((await client.query(`SELECT t::text FROM ${table} t ORDER BY 1`)).rows);
  }
  return contents;
}
