/** How the bench goes around among its peers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Case, measureCase } from './rounds.ts';

const form: Omit<Case, 'measure'> = {
  ...{ name: 'a case', unit: 'tx/s', better: 'more', peers: ['a', 'b', 'c'], against: ['b'] },
};
const options = { section: 'test', rounds: 2, peer: () => undefined, signal: new AbortController().signal };

test('peers are measured one after the other, each round beginning with another', async () => {
  const order: string[] = [];
  const measure: Case['measure'] = async (peer, round) => {
    order.push(`${peer}${round}`);
    return { value: 1 };
  };
  const { rounds } = await measureCase({ ...form, measure }, options);
  assert.deepEqual(order, ['a0', 'b0', 'c0', 'b1', 'c1', 'a1']);
  assert.deepEqual(
    rounds.map((round) => Object.keys(round).sort()),
    [
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ],
  );
});

test('the CPU of a peer is told by role and per unit of work', async () => {
  const measure: Case['measure'] = async () => {
    const until = process.cpuUsage().user + 40_000;
    while (process.cpuUsage().user < until);
    return { value: 1, work: 10 };
  };
  const { rounds } = await measureCase(
    { ...form, peers: ['a'], measure },
    { ...options, rounds: 1, peer: () => ({ processes: { busy: [process.pid], gone: [2 ** 30] } }) },
  );
  const { busy = 0, gone } = rounds[0]?.['a']?.cpu ?? {};
  assert.ok(busy > 0, `${busy}`);
  assert.equal(gone, 0);
});

test('a peer is tidied after each measurement', async () => {
  const order: string[] = [];
  const measure: Case['measure'] = async (peer) => {
    order.push(peer);
    return { value: 1 };
  };
  const peer = (name: string) => ({ processes: {}, tidy: async () => void order.push(`tidied ${name}`) });
  await measureCase({ ...form, peers: ['a', 'b'], measure }, { ...options, rounds: 1, peer });
  assert.deepEqual(order, ['a', 'tidied a', 'b', 'tidied b']);
});

test('nothing is measured after it was interrupted', async () => {
  const stop = new AbortController();
  let count = 0;
  const measure: Case['measure'] = async () => {
    count++;
    stop.abort(new Error('interrupted'));
    return { value: 1 };
  };
  await assert.rejects(measureCase({ ...form, measure }, { ...options, signal: stop.signal }), /interrupted/);
  assert.equal(count, 1);
});
