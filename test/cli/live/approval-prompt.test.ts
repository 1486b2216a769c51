import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ApprovalView } from '../../../src/api/shapes.ts';
import type { Answer } from '../../../src/app/run-approvals.ts';
import { ApprovalPrompt, QUIET_MS } from '../../../src/cli/live/approval-prompt.ts';
import { type Key, readKeys } from '../../../src/cli/live/keys.ts';
import { renderRow } from '../../../src/cli/live/row.ts';
import { FakeClock, settled } from '../../fakes/clock.ts';
import { request } from './request.ts';

const LONG = Array.from({ length: 100 }, (_, i) => `-- line ${i}`).join('\n');

describe('what decides', () => {
  test('a approves what is shown', async () => {
    const { ask, type, answers } = prompt();
    await ask(request());
    type('a');
    assert.deepEqual(answers, [['apr_1', { decision: 'approve' }]]);
  });

  test('d asks for a reason, Enter then denies', async () => {
    const { ask, type, answers, shown } = prompt();
    await ask(request());
    type('d', 'n', 'o', ' ', 'a', 'x', '\x7f');
    assert.match(shown(), /^reason: no a_$/m);
    type('\r');
    assert.deepEqual(answers, [['apr_1', { decision: 'deny', reason: 'no a' }]]);
  });

  test('Escape goes back from the reason, and nothing is decided', async () => {
    const { ask, type, answers, shown } = prompt();
    await ask(request());
    type('d', 'n', '\x1b');
    assert.match(shown(), /a approve/);
    assert.deepEqual(answers, []);
  });

  test('a reason may be pasted; what a terminal would obey in it is shown escaped', async () => {
    const { ask, type, answers, shown } = prompt();
    await ask(request());
    type('d', 'wrong\u202e table\x9b2J');
    assert.match(shown(), /reason: wrong\\u\{202E\} table\\u\{9B\}2J_/);
    type('\r');
    assert.equal(answers.length, 1);
  });
});

describe('what does not decide', () => {
  test('Enter, and it says so', async () => {
    const { ask, type, answers, shown } = prompt();
    await ask(request());
    type('\r', '\n');
    assert.match(shown(), /Enter decides nothing/);
    assert.deepEqual(answers, []);
  });

  for (const chunk of ['aa', 'a\r', 'yes, a', 'A', ' ', '\x1ba', '\x1b[200~a\x1b[201~', 'а' /* Cyrillic */])
    test(`${JSON.stringify(chunk)}`, async () => {
      const { ask, type, answers } = prompt();
      await ask(request());
      type(chunk);
      assert.deepEqual(answers, []);
    });

  test('a key before the request is on the screen', async () => {
    const { view, type, answers, clock } = prompt();
    view.show([request()]);
    await clock.advance(10_000);
    type('a');
    assert.deepEqual(answers, []);
  });

  test('a key in the first moments, and each puts off when one counts', async () => {
    const { ask, type, answers, clock } = prompt();
    await ask(request(), 0);
    for (let i = 0; i < 10; i++) {
      await clock.advance(QUIET_MS - 1);
      type('a');
    }
    assert.deepEqual(answers, []);
    await clock.advance(QUIET_MS);
    type('a');
    assert.equal(answers.length, 1);
  });

  test('a key meant for another request that stood there before', async () => {
    const { ask, view, type, answers, clock } = prompt();
    await ask(request());
    view.show([request({ id: 'apr_2', digest: 'd2'.repeat(32) })]);
    view.seen(view.asks);
    type('a');
    await clock.advance(QUIET_MS - 1);
    assert.deepEqual(answers, []);
  });

  test('a key when the same request came back as another text', async () => {
    const { ask, view, type, answers } = prompt();
    await ask(request());
    view.show([request({ digest: 'd2'.repeat(32), text: 'DELETE FROM orders' })]);
    view.seen(view.asks);
    type('a');
    assert.deepEqual(answers, []);
  });

  test('what was drawn before the request became another', async () => {
    const { ask, view, type, answers, clock } = prompt();
    await ask(request());
    const before = view.asks;
    view.show([request({ id: 'apr_2' })]);
    view.seen(before);
    await clock.advance(10 * QUIET_MS);
    type('a');
    assert.deepEqual(answers, []);
  });

  test('a second key while the first answer is on its way', async () => {
    const { ask, type, answers } = prompt({ answer: () => new Promise(() => {}) });
    await ask(request());
    type('a', 'a', 'd', '\r');
    assert.equal(answers.length, 1);
  });

  test('a key after Ctrl-Z, until it was seen again for a moment', async () => {
    const { ask, view, type, answers, clock } = prompt();
    await ask(request());
    view.hide();
    type('a');
    view.seen(view.asks);
    type('a');
    assert.deepEqual(answers, []);
    await clock.advance(QUIET_MS);
    type('a');
    assert.equal(answers.length, 1);
  });

  test('a on a text that is cut, before it was read to its end', async () => {
    const { ask, type, answers, shown } = prompt();
    await ask(request({ text: LONG }));
    type('a');
    assert.match(shown(), /press v and read to its end first/);
    type('v', 'a', '\x1b[B', 'q', 'a');
    assert.deepEqual(answers, []);
    type('v', '\x1b[F');
    shown();
    type('q', 'a');
    assert.equal(answers.length, 1);
  });
});

