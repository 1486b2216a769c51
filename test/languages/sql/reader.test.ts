import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, describe, test } from 'node:test';
import { createCache, type Shelf } from '../../../src/languages/sql/cache.ts';
import { type Analysis, createSqlReader, type SqlReaderOptions } from '../../../src/languages/sql/index.ts';
import { exceeded, TEXT_LIMITS } from '../../../src/languages/sql/limits.ts';
import { keepUntilEnd } from '../../fakes/resources.ts';
import { MASKED, OPEN } from './bench.ts';

const scripted = new URL('./workers/scripted.ts', import.meta.url);

function reader(t: TestContext, options: SqlReaderOptions = {}) {
  return keepUntilEnd(t, createSqlReader({ timeoutMs: 5000, ...options }), (one) => one.close());
}

const message = (analysis: Analysis) => (analysis.ok ? 'ok' : analysis.message);
const code = (analysis: Analysis) => (analysis.ok ? 'ok' : analysis.code);

describe('the reader', () => {
  test('answers a text it has read before at once, and with the same object', async (t) => {
    const sql = reader(t);
    const first = await sql.analyse('SELECT * FROM orders', OPEN);
    const again = sql.analyse('SELECT * FROM orders', OPEN);
    assert.ok(!(again instanceof Promise));
    assert.equal(again, first);
    assert.equal(sql.analyse(Buffer.from('SELECT * FROM orders'), { ...OPEN }), first);
  });

  test('reads a text anew when masks, search path or catalog are others', async (t) => {
    const sql = reader(t);
    const open = await sql.analyse('SELECT * FROM customers', OPEN);
    const masked = await sql.analyse('SELECT * FROM customers', MASKED);
    const elsewhere = await sql.analyse('SELECT * FROM customers', { ...OPEN, searchPath: ['hr'] });
    assert.ok(open.ok && masked.ok && elsewhere.ok);
    assert.equal(open.statements[0]?.rewrite, undefined);
    assert.match(masked.statements[0]?.rewrite?.text ?? '', /\*\*\*/);
    assert.deepEqual(elsewhere.statements[0]?.facts['postgres.unresolved'], true);
  });

  test('reads a text once that several ask for at the same time', async (t) => {
    const sql = reader(t);
    const [one, other] = [sql.analyse('SELECT 1', OPEN), sql.analyse('SELECT 1', OPEN)];
    assert.equal(one, other);
    await one;
  });

  test('refuses what is not UTF-8, and a NUL, before any parser sees it', async (t) => {
    const sql = reader(t, { script: scripted });
    const rows: readonly (string | Buffer)[] = [
      Buffer.from([0x73, 0xff, 0xfe]),
      Buffer.from("SELECT '\xe9'", 'latin1'),
      Buffer.from([0xed, 0xa0, 0x80]),
      'SELECT 1\0; DROP TABLE orders',
      Buffer.from('SELECT 1\0'),
      'SELECT \ud800',
    ];
    for (const text of rows) assert.equal(code(await sql.analyse(text, OPEN)), 'encoding');
    assert.equal(sql.stats.discarded, 0);
  });

  test('tells a syntax error with its place', async (t) => {
    const sql = reader(t);
    const analysis = await sql.analyse("SELECT 'é' FRM x y", OPEN);
    assert.ok(!analysis.ok);
    assert.equal(analysis.code, 'syntax');
    assert.equal(analysis.sqlState, '42601');
    assert.match(analysis.message, /syntax error at or near/);
  });

  test('never throws, whatever it is handed', async (t) => {
    const sql = reader(t);
    for (const text of [
      '',
      ';',
      '\u00a0',
      'ｓelect 1',
      'select\u00a01',
      '$',
      '$1',
      "'",
      '/*',
      '"',
      'U&"\\"',
      String.fromCharCode(1),
    ]) {
      const analysis = await sql.analyse(text, MASKED);
      assert.notEqual(code(analysis), 'internal', JSON.stringify(text));
    }
  });
});

