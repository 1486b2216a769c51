/** `--exec`: what it is given, that nothing of a request is ever run, and that it holds nothing up. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createHook } from '../../../src/cli/watch/hook.ts';
import { until } from '../../fakes/until.ts';
import { approvalView, HOSTILE } from '../api.ts';

function place(t: TestContext, command: string) {
  const cwd = mkdtempSync(join(tmpdir(), 'hoopctl-hook-'));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  const errors: string[] = [];
  const { promise: failed, resolve } = Promise.withResolvers<void>();
  const onError = (message: string) => {
    errors.push(message);
    resolve();
  };
  const hook = createHook({ command, env: { PATH: process.env.PATH }, cwd, onError });
  t.after(() => hook.close());
  return { cwd, hook, errors, failed };
}

async function appears(path: string): Promise<void> {
  await until(`there is ${path}`, () => existsSync(path));
}

test('it gets the request as JSON on its input, and short facts as variables', async (t) => {
  const { cwd, hook, errors } = place(t, 'cat > got.tmp; env | grep ^HOOP_ | sort > vars; mv got.tmp got');
  hook.run(approvalView('plain', { requester: 'dana@example.test', target: 'shop', rule: 'no-deletes' }));
  await appears(join(cwd, 'got'));
  assert.equal(JSON.parse(readFileSync(join(cwd, 'got'), 'utf8')).text, 'DELETE FROM orders plain');
  assert.deepEqual(readFileSync(join(cwd, 'vars'), 'utf8').trimEnd().split('\n'), [
    'HOOP_APPROVAL_AGENT=plain',
    'HOOP_APPROVAL_EXPIRES_AT=2099-11-21T18:10:00.000Z',
    'HOOP_APPROVAL_ID=apr_1',
    'HOOP_APPROVAL_LINK=http://127.0.0.1/approvals/apr_1',
    'HOOP_APPROVAL_REQUESTER=dana@example.test',
    'HOOP_APPROVAL_RULE=no-deletes',
    'HOOP_APPROVAL_TARGET=shop',
    'HOOP_APPROVAL_YOURS=1',
  ]);
  assert.deepEqual(errors, []);
});

test('nothing of a request is run, and nothing of it drives a terminal', async (t) => {
  const evil = `$(touch owned) \`touch owned\`; touch owned # ' " && touch owned\n touch owned\0${HOSTILE}\\033[2J`;
  const { cwd, hook } = place(t, 'echo $HOOP_APPROVAL_TARGET > seen.tmp; cat > got; mv seen.tmp seen');
  hook.run(approvalView(evil, { id: evil, link: evil }));
  await appears(join(cwd, 'seen'));
  await hook.close();
  assert.deepEqual(readdirSync(cwd).sort(), ['got', 'seen']);
  for (const file of ['got', 'seen'])
    assert.doesNotMatch(readFileSync(join(cwd, file), 'utf8'), /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b]/);
});

test('one that fails is said to, with the last it said', async (t) => {
  const { hook, errors, failed } = place(t, 'echo first >&2; echo no such printer >&2; exit 3');
  hook.run(approvalView('plain'));
  await failed;
  assert.deepEqual(errors, ['--exec ended with 3 for apr_1: no such printer']);
});

test('one that reads nothing and says a lot is no trouble', async (t) => {
  const { cwd, hook, errors } = place(t, 'yes | head -c 300000; yes | head -c 300000 >&2; touch done');
  hook.run(approvalView('x'.repeat(1_000_000)));
  await appears(join(cwd, 'done'));
  assert.deepEqual(errors, []);
});

test('at most four run at a time, and the others wait', async (t) => {
  const { cwd, hook } = place(
    t,
    'touch ran-$HOOP_APPROVAL_ID; while [ ! -e go ]; do sleep 0.05; done; touch end-$HOOP_APPROVAL_ID',
  );
  for (let n = 1; n <= 6; n++) hook.run(approvalView('x', { id: `apr_${n}` }));
  // Whichever four they are; a fifth would get a moment to show itself.
  const ran = () => readdirSync(cwd).filter((name) => name.startsWith('ran')).length;
  await until('four of them run', () => ran() >= 4);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(ran(), 4);
  writeFileSync(join(cwd, 'go'), '');
  for (let n = 1; n <= 6; n++) await appears(join(cwd, `end-apr_${n}`));
});

test('too many that wait are not kept for ever: each that is dropped is named', (t) => {
  const { hook, errors } = place(t, 'sleep 5');
  for (let n = 1; n <= 105; n++) hook.run(approvalView('x', { id: `apr_${n}` }));
  assert.deepEqual(errors, ['--exec is behind by 100; it is not run for apr_105']);
});
