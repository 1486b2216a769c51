/** Who is given which reading of a catalog, while it changes, fails or lacks something. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EMPTY_CATALOG } from '../../../src/languages/sql/index.ts';
import { type CatalogAsker, createCatalogs, type Outdated } from '../../../src/protocols/postgres/catalog.ts';
import type { CatalogRead } from '../../../src/protocols/postgres/catalog-read.ts';
import { FakeClock } from '../../fakes/clock.ts';

interface Reading {
  readonly asker: CatalogAsker;
  readonly known: boolean;
  give(server: string, catalog?: CatalogRead['catalog']): void;
  fail(code?: string): void;
}

function keeper() {
  const clock = new FakeClock();
  const readings: Reading[] = [];
  const catalogs = createCatalogs(clock, (asker, known) => {
    const { promise, resolve, reject } = Promise.withResolvers<CatalogRead>();
    readings.push({
      asker: asker as CatalogAsker,
      known: known !== undefined,
      give: (server, catalog = EMPTY_CATALOG) =>
        resolve({ catalog, searchPath: ['public'], risks: [], server, probe: server }),
      fail: (code) => reject(Object.assign(new Error('out of reach'), code === undefined ? {} : { code })),
    });
    return promise;
  });
  const ask = async (asker: CatalogAsker) => (await catalogs.current('shop', asker)).server;
  return { clock, catalogs, readings, ask, last: () => readings.at(-1) as Reading };
}

function asker(guarded = false): CatalogAsker & { readonly told: Outdated[] } {
  const told: Outdated[] = [];
  return { guarded: () => guarded, outdated: (one: Outdated) => void told.push(one), told } as never;
}

const LOCKED = {
  ...EMPTY_CATALOG,
  relations: [
    {
      oid: 20_000,
      schema: 'public',
      name: 'v',
      kind: 'v',
      rowSecurity: false,
      barrier: false,
      columns: [],
      locked: true,
    },
  ],
} as CatalogRead['catalog'];

const SEEN = {
  ...EMPTY_CATALOG,
  relations: [{ ...LOCKED.relations[0], locked: undefined, definition: 'SELECT 1' }],
} as unknown as CatalogRead['catalog'];

describe('a reading', () => {
  test('is one for all who ask at once, and for half a minute', async () => {
    const { ask, last, readings, clock } = keeper();
    const all = [ask(asker()), ask(asker(true))];
    last().give('one');
    assert.deepEqual(await Promise.all(all), ['one', 'one']);
    await clock.advance(29_999);
    assert.equal(await ask(asker(true)), 'one');
    assert.equal(readings.length, 1);
    await clock.advance(1);
    const again = ask(asker(true));
    last().give('two');
    assert.equal(await again, 'two');
  });

  test('that began before definitions changed is for nobody who asks afterwards', async () => {
    const { ask, catalogs, readings } = keeper();
    const before = ask(asker());
    catalogs.forget('shop');
    const after = ask(asker());
    assert.equal(readings.length, 2);
    readings[1]?.give('new');
    assert.equal(await after, 'new');
    readings[0]?.give('old');
    assert.equal(await before, 'old');
    assert.equal(await ask(asker(true)), 'new');
    assert.equal(catalogs.known('shop')?.server, 'new');
  });

  test('of one database is asked for anew by all its targets and accounts when one session changed something there', async () => {
    const { catalogs, readings, last } = keeper();
    for (const key of ['open\0owner\0db:5432/shop', 'masked\0reader\0db:5432/shop', 'other\0owner\0db:5432/other']) {
      const first = catalogs.current(key, asker());
      last().give('one');
      await first;
    }
    catalogs.forget('open\0owner\0db:5432/shop');
    void catalogs.current('other\0owner\0db:5432/other', asker());
    assert.equal(readings.length, 3);
    void catalogs.current('masked\0reader\0db:5432/shop', asker());
    assert.equal(readings.length, 4);
  });

  test('that ends late does not make an old one fresh', async () => {
    const { ask, catalogs, readings, last } = keeper();
    const before = ask(asker());
    catalogs.forget('shop');
    readings[0]?.give('old');
    await before;
    const after = ask(asker());
    assert.equal(readings.length, 2);
    last().give('new');
    assert.equal(await after, 'new');
  });

  test('is asked for meanwhile, and what was known is given to nobody', async () => {
    const { ask, catalogs, readings, last } = keeper();
    const first = ask(asker());
    last().give('one');
    await first;
    catalogs.forget('shop');
    const [one, two] = [ask(asker()), ask(asker())];
    assert.equal(readings.length, 2);
    last().give('two');
    assert.deepEqual(await Promise.all([one, two]), ['two', 'two']);
  });

  test('that fails with the session that began it is begun anew by another', async () => {
    const { ask, readings, last } = keeper();
    const [first, second] = [ask(asker(true)), ask(asker(true))];
    readings[0]?.fail();
    await assert.rejects(first, /out of reach/);
    await new Promise(setImmediate);
    assert.equal(readings.length, 2);
    last().give('two');
    assert.equal(await second, 'two');
  });
});

describe('a reading that fails', () => {
  async function known() {
    const one = keeper();
    const first = one.ask(asker());
    one.last().give('one');
    await first;
    await one.clock.advance(30_000);
    return one;
  }

  test('leaves those whom nothing rests on with the last one, asked for again once a second', async () => {
    const { ask, clock, readings, last } = await known();
    const client = asker();
    const answer = ask(client);
    last().fail();
    assert.equal(await answer, 'one');
    assert.deepEqual(client.told, [{ reason: 'out of reach', ageMs: 30_000, readAt: 1_000 }]);
    assert.equal(await ask(client), 'one');
    assert.equal(readings.length, 2);
    await clock.advance(1_000);
    const again = ask(client);
    assert.equal(readings.length, 3);
    last().give('two');
    assert.equal(await again, 'two');
  });

  test('leaves those with masks or a scope with nothing, at each try', async () => {
    const { ask, readings, last } = await known();
    for (let tries = 2; tries < 5; tries++) {
      const answer = ask(asker(true));
      assert.equal(readings.length, tries);
      last().fail();
      await assert.rejects(answer, /out of reach/);
    }
  });

  test('leaves everybody with nothing after five minutes', async () => {
    const { ask, clock, last } = await known();
    await clock.advance(269_999);
    const early = ask(asker());
    last().fail();
    assert.equal(await early, 'one');
    await clock.advance(1_000);
    const late = ask(asker());
    last().fail();
    await assert.rejects(late, /out of reach/);
  });

  test('since another server answers leaves everybody with nothing', async () => {
    const { ask, last } = await known();
    const answer = ask(asker());
    last().fail('TARGET_NOT_SUPPORTED');
    await assert.rejects(answer, /out of reach/);
  });

  test('shows, until one does not', async () => {
    const { ask, catalogs, clock, last } = await known();
    assert.deepEqual(catalogs.state('shop'), { ageMs: 30_000, outdated: false });
    const answer = ask(asker());
    last().fail();
    await answer;
    assert.deepEqual(catalogs.state('shop'), { ageMs: 30_000, outdated: true });
    await clock.advance(1_000);
    const again = ask(asker());
    last().give('two');
    await again;
    assert.deepEqual(catalogs.state('shop'), { ageMs: 0, outdated: false });
    assert.equal(catalogs.state('other'), undefined);
  });
});

describe('a reading that lacks what was locked', () => {
  test('is good for a second, and the next one is whole whatever the probe says', async () => {
    const { ask, catalogs, clock, readings, last } = keeper();
    const first = ask(asker());
    last().give('one', LOCKED);
    await first;
    assert.equal(catalogs.state('shop')?.outdated, true);
    await clock.advance(999);
    await ask(asker());
    assert.equal(readings.length, 1);
    await clock.advance(1);
    const again = ask(asker());
    assert.deepEqual(
      readings.map(({ known }) => known),
      [false, false],
    );
    last().give('one');
    await again;
    assert.equal(catalogs.state('shop')?.outdated, false);
  });

  test('has of a view what was known of it, for five minutes, marked', async () => {
    const { ask, catalogs, clock, last } = keeper();
    const first = ask(asker());
    last().give('one', SEEN);
    await first;
    for (const [waits, definition] of [
      [31_000, 'SELECT 1'],
      [200_000, 'SELECT 1'],
      [100_000, undefined],
    ] as const) {
      await clock.advance(waits);
      const again = ask(asker());
      last().give('two', LOCKED);
      await again;
      const [view] = catalogs.known('shop')?.catalog.relations ?? [];
      assert.deepEqual([view?.definition, view?.locked], [definition, true]);
      assert.equal(catalogs.known('shop')?.catalog.version !== LOCKED.version, definition !== undefined);
    }
  });
});