describe('a text that the parser cannot bear', () => {
  test('costs one thread and is refused, and the next text is read', async (t) => {
    const sql = reader(t);
    const deep = `select 1${'+1'.repeat(9000)}`;
    const refused = await sql.analyse(deep, OPEN);
    assert.ok(!refused.ok);
    assert.equal(refused.sqlState, '54001');
    assert.ok((await sql.analyse('SELECT 1', OPEN)).ok);
    // A second time it is known.
    assert.ok(!(sql.analyse(deep, OPEN) instanceof Promise));
  });

  test('does not poison a parser for those that follow', async (t) => {
    const sql = reader(t);
    for (let i = 0; i < 30; i++)
      assert.equal(code(await sql.analyse(`select ${i}${'+1'.repeat(9000)}`, OPEN)), 'limit');
    assert.ok((await sql.analyse('SELECT * FROM orders', OPEN)).ok);
  });

  test('is refused by its depth when the tree is too deep to walk', async (t) => {
    const sql = reader(t);
    const texts = [
      `select ${'not '.repeat(9000)}true`,
      `select * from a${' join b on true'.repeat(2000)}`,
      `select ${'- '.repeat(5000)}a`,
    ];
    for (const text of texts) assert.equal(code(await sql.analyse(text, MASKED)), 'limit', text.slice(0, 30));
    assert.ok((await sql.analyse('SELECT 1', MASKED)).ok);
  });

  test('is refused before parsing when it is too long, has too many tokens or brackets', async (t) => {
    const sql = reader(t, { script: scripted });
    const texts = [
      `select '${'x'.repeat(1024 * 1024)}'`,
      `select ${'1 '.repeat(20_001)}`,
      `select ${'('.repeat(257)}1${')'.repeat(257)}`,
      `select ${'a['.repeat(300)}`,
    ];
    for (const text of texts) assert.equal(code(await sql.analyse(text, OPEN)), 'limit', text.slice(0, 20));
    assert.equal(sql.stats.discarded, 0);
  });

  test('of ordinary length and depth is read', async (t) => {
    const sql = reader(t);
    const rows = Array.from({ length: 1000 }, (_, i) => `(${i}, ${i}, ${i}, 'note ${i}')`).join(', ');
    const conditions = Array.from({ length: 400 }, (_, i) => `id = ${i}`).join(' OR ');
    const nested = `${'SELECT * FROM ('.repeat(40)}SELECT 1${') x'.repeat(40)}`;
    for (const text of [
      `INSERT INTO orders VALUES ${rows}`,
      `SELECT * FROM orders WHERE ${conditions}`,
      nested,
      `SELECT '${'é'.repeat(100_000)}'`,
    ]) {
      assert.equal(code(await sql.analyse(text, MASKED)), 'ok', text.slice(0, 30));
    }
  });
});

describe('the pool', () => {
  test('starts no thread before the first text, or before somebody asks whether it is ready', async (t) => {
    const threads = () => process.getActiveResourcesInfo().filter((kind) => kind === 'MessagePort').length;
    const before = threads();
    const sql = reader(t, { script: scripted });
    assert.equal(threads(), before);
    const ready = sql.ready;
    assert.equal(threads(), before + 2);
    await ready;
  });

  test('kills a thread that hangs, answers for it, and goes on with another meanwhile', async (t) => {
    const sql = reader(t, { script: scripted, timeoutMs: 250 });
    await sql.ready;
    const hanging = sql.analyse('hang', OPEN);
    assert.match(message(await sql.analyse('other', OPEN)), /other/);
    assert.equal(code(await hanging), 'limit');
    assert.match(message(await sql.analyse('after', OPEN)), /after/);
    assert.equal(sql.stats.discarded, 1);
  });

  test('waits for a thread that got no processor time, but not for ever', async (t) => {
    assert.match(message(await reader(t, { script: scripted, timeoutMs: 250 }).analyse('starved', OPEN)), /starved/);
    assert.equal(code(await reader(t, { script: scripted, timeoutMs: 20 }).analyse('starved', OPEN)), 'limit');
  });

  test('survives every thread hanging at once', async (t) => {
    const sql = reader(t, { script: scripted, timeoutMs: 250 });
    const all = await Promise.all(['hang 1', 'hang 2', 'hang 3', 'fine'].map((text) => sql.analyse(text, OPEN)));
    assert.deepEqual(all.map(code), ['limit', 'limit', 'limit', 'syntax']);
  });

  test('replaces a thread that dies or throws, and says so: the text was neither slow nor is that what will be said of it again', async (t) => {
    const sql = reader(t, { script: scripted });
    for (const text of ['die', 'throw', 'die']) {
      const answer = await sql.analyse(text, OPEN);
      assert.equal(code(answer), 'internal');
      assert.match(message(answer), /^the thread that read the statement died/);
    }
    assert.match(message(await sql.analyse('fine', OPEN)), /fine/);
    assert.equal(sql.stats.discarded, 3);
    assert.equal(sql.stats.misses, 4);
  });

  test('says of a text that takes all memory that it does, once and for all', async (t) => {
    const sql = reader(t, { script: scripted });
    const answer = await sql.analyse('gorge', OPEN);
    assert.equal(code(answer), 'limit');
    assert.match(message(answer), /too much memory/);
    assert.equal(await sql.analyse('gorge', OPEN), answer);
    assert.equal(sql.stats.discarded, 1);
  });

  test('tries another thread when one dies before it looked at the text', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hoopctl-pool-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const sql = reader(t, { script: scripted });
    const basis = { ...OPEN, searchPath: [`die-once ${join(folder, 'died')}`] };
    assert.match(message(await sql.analyse('fine', basis)), /fine/);
    assert.equal(sql.stats.discarded, 1);
  });

  test('says which part of it failed when every thread dies before it looks at the text', async (t) => {
    const sql = reader(t, { script: scripted });
    const answer = await sql.analyse('fine', { ...OPEN, searchPath: ['die'] });
    assert.equal(code(answer), 'internal');
    assert.match(message(answer), /does not get ready with the target's definitions$/);
    assert.equal(sql.stats.discarded, 2);
    assert.match(message(await sql.analyse('fine', OPEN)), /fine/);
  });

  test('throws a thread away that says its parser broke, after its answer', async (t) => {
    const sql = reader(t, { script: scripted });
    assert.match(message(await sql.analyse('break it', OPEN)), /break it/);
    assert.equal(sql.stats.discarded, 1);
    assert.match(message(await sql.analyse('fine', OPEN)), /fine/);
  });

  test('replaces a thread after its number of texts', async (t) => {
    const sql = reader(t, { script: scripted, recycleAfter: 3 });
    for (let i = 0; i < 12; i++) assert.match(message(await sql.analyse(`text ${i}`, OPEN)), /read [123]:/);
    assert.ok(sql.stats.discarded >= 2);
  });

  test('refuses what would wait too long in line', async (t) => {
    const sql = reader(t, { script: scripted, queue: 2 });
    await sql.ready;
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => sql.analyse(`slow ${i}`, OPEN)));
    const codes = all.map(code);
    assert.ok(codes.includes('busy'));
    assert.ok(codes.includes('syntax'));
    // Not remembered: it is read when asked again.
    assert.equal(code(await sql.analyse('slow 11', OPEN)), 'syntax');
  });

  test('answers all who wait when it is closed', async () => {
    const sql = createSqlReader({ script: scripted, timeoutMs: 60_000 });
    const waiting = ['hang 1', 'hang 2', 'slow'].map((text) => sql.analyse(text, OPEN));
    await sql.close();
    assert.deepEqual((await Promise.all(waiting)).map(code), ['internal', 'internal', 'internal']);
    assert.equal(code(await sql.analyse('later', OPEN)), 'internal');
  });

  test('refuses instead of starting threads for ever when they cannot start', async (t) => {
    const sql = reader(t, { script: new URL('./workers/absent.ts', import.meta.url) });
    for (let i = 0; i < 2; i++) {
      const answer = await sql.analyse('SELECT 1', OPEN);
      assert.equal(code(answer), 'internal');
      assert.match(message(answer), /do not start$/);
    }
  });
});

