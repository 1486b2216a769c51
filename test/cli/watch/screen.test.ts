/** The live list: what it shows at any size, and that no key of it decides anything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { displayWidth } from '../../../src/base/width.ts';
import type { Key } from '../../../src/cli/live/keys.ts';
import { renderRow, type Size } from '../../../src/cli/live/row.ts';
import { WatchScreen } from '../../../src/cli/watch/screen.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { approvalView, HOSTILE } from '../api.ts';

const key = (char: string): Key => ({ kind: 'char', char });

function watching(count: number, change: Parameters<typeof approvalView>[1] = {}) {
  const clock = new FakeClock();
  const screen = new WatchScreen(clock, 'https://gateway.example');
  const ends = (minutes: number) => new Date(clock.now() + minutes * 60_000).toISOString();
  for (let n = 1; n <= count; n++)
    screen.take(
      approvalView(`t${n}`, {
        id: `apr_${n}`,
        expiresAt: ends(10 + n),
        requestedAt: ends(-n),
        rule: 'no-deletes',
        ...change,
      }),
      true,
    );
  const lines = (size: Size = { columns: 80, rows: 23 }) => screen.rows(size).map((row) => renderRow(row, false));
  return { screen, lines, ends, selected: () => lines().find((line) => line.startsWith('▸')) ?? '' };
}

test('what ends first stands first and is selected', () => {
  const { lines, selected } = watching(3);
  assert.match(lines()[0] ?? '', /^approvals · 3 open, 3 yours to decide \(\*\) +connected$/);
  assert.match(selected(), / t1 .*DELETE FROM orders/);
});

test('before the gateway has said what waits, nothing is said about it', () => {
  const { screen, lines } = watching(0);
  screen.standing = { kind: 'coming' };
  assert.match(lines()[0] ?? '', /^approvals +connecting$/);
  assert.doesNotMatch(lines().join(''), /nothing waits|open/);
  screen.standing = { kind: 'live' };
  assert.match(lines().join(''), /0 open.*nothing waits/);
});

test('the selection stays on its request when others come before it', () => {
  const { screen, selected, ends } = watching(3);
  screen.key({ kind: 'down' });
  assert.match(selected(), /t2/);
  screen.take(approvalView('t0', { id: 'apr_0', expiresAt: ends(1) }));
  assert.match(selected(), /t2/);
});

for (const columns of [20, 40, 60, 80, 120, 200]) {
  for (const rows of [4, 10, 23, 60]) {
    test(`nothing is wider or higher than ${columns} by ${rows}, with any number of requests`, () => {
      for (const count of [0, 1, 30]) {
        const { screen, lines, ends } = watching(count, {
          text: HOSTILE.repeat(10),
          target: HOSTILE,
          requester: HOSTILE,
        });
        screen.take(approvalView(HOSTILE, { id: 'apr_x', state: 'denied', decidedBy: HOSTILE, decidedAt: ends(0) }));
        for (const look of ['list', 'details']) {
          if (look === 'details') screen.key({ kind: 'enter' });
          const shown = lines({ columns, rows });
          assert.ok(shown.length <= rows, `${shown.length} rows`);
          assert.deepEqual(
            shown.filter((line) => displayWidth(line) > columns),
            [],
          );
          assert.doesNotMatch(shown.join(''), /[\x00-\x1f\x7f-\x9f\u200b\u2028\u202e\u2066]/);
        }
      }
    });
  }
}

test('Enter and v show the whole of it and nothing else', () => {
  for (const look of [{ kind: 'enter' } as const, key('v')]) {
    const { screen, lines } = watching(1);
    assert.equal(screen.key(look), undefined);
    const shown = lines({ columns: 80, rows: 40 }).join('\n');
    assert.match(shown, /DELETE FROM orders t1/);
    assert.match(shown, /sha256/);
    assert.match(shown, /Esc goes back/);
    assert.equal(screen.key({ kind: 'enter' }), undefined);
    screen.key({ kind: 'escape' });
    assert.match(lines()[0] ?? '', /^approvals/);
  }
});

test('a and d name the request that is selected, in the list and in its details', () => {
  for (const look of [[], [{ kind: 'enter' } as const]]) {
    const { screen } = watching(2);
    screen.rows({ columns: 80, rows: 23 });
    screen.key({ kind: 'down' });
    for (const each of look) screen.key(each);
    const approve = screen.key(key('a'));
    assert.ok(approve?.kind === 'decide' && approve.word === 'approve' && approve.view.id === 'apr_2');
    const deny = screen.key(key('d'));
    assert.ok(deny?.kind === 'decide' && deny.word === 'deny' && deny.view.id === 'apr_2');
  }
});

test('what is not yours, over, or pasted begins nothing', () => {
  const { screen, lines } = watching(1, { mayDecide: false });
  lines();
  assert.equal(screen.key(key('a')), undefined);
  assert.match(lines().at(-1) ?? '', /not yours to decide/);
  const mine = watching(1);
  mine.lines();
  assert.equal(mine.screen.key({ kind: 'text', text: 'aaa' }), undefined);
  mine.screen.key({ kind: 'enter' });
  mine.screen.take(approvalView('t1', { id: 'apr_1', state: 'denied' }));
  assert.equal(mine.screen.key(key('a')), undefined);
  assert.match(mine.lines()[0] ?? '', /denied/);
});

test('what was decided moves below, with who decided it', () => {
  const { screen, lines, ends } = watching(2);
  screen.take(
    approvalView('t1', { id: 'apr_1', state: 'denied', decidedBy: 'riley@example.test', decidedAt: ends(0) }),
  );
  const shown = lines().join('\n');
  assert.match(shown, /1 open/);
  assert.match(shown, /LATELY[\s\S]*denied .*riley@example\.test .*t1/);
});

test('a list that is longer than the screen shows where the selection is', () => {
  const { screen, lines, selected } = watching(50);
  for (let n = 0; n < 30; n++) screen.key({ kind: 'down' });
  assert.match(selected(), /t31/);
  assert.match(lines().join('\n'), /of 50/);
  screen.key({ kind: 'end' });
  assert.match(selected(), /t50/);
});

test('a gateway that is away is said so, in words', () => {
  const { screen, lines } = watching(1);
  screen.standing = { kind: 'away', message: 'connection lost, trying again' };
  assert.match(lines()[0] ?? '', /connection lost, trying again$/);
});

test('q leaves the list, and only goes back from the details', () => {
  const { screen } = watching(1);
  screen.rows({ columns: 80, rows: 23 });
  screen.key({ kind: 'enter' });
  assert.equal(screen.key(key('q')), undefined);
  assert.deepEqual(screen.key(key('q')), { kind: 'leave' });
});
