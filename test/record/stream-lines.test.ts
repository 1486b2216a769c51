import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStreamLines } from '../../src/record/stream-lines.ts';

const told = (events: readonly object[]) => {
  const lines = createStreamLines();
  const spoken = [...events.flatMap((event) => lines.take(event as never)), ...lines.rest()];
  return spoken.map(({ detail, text }) => `${detail}: ${text}`);
};
const out = (data: string, more: object = {}) => ({ type: 'stream', direction: 'out', command: 'c', data, ...more });

test('messages are told one by one, and pieces of one as one', () => {
  const events = [
    out('{"a":1}', { ends: true }),
    out('begun '),
    out('and ended', { ends: true }),
    out('', { ends: true }),
  ];
  assert.deepEqual(told(events), ['out: {"a":1}', 'out: begun and ended', 'out: ']);
});

test('of a message that is no text its length is told', () => {
  assert.deepEqual(told([out(Buffer.from([0, 255, 1]).toString('base64'), { encoding: 'base64', ends: true })]), [
    'out: (3 bytes)',
  ]);
});

test('what has no messages is told by its lines', () => {
  assert.deepEqual(told([out('one\ntw'), out('o\n'), out('three')]), ['out: one', 'out: two', 'out: three']);
});
