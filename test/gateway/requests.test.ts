/** The budget of requests: one for each command that runs, none for what does not, and never the same one twice. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Permit } from '../../src/domain/permit.ts';
import type { Refusal } from '../../src/domain/session.ts';
import { refusal } from '../../src/gateway/refusal.ts';
import { settled } from '../fakes/clock.ts';
import { command, type GateUnderTest, gateUnderTest } from '../fakes/gate.ts';

const select = () => command('SELECT 1', ['read']);
const insert = () => command('INSERT INTO t VALUES (1)', ['write']);
const remove = () => command('DELETE FROM t', ['delete']);
const drop = () => command('DROP TABLE t', ['define']);

function limited(requestsPerRun: number, more: object = {}): GateUnderTest {
  const under = gateUnderTest();
  under.limits = [{ rule: 'few', requestsPerRun, ...more }];
  return under;
}

const taken = (under: GateUnderTest) => under.budget.spent.get('few')?.requests ?? 0;

function codeOf(answer: Permit | Refusal): string {
  return answer.kind === 'permit' ? 'permit' : answer.code;
}

describe('a request', () => {
  test('beyond the limit is refused, recorded with the limit that refused it, and has no intent', async () => {
    const under = limited(1);
    assert.equal(codeOf(await under.gate.submit(under.turn(select()))), 'permit');
    const answer = (await under.gate.submit(under.turn(select()))) as Refusal;
    assert.equal(answer.code, 'HOOP_LIMIT');
    assert.equal(answer.rule, 'few');
    assert.match(answer.message, /^HOOP_LIMIT: limit "few": requestsPerRun is 1/);
    assert.deepEqual(under.recorder.story(), ['verdict allow', 'command', 'verdict deny']);
    const last = under.recorder.events.at(-1)?.event;
    assert.ok(last?.type === 'verdict');
    assert.deepEqual([last.code, last.rules], ['HOOP_LIMIT', ['few']]);
  });

  test('is each command of a turn, and a turn that is too long passes not at all', async () => {
    const under = limited(3);
    assert.equal(codeOf(await under.gate.submit(under.turn(select(), select()))), 'permit');
    assert.equal(codeOf(await under.gate.submit(under.turn(select(), select()))), 'HOOP_LIMIT');
    assert.equal(codeOf(await under.gate.submit(under.turn(select()))), 'permit');
    assert.equal(taken(under), 3);
  });

  test('is not what is prepared, more of a result, or asked by the gateway', async () => {
    const under = limited(0);
    const parts = [
      { ...select(), part: 'prepare' },
      { ...select(), part: 'continue' },
    ] as const;
    assert.equal(codeOf(await under.gate.submit(under.turn(...parts))), 'permit');
    assert.equal(codeOf(await under.gate.submit({ ...under.turn(select()), by: 'gateway' })), 'permit');
    assert.equal(codeOf(await under.gate.submit(under.turn(select()))), 'HOOP_LIMIT');
  });

  test('that is denied counts nothing', async () => {
    const under = limited(1);
    assert.equal(codeOf(await under.gate.submit(under.turn(drop()))), 'HOOP_DENIED');
    assert.equal(taken(under), 0);
  });

  test('in shadow passes', async () => {
    const under = limited(0, { shadow: true });
    assert.equal(codeOf(await under.gate.submit(under.turn(select()))), 'permit');
  });
});

describe('two sessions of one run', () => {
  test('cannot both have the last request, though both are being recorded', async () => {
    const one = limited(1);
    const two = limited(1);
    Object.assign(two, { budget: one.budget });
    for (const under of [one, two]) under.recorder.slow = true;
    const first = one.gate.submit(one.turn(insert()));
    const second = two.gate.submit(two.turn(insert()));
    await settled();
    one.recorder.release?.();
    two.recorder.release?.();
    assert.deepEqual([codeOf(await first), codeOf(await second)], ['permit', 'HOOP_LIMIT']);
  });
});

describe('it is given back', () => {
  test('where the recording fails', async () => {
    const under = limited(1);
    under.recorder.slow = true;
    const answer = under.gate.submit(under.turn(insert()));
    await settled();
    assert.equal(taken(under), 1);
    under.recorder.fail();
    under.recorder.release?.();
    assert.equal(codeOf(await answer), 'HOOP_UNAVAILABLE');
    assert.equal(taken(under), 0);
  });

  test('where access ends while the intent is written', async () => {
    const under = limited(1);
    under.recorder.slow = true;
    const answer = under.gate.submit(under.turn(insert()));
    await settled();
    under.standing = refusal.ended({ kind: 'revoked' });
    under.recorder.release?.();
    assert.equal(codeOf(await answer), 'HOOP_REVOKED');
    assert.equal(taken(under), 0);
  });

  test('where the approval can not be used', async () => {
    const under = limited(1);
    under.desk.broken = 'consume';
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.desk.approve('apr_1');
    assert.equal(codeOf(await answer), 'HOOP_HELD');
    assert.equal(taken(under), 0);
  });
});

describe('a held command', () => {
  test('counts once it runs, and not while people think', async () => {
    const under = limited(1);
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    assert.equal(taken(under), 0);
    under.desk.approve('apr_1');
    assert.equal(codeOf(await answer), 'permit');
    assert.equal(taken(under), 1);
  });

  test('asks nobody where nothing is left', async () => {
    const under = limited(0);
    assert.equal(codeOf(await under.gate.submit(under.turn(remove()))), 'HOOP_LIMIT');
    assert.equal(under.desk.questions.length, 0);
    assert.deepEqual(under.recorder.story(), ['verdict deny']);
  });

  test('does not spend its approval where others took the last request meanwhile', async () => {
    const under = limited(1);
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    assert.equal(codeOf(await under.gate.submit(under.turn(select()))), 'permit');
    under.desk.approve('apr_1');
    assert.equal(codeOf(await answer), 'HOOP_LIMIT');
    assert.deepEqual([under.desk.consumed, under.desk.withdrawn], [[], ['apr_1']]);
    assert.equal(taken(under), 1);
  });
});
