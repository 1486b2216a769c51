/** Requests as they come and are decided: each change once, also those that came while nobody listened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApprovalView } from '../../../src/api/shapes.ts';
import type { Interruption } from '../../../src/app/following.ts';
import { HoopError } from '../../../src/base/error.ts';
import { approvalChanges } from '../../../src/cli/watch/changes.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { approvalView } from '../api.ts';

const T0 = Date.parse('2026-11-21T18:00:00.000Z');
const at = (seconds: number) => new Date(T0 + seconds * 1_000).toISOString();
const view = (id: string, state: ApprovalView['state'] = 'open', asked = 0) =>
  approvalView('x', { id, state, requestedAt: at(asked), ...(state === 'open' ? {} : { decidedAt: at(asked + 1) }) });

interface Visit {
  readonly listed: readonly ApprovalView[];
  readonly heard: readonly ApprovalView[];
}

/** Each time it connects it finds a list and hears a few changes; then the line is cut. After the last visit it goes on without end. */
async function watched(
  visits: readonly Visit[],
): Promise<{ told: string[]; said: Interruption['type'][]; asked: object[] }> {
  const clock = new FakeClock();
  const left = new AbortController();
  const told: string[] = [];
  const said: Interruption['type'][] = [];
  const asked: object[] = [];
  const rest = [...visits];
  const client = {
    link: { retryNow: () => {} },
    async *approvalStream() {
      const visit = rest[0];
      yield* visit?.heard ?? [];
      rest.shift();
      if (rest.length === 0) return left.abort();
      throw new HoopError('GATEWAY_LOST', 'the connection was lost', { exit: 6 });
    },
    approvals: async (filter: object) => {
      asked.push(filter);
      return [...(rest[0]?.listed ?? [])];
    },
  };
  const changes = approvalChanges({
    client: client as never,
    renewable: true,
    clock,
    signal: left.signal,
    tell: ({ type }) => said.push(type),
    listed: () => told.push('that was all'),
  });
  let over = false;
  const reading = (async () => {
    for await (const {
      view: { id, state },
      kind,
    } of changes)
      told.push(`${kind} ${id} ${state}`);
  })().catch(() => {});
  void reading.then(() => {
    over = true;
  });
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1_000);
  }
  return { told, said, asked };
}

test('what is open comes first, then each change once', async () => {
  const { told, said } = await watched([
    { listed: [view('a')], heard: [view('a'), view('b', 'open', 5), view('a', 'approved'), view('a', 'approved')] },
  ]);
  assert.deepEqual(told, ['listed a open', 'that was all', 'new b open', 'changed a approved']);
  assert.deepEqual(said, []);
});

test('after the line was cut, what came, what changed, and what came and went meanwhile is told, and nothing else', async () => {
  const { told, said, asked } = await watched([
    { listed: [view('a'), view('b')], heard: [view('c', 'open', 10)] },
    {
      listed: [
        view('f', 'denied', 30),
        view('e', 'open', 20),
        view('c', 'open', 10),
        view('b', 'expired'),
        view('a', 'open'),
        view('long-ago', 'denied', -1_000),
      ],
      heard: [],
    },
  ]);
  assert.deepEqual(told, [
    'listed a open',
    'listed b open',
    'that was all',
    'new c open',
    'changed b expired',
    'new e open',
    'new f denied',
  ]);
  assert.deepEqual(said, ['reconnecting', 'reconnected']);
  assert.deepEqual(asked, [{ state: 'open' }, {}]);
});
