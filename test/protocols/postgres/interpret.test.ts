/** A text becomes commands with their exact bytes, and equal texts share what verdicts are cached on. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Refusal, Turn as Submitted } from '../../../src/domain/session.ts';
import { NO_MASK } from '../../../src/domain/mask.ts';
import { createSqlReader, EMPTY_CATALOG, type SqlBasis } from '../../../src/languages/sql/index.ts';
import type { Basis } from '../../../src/protocols/postgres/basis.ts';
import { createJudge } from '../../../src/protocols/postgres/judging.ts';
import { SessionState } from '../../../src/protocols/postgres/state.ts';
import { Mirror, type Portal, type Prepared } from '../../../src/protocols/postgres/statements.ts';
import { simpleTurn, type Turn } from '../../../src/protocols/postgres/turn.ts';

const reader = createSqlReader();
after(() => reader.close());

const NO: Refusal = { kind: 'refusal', code: 'HOOP_DENIED', message: 'HOOP_DENIED: no' };
const sql: SqlBasis = {
  catalog: EMPTY_CATALOG,
  masks: [],
  guarded: false,
  searchPath: ['public'],
  trustedFunctions: [],
};

function stage() {
  const mirror = new Mirror();
  const state = new SessionState({ database: 'shop', searchPath: ['public'], settings: new Map() });
  const submitted: Submitted[] = [];
  const view = {
    basis: 'p1',
    grant: { entries: [], effects: [], guarded: false },
    masks: NO_MASK,
    trustedFunctions: [],
  };
  const basis: Basis = { id: 'b1', view, sql, guarded: false, detectors: undefined, masked: new Map() };
  const parts = {
    ...{ mirror, state, basis: (): Basis => basis, transaction: () => 'I' as const },
    session: {
      note: () => {},
      submit: async (turn: Submitted) => {
        submitted.push(turn);
        return answers.shift() ?? NO;
      },
    },
    analyse: (text: Buffer) => reader.analyse(text, sql),
  };
  const answers: Refusal[] = [];
  return { mirror, state, submitted, answers, basis, parts, judge: (turn: Turn) => createJudge(parts)(turn, {}) };
}

const q = (text: string): Turn => simpleTurn(Buffer.from(text), Buffer.from(text));

describe('a text', () => {
  test('is cut between its statements, and no byte is lost', async () => {
    const { judge, submitted } = stage();
    const text = "/* é */ select 'é日本'; -- x\n delete from t;; select 2 -- end";
    await judge(q(text));
    const pieces = submitted[0]?.commands.map(({ bytes }) => Buffer.from(bytes).toString()) ?? [];
    assert.equal(pieces.length, 3);
    assert.equal(pieces.join(''), text);
    assert.match(pieces[1] as string, /^delete from t/);
  });

  test('read twice gives the same object to cache a verdict on, and the same command', async () => {
    const { judge, submitted } = stage();
    await judge(q('select 1 as same'));
    await judge(q('select 1 as same'));
    assert.equal(submitted[0]?.commands[0], submitted[1]?.commands[0]);
  });

  test('means something else in another state of the session', async () => {
    const { judge, submitted, state } = stage();
    await judge(q('select 2 as same'));
    state.completed({ op: 'set', name: 'datestyle', value: 'German', local: false }, 'SET');
    await judge(q('select 2 as same'));
    assert.notEqual(submitted[0]?.commands[0]?.context, submitted[1]?.commands[0]?.context);
    assert.equal(submitted[0]?.commands[0]?.reading, submitted[1]?.commands[0]?.reading);
  });

  test('that holds nothing is a command without effects that ask for anything', async () => {
    const { judge, submitted } = stage();
    await judge(q(' -- nothing'));
    assert.deepEqual([...(submitted[0]?.commands[0]?.effects ?? [])], ['control']);
  });

  test('that cannot be read is unknown and impossible', async () => {
    const { judge, submitted } = stage();
    const judged = await judge(q('select from where'));
    assert.deepEqual([...(submitted[0]?.commands[0]?.effects ?? [])], ['unknown']);
    assert.equal(submitted[0]?.commands[0]?.impossible?.protocolCode, '42601');
    assert.equal(typeof judged.position, 'number');
  });

  test('of EXECUTE has the effects of what was prepared, and its text in its context', async () => {
    const { judge, submitted } = stage();
    await judge(q('prepare p as delete from t; execute p'));
    const command = submitted[0]?.commands[1];
    assert.ok(command?.effects.has('delete') && !command.effects.has('unknown'), 'joined');
    assert.match(command?.context ?? '', /delete from t/);
  });

  test('is read again when the policy changed while it was submitted, and not for ever', async () => {
    const { judge, submitted, answers } = stage();
    const stale: Refusal = { kind: 'refusal', code: 'HOOP_STALE', message: 'HOOP_STALE' };
    answers.push(stale);
    await judge(q('select 3'));
    assert.equal(submitted.length, 2);
    answers.push(stale, stale, stale, stale, stale);
    assert.equal((await judge(q('select 3'))).answer, stale);
    assert.equal(submitted.length, 5);
  });
});