describe('the whole text', () => {
  test('is scrolled by line, by page, to its ends, and left with q', async () => {
    const { ask, type, shown } = prompt();
    await ask(request({ text: LONG }));
    type('v');
    const at = () => /^(\d+–\d+) of (\d+) /m.exec(shown())?.slice(1).join(' ');
    assert.equal(at(), '1–21 111');
    type('\x1b[B');
    assert.equal(at(), '2–22 111');
    type(' ');
    assert.equal(at(), '23–43 111');
    type('\x1b[5~', '\x1b[5~', '\x1b[A');
    assert.equal(at(), '1–21 111');
    type('\x1b[F');
    assert.equal(at(), '91–111 111');
    assert.match(shown(), /-- line 99$/m);
    type('q');
    assert.match(shown(), /v the whole text/);
  });
});

describe('several requests', () => {
  test('are asked one after the other, counted', async () => {
    const { ask, view, shown } = prompt();
    const [one, two, three] = ['apr_1', 'apr_2', 'apr_3'].map((id) => request({ id }));
    await ask(one!, two!, three!);
    assert.match(shown(), /1 of 3 approvals asked of you apr_1/);
    view.show([two!, three!]);
    assert.match(shown(), /2 of 3 approvals asked of you apr_2/);
    view.show([three!]);
    assert.match(shown(), /3 of 3/);
    view.show([]);
    assert.equal(view.active, false);
    view.show([one!]);
    assert.match(shown(), /an approval is asked of you apr_1/);
  });

  test('one behind the shown one that goes away leaves the shown one as it is', async () => {
    const { ask, view, type, answers } = prompt();
    const one = request();
    await ask(one, request({ id: 'apr_2' }));
    view.show([one]);
    type('a');
    assert.equal(answers.length, 1);
  });
});

test('an answer that does not count brings the question back, and keys have to wait again', async () => {
  const { ask, view, type, answers, clock, shown } = prompt();
  await ask(request());
  type('a');
  await settled();
  type('a');
  assert.equal(answers.length, 1);
  view.seen(view.asks);
  await clock.advance(QUIET_MS);
  assert.match(shown(), /a approve/);
  type('a');
  assert.equal(answers.length, 2);
});

for (const [columns, rows] of [
  [80, 22],
  [200, 58],
  [20, 8],
  [5, 2],
] as const)
  test(`fits ${columns} columns and ${rows} rows in every state`, async () => {
    const { ask, view, type } = prompt();
    await ask(request({ text: LONG }));
    for (const key of ['', '\r', 'd', 'x'.repeat(200), '\x1b', 'v', ' ', 'q']) {
      if (key !== '') type(key);
      assert.ok(view.rows({ columns, rows }).length <= rows, JSON.stringify(key));
    }
  });

function prompt(more: { answer?: (shown: ApprovalView, answer: Answer) => Promise<void> } = {}) {
  const clock = new FakeClock();
  const answers: [string, Answer][] = [];
  const view = new ApprovalPrompt({
    clock,
    async answer(shown, answer) {
      answers.push([shown.id, JSON.parse(JSON.stringify(answer))]);
      await more.answer?.(shown, answer);
    },
    changed: () => undefined,
  });
  const shown = () =>
    view
      .rows({ columns: 80, rows: 22 })
      .map((row) => renderRow(row, false))
      .join('\n');
  return {
    view,
    clock,
    answers,
    shown,
    /** Shows them, and lets the first moments pass, or as many as are said. */
    async ask(...requests: (ApprovalView | number)[]) {
      view.show(requests.filter((each) => typeof each !== 'number'));
      shown();
      view.seen(view.asks);
      const ms = requests.find((each) => typeof each === 'number') ?? QUIET_MS;
      await clock.advance(ms);
    },
    /** Each as one read of the terminal; what it changes is drawn. */
    type(...chunks: string[]) {
      const press = (key: Key) => {
        view.key(key);
        shown();
      };
      for (const chunk of chunks) for (const key of readKeys(chunk).keys) press(key);
    },
  };
}
