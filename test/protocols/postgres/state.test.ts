/** What changes the meaning of a text is followed through transactions and savepoints as the server does it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Control } from '../../../src/languages/sql/index.ts';
import { SessionState } from '../../../src/protocols/postgres/state.ts';

const fresh = () =>
  new SessionState({ database: 'shop', searchPath: ['app', 'public'], settings: new Map([['timezone', 'UTC']]) });
const set = (name: string, value: string, local = false): Control => ({ op: 'set', name, value, local });
const settingsOf = (state: SessionState): Record<string, string> =>
  Object.fromEntries((JSON.parse(state.context) as { settings: [string, string][] }).settings);

function after(...steps: readonly (readonly [Control, string?] | 'ok' | 'failed')[]): SessionState {
  const state = fresh();
  for (const step of steps) {
    if (step === 'ok' || step === 'failed') state.outsideTransaction(step === 'failed');
    else state.completed(step[0], step[1] ?? 'SET');
  }
  return state;
}

const BEGIN: readonly [Control, string] = [{ op: 'begin' }, 'BEGIN'];
const COMMIT: readonly [Control, string] = [{ op: 'commit', chain: false }, 'COMMIT'];
const ROLLBACK: readonly [Control, string] = [{ op: 'rollback', chain: false }, 'ROLLBACK'];

describe('a setting', () => {
  test('stands once its statement has succeeded, and not when the query it came in failed', () => {
    assert.deepEqual(settingsOf(after([set('datestyle', 'German')], 'ok')), { datestyle: 'German', timezone: 'UTC' });
    assert.deepEqual(settingsOf(after([set('datestyle', 'German')], 'failed')), { timezone: 'UTC' });
  });

  test('counts within its transaction, stands with COMMIT, and is gone with ROLLBACK', () => {
    assert.equal(settingsOf(after(BEGIN, [set('datestyle', 'German')]))['datestyle'], 'German');
    assert.equal(settingsOf(after(BEGIN, [set('datestyle', 'German')], COMMIT, 'ok'))['datestyle'], 'German');
    assert.equal(settingsOf(after(BEGIN, [set('datestyle', 'German')], ROLLBACK, 'ok'))['datestyle'], undefined);
  });

  test('is gone when a COMMIT turned out to be a ROLLBACK', () => {
    assert.equal(
      settingsOf(after(BEGIN, [set('datestyle', 'German')], [{ op: 'commit', chain: false }, 'ROLLBACK'], 'ok'))[
        'datestyle'
      ],
      undefined,
    );
  });

  test('set LOCAL ends with the transaction', () => {
    assert.equal(settingsOf(after(BEGIN, [set('datestyle', 'German', true)]))['datestyle'], 'German');
    assert.equal(settingsOf(after(BEGIN, [set('datestyle', 'German', true)], COMMIT, 'ok'))['datestyle'], undefined);
  });

  test('goes back to its savepoint, and no further', () => {
    const state = after(
      BEGIN,
      [set('a', '1')],
      [{ op: 'savepoint', name: 's' }],
      [set('a', '2')],
      [set('b', '2')],
      [{ op: 'rollbackTo', name: 's' }],
    );
    assert.deepEqual(settingsOf(state), { a: '1', timezone: 'UTC' });
    state.completed(set('a', '3'), 'SET');
    state.completed({ op: 'rollbackTo', name: 's' }, 'ROLLBACK');
    assert.equal(settingsOf(state)['a'], '1');
  });

  test('outlives the savepoint that is released', () => {
    assert.equal(
      settingsOf(
        after(BEGIN, [{ op: 'savepoint', name: 's' }], [set('a', '2')], [{ op: 'release', name: 's' }], COMMIT, 'ok'),
      )['a'],
      '2',
    );
  });

  test('goes back to what the connection began with', () => {
    assert.equal(
      settingsOf(after([set('timezone', 'CET')], [{ op: 'reset', name: 'timezone', local: false }], 'ok'))['timezone'],
      'UTC',
    );
    assert.deepEqual(settingsOf(after([set('timezone', 'CET')], [set('a', '1')], [{ op: 'resetAll' }], 'ok')), {
      timezone: 'UTC',
    });
    assert.deepEqual(settingsOf(after([set('a', '1')], 'ok', [{ op: 'discard', target: 'all' }], 'ok')), {
      timezone: 'UTC',
    });
  });
});

describe('the context', () => {
  test('is the same for the same state, however it was reached', () => {
    assert.equal(
      after([set('a', '1')], 'ok', [set('b', '2')], 'ok').context,
      after([set('b', '2')], 'ok', [set('a', '1')], 'ok').context,
    );
    assert.equal(after(BEGIN, [set('a', '1')], ROLLBACK, 'ok').context, fresh().context);
  });

  test('knows a transaction, its isolation, and that it is over', () => {
    assert.notEqual(after(BEGIN).context, fresh().context);
    assert.notEqual(after([{ op: 'begin', isolation: 'serializable' }, 'BEGIN']).context, after(BEGIN).context);
    assert.equal(after([{ op: 'begin', isolation: 'serializable' }, 'BEGIN'], ROLLBACK, 'ok').context, fresh().context);
  });

  test('knows where names are looked for', () => {
    assert.deepEqual(fresh().searchPath, ['app', 'public']);
    const emptied = after([set('search_path', '')], 'ok');
    assert.deepEqual(emptied.searchPath, []);
    assert.notEqual(emptied.context, fresh().context);
    emptied.completed({ op: 'reset', name: 'search_path', local: false }, 'RESET');
    assert.deepEqual(emptied.searchPath, ['app', 'public']);
  });
});

describe('definitions that change', () => {
  const heard = () => {
    let times = 0;
    const state = new SessionState({
      ...{ database: 'shop', searchPath: ['public'], settings: new Map() },
      definitionsChanged: () => void times++,
    });
    return { state, times: () => times };
  };

  test('are told of when the target is in no transaction, once', () => {
    const { state, times } = heard();
    state.defined();
    assert.equal(times(), 0);
    state.outsideTransaction(false);
    state.outsideTransaction(false);
    assert.equal(times(), 1);
  });

  test('are told of after a failure too: an earlier statement of the text may stand', () => {
    const { state, times } = heard();
    state.defined();
    state.outsideTransaction(true);
    assert.equal(times(), 1);
  });
});
