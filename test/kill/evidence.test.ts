import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench, intent, opened, outcome } from '../record/workbench.ts';
import { checkSession, readServerLog } from './evidence.ts';

const LOG = `
2026 LOG:  ready
41 hoopctl ses_a LOG:  statement: SELECT 'mark-1-1-'
41 hoopctl ses_a LOG:  execute <unnamed>: SELECT $1::text
41 hoopctl ses_a DETAIL:  parameters: $1 = 'mark-1-2-'
42 psql LOG:  statement: SELECT 'mark-9-9-'
`;

test("what a session ran is read from the server's log, parameters and all", () => {
  const ran = readServerLog(LOG);
  assert.deepEqual([...ran.keys()], ['ses_a']);
  assert.deepEqual([...(ran.get('ses_a')?.marks ?? [])], ['mark-1-1-', 'mark-1-2-']);
  assert.deepEqual(ran.get('ses_a')?.statements, ["SELECT 'mark-1-1-'", 'SELECT $1::text']);
});

test('what ran and is not recorded is found, and so is a session without a recording', async () => {
  using at = bench();
  const recordings = await at.start();
  const recorder = await recordings.open(opened('ses_a'));
  await recorder.append(intent('c1', "SELECT 'mark-1-1-'"), 'intent');
  recorder.append([outcome('c1')], 'note');
  await recorder.finish({ kind: 'closed' });
  await recordings.close();
  const { trusted } = recordings.publicKey;
  const ran = (marks: string[], statements: string[]) => ({ marks: new Set(marks), statements });

  const good = await checkSession('ses_a', ran(['mark-1-1-'], ["SELECT 'mark-1-1-'"]), at.recordings, trusted);
  assert.deepEqual(good, { problems: [], grade: 'complete', notSent: 0, openEnded: 0, encrypted: false });
  const bad = await checkSession(
    'ses_a',
    ran(['mark-1-1-', 'mark-1-2-'], ['DROP TABLE notes']),
    at.recordings,
    trusted,
  );
  assert.equal(bad.problems.length, 2);
  const none = await checkSession('ses_b', ran(['mark-2-1-'], []), at.recordings, trusted);
  assert.deepEqual(none.problems, ['ses_b: no recording']);
});