describe('the cache', () => {
  const result = (text: string): Analysis => ({ ok: false, code: 'syntax', message: text, sqlState: '42601' });

  test('stays within its bytes and keeps what is used', () => {
    const cache = createCache(100_000);
    const shelf: Shelf = new Map();
    cache.put(shelf, 'kept', result('kept'));
    for (let i = 0; i < 5000; i++) {
      cache.put(shelf, `text number ${i}`, result('x'));
      assert.ok(cache.get(shelf, 'kept'), `lost at ${i}`);
      assert.ok(cache.bytes <= 100_000);
    }
    assert.ok(shelf.size < 500);
    assert.ok(shelf.size > 50);
  });

  test('does not take a text that would push out much of the rest', () => {
    const cache = createCache(10_000);
    const shelf: Shelf = new Map();
    cache.put(shelf, 'x'.repeat(2000), result('x'));
    assert.equal(shelf.size, 0);
  });
});

describe('the scanner before the parser', () => {
  const rows: readonly (readonly [text: string, limits: Partial<typeof TEXT_LIMITS>, exceeds: boolean])[] = [
    [`select ${'('.repeat(10)}`, { nesting: 9 }, true],
    [`select '${'('.repeat(10)}'`, { nesting: 9 }, false],
    [`select E'\\'${'('.repeat(10)}'`, { nesting: 9 }, false],
    [`select '\\'${'('.repeat(10)}'`, { nesting: 9 }, true],
    [`select "${'('.repeat(10)}"`, { nesting: 9 }, false],
    [`select $a$${'('.repeat(10)}$a$`, { nesting: 9 }, false],
    [`-- ${'('.repeat(10)}`, { nesting: 9 }, false],
    [`/* /* */ ${'('.repeat(10)} */`, { nesting: 9 }, false],
    ['select 1, 2, 3, 4, 5 from a', { tokens: 8, nesting: 1 }, false],
    ['select 1 + 2 + 3 + 4 + 5 from a', { tokens: 8, nesting: 1 }, true],
    ['é'.repeat(600), { bytes: 1000 }, true],
    ['é'.repeat(400), { bytes: 1000 }, false],
  ];
  for (const [text, limits, exceeds] of rows) {
    test(`${exceeds ? 'counts' : 'does not count'} ${text.slice(0, 40)}`, () =>
      assert.equal(exceeded(text, { ...TEXT_LIMITS, ...limits }) !== undefined, exceeds));
  }
});