describe('a prepared statement', () => {
  const prepared = (text: string, sent?: string): Prepared => ({
    name: 's',
    text: Buffer.from(text),
    types: [23],
    ...(sent === undefined ? {} : { reading: { analysis: {} as never, basis: 'older', sent } }),
  });
  const portal = (statement: Prepared): Portal => ({
    name: '',
    statement,
    formats: [1],
    values: [Buffer.from([0, 0, 0, 7])],
    resultFormats: [],
    started: false,
  });
  const turn = (statement: Prepared, bound: boolean, part: 'prepare' | 'run' | 'continue'): Turn => ({
    ...{ items: [], ends: 'sync' },
    units: [{ kind: 'statement', statement, part, ...(bound ? { portal: portal(statement) } : {}) }],
  });

  test('shows its values with their types', async () => {
    const { judge, submitted } = stage();
    await judge(turn(prepared('select $1'), true, 'run'));
    assert.deepEqual(submitted[0]?.commands[0]?.parameters, [
      { type: 'int4', format: 'binary', value: Buffer.from([0, 0, 0, 7]) },
    ]);
  });

  test('is not asked about while nothing of it runs', async () => {
    const { judge, submitted } = stage();
    await judge(turn(prepared('delete from t where id = $1'), false, 'prepare'));
    await judge(turn(prepared('delete from t where id = $1'), true, 'prepare'));
    assert.deepEqual(
      submitted.map(({ commands }) => commands[0]?.part),
      ['prepare', 'prepare'],
    );
  });

  test('counts as running when it is bound, where planning may run user code', async () => {
    const { judge, submitted, parts } = stage();
    const analysed = (await parts.analyse(Buffer.from('select 1 as user_code'))) as Extract<
      Awaited<ReturnType<typeof parts.analyse>>,
      { ok: true }
    >;
    const statements = analysed.statements.map((statement) => ({ ...statement, ranUserCode: true }));
    const judgeUserCode = createJudge({ ...parts, analyse: () => ({ ok: true, statements }) });
    await judgeUserCode(turn(prepared('select 1 as user_code'), true, 'prepare'), {});
    assert.equal(submitted[0]?.commands[0]?.part, undefined);
    void judge;
  });

  test('is asked about again when it goes on under another policy', async () => {
    const { judge, submitted } = stage();
    const statement = prepared('select 1 as rows');
    const going = { ...portal(statement), started: true };
    for (const basis of ['b1', 'older']) {
      await judge({
        items: [],
        ends: 'sync',
        units: [{ kind: 'statement', statement, part: 'continue', portal: { ...going, basis } }],
      });
    }
    assert.deepEqual(
      submitted.map(({ commands }) => commands[0]?.part),
      ['continue', undefined],
    );
  });

  test('that was sent otherwise than it would be now has to be prepared again', async () => {
    const { judge, submitted } = stage();
    await judge(turn(prepared('select 1 as again', 'SELECT masked'), true, 'run'));
    assert.deepEqual(
      [submitted[0]?.commands[0]?.impossible?.code, submitted[0]?.commands[0]?.impossible?.protocolCode],
      ['HOOP_STALE', '0A000'],
    );
    assert.equal(submitted.length, 1);
  });
});
