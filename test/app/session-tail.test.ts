/** A session is followed over whatever comes between: nothing twice, nothing left out, and what cannot be known is said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionView } from '../../src/api/shapes.ts';
import { type TailHappening, tailEvents } from '../../src/app/session-tail.ts';
import { HoopError } from '../../src/base/error.ts';
import type { SessionEnd } from '../../src/domain/end.ts';
import { FakeClock } from '../fakes/clock.ts';

const line = (seq: number, more: object = {}) => JSON.stringify({ seq, at: 't', type: 'notice', ...more });
const CLOSED = line(9, { type: 'session.closed', end: { kind: 'clientGone' } });
const gone = () => new HoopError('GATEWAY_LOST', 'the connection was lost', { exit: 6 });
const expired = () => new HoopError('TOKEN_REFUSED', 'your login is over', { exit: 3 });

/** Each stream that is opened gives its lines and then ends as it says. */
type Stream = { lines: readonly string[]; fails?: HoopError; state?: 'live' | 'closed'; end?: SessionEnd };

async function tail(streams: Stream[], { from = 'start' as 'start' | 'now', renewable = true } = {}) {
  const clock = new FakeClock();
  const asked: (number | 'last')[] = [];
  const happened: TailHappening[] = [];
  let last: Stream | undefined;
  const client = {
    link: { retryNow: () => {} },
    async *followSession(_id: string, at: number | 'last') {
      asked.push(at);
      last = streams.shift();
      if (!last) throw new Error('asked too often');
      yield* last.lines;
      if (last.fails) throw last.fails;
    },
    session: async () => ({ state: last?.state ?? 'live', end: last?.end }) as SessionView,
  };
  const events = tailEvents({
    client: client as never,
    session: 'ses_1',
    from,
    renewable,
    clock,
    signal: new AbortController().signal,
    tell: (happening) => happened.push(happening),
  });
  const seen: number[] = [];
  let ended: { end: SessionEnd | undefined } | { error: unknown } | undefined;
  const read = async () => {
    for (;;) {
      const { value, done } = await events.next();
      if (done) return { end: value };
      seen.push(value.seq);
    }
  };
  void read().then(
    (end) => (ended = end),
    (error) => (ended = { error }),
  );
  while (ended === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1_000);
  }
  return { seen, asked, happened, ended };
}

const kinds = (happened: TailHappening[]) => happened.map(({ type }) => type);

test('from the start: every event, and the end that the recording tells', async () => {
  const { seen, asked, happened, ended } = await tail([{ lines: [line(0), line(1), CLOSED] }]);
  assert.deepEqual([seen, asked, happened, ended], [[0, 1, 9], [0], [], { end: { kind: 'clientGone' } }]);
});

test('from now: the last line there is shows where that is, and is not shown', async () => {
  const { seen, asked } = await tail([{ lines: [line(4), line(5), CLOSED] }], { from: 'now' });
  assert.deepEqual([seen, asked], [[5, 9], ['last']]);
});

test('after the line was lost it goes on behind the last line seen, and says so once', async () => {
  const { seen, asked, happened } = await tail([
    { lines: [line(0), line(1)], fails: gone() },
    { lines: [], fails: gone() },
    { lines: [line(1), line(2), CLOSED] },
  ]);
  assert.deepEqual(
    [seen, asked],
    [
      [0, 1, 2, 9],
      [0, 1, 1],
    ],
  );
  assert.deepEqual(kinds(happened), ['reconnecting', 'reconnected']);
});

test('a stream that ends in good order while the session lives is opened again without a word', async () => {
  const { seen, happened } = await tail([{ lines: [line(0)] }, { lines: [line(0), CLOSED] }]);
  assert.deepEqual([seen, happened], [[0, 9], []]);
});

test('a recording that goes on otherwise is said to, and what stands there now is shown', async () => {
  const { seen, happened } = await tail([
    { lines: [line(0), line(1)], fails: gone() },
    { lines: [line(1, { other: true }), CLOSED] },
  ]);
  assert.deepEqual(seen, [0, 1, 1, 9]);
  assert.deepEqual(kinds(happened), ['reconnecting', 'diverged', 'reconnected']);
});

test('a recording that is shorter now is said to be', async () => {
  const { happened, ended } = await tail([
    { lines: [line(0), line(1)], fails: gone() },
    { lines: [], state: 'closed', end: { kind: 'crashed' } },
  ]);
  assert.ok(kinds(happened).includes('diverged'));
  assert.deepEqual(ended, { end: { kind: 'crashed' } });
});

test('a session whose recording does not tell its end ends as the gateway says', async () => {
  const end = { kind: 'recorderFailed' } as const;
  const { seen, ended } = await tail([{ lines: [line(0)], state: 'closed', end }]);
  assert.deepEqual([seen, ended], [[0], { end }]);
});

test('a login that ran out is said once, and waited for', async () => {
  const { seen, happened } = await tail([
    { lines: [line(0)], fails: expired() },
    { lines: [], fails: expired() },
    { lines: [line(0), CLOSED] },
  ]);
  assert.deepEqual(seen, [0, 9]);
  assert.deepEqual(kinds(happened), ['loginRequired', 'reconnected']);
});

const ENDINGS: readonly (readonly [name: string, streams: readonly Stream[], renewable: boolean, code: string])[] = [
  ['a token that no other can follow', [{ lines: [line(0)], fails: expired() }], false, 'TOKEN_REFUSED'],
  [
    'a revocation',
    [{ lines: [line(0)], fails: new HoopError('HOOP_REVOKED', 'x', { exit: 7 }) }],
    true,
    'HOOP_REVOKED',
  ],
  ['a gateway that was never there', [{ lines: [], fails: gone() }], true, 'GATEWAY_LOST'],
  ['a line that is no event', [{ lines: ['{"no":1}'] }], true, 'ANSWER_INVALID'],
];
for (const [name, streams, renewable, code] of ENDINGS) {
  test(`${name} ends it`, async () => {
    const { ended } = await tail([...streams], { renewable });
    assert.equal((ended as { error: HoopError }).error.code, code);
  });
}
