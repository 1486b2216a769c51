import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createRefusalWatch } from '../../../src/protocols/ssh/client-refusal.ts';

const DENIED = 'hoop: HOOP_DENIED: rule "no-rm": use the bin\n';
const HINT = 'hoop: hint: mv it to /tmp/bin\n';

describe("the gateway's last words", () => {
  for (const [what, text, message, hint] of [
    ['alone', DENIED, 'HOOP_DENIED: rule "no-rm": use the bin', undefined],
    ['with a hint', DENIED + HINT, 'HOOP_DENIED: rule "no-rm": use the bin', 'mv it to /tmp/bin'],
    [
      'with a hint in the same line',
      `${DENIED.trimEnd()} hint: mv it\n`,
      'HOOP_DENIED: rule "no-rm": use the bin',
      'mv it',
    ],
    ['after an earlier refusal', DENIED + DENIED + HINT, 'HOOP_DENIED: rule "no-rm": use the bin', 'mv it to /tmp/bin'],
    ['after other lines', `rm: no\nhoop\n${DENIED}`, 'HOOP_DENIED: rule "no-rm": use the bin', undefined],
  ] as const)
    test(`${what} are found however they are cut`, () => {
      for (const size of [1, 2, 3, 7, 1_000]) {
        const { passed, watch } = fed(text, size);
        const refusal = watch.refusal();
        assert.deepEqual([refusal?.message, refusal?.hint], [message, hint]);
        assert.equal(passed + String(watch.rest()), text, 'nothing is lost');
        assert.doesNotMatch(passed.slice(passed.lastIndexOf('hint')), /HOOP_DENIED.*\n$/);
      }
    });

  for (const [what, text] of [
    ['in the middle of a line', `he said: ${DENIED}`],
    ['before other lines', `${DENIED}${HINT}more\n`],
    ['of a hint alone', HINT],
    ['of no word', 'hoop: waiting for approval apr_1\n'],
    ['of another program', 'hoopla: HOOP_DENIED: x\n'],
    ['that begin in the middle of a line that came before', `x${DENIED}`],
  ] as const)
    test(`${what} are not the gateway's, and pass`, () => {
      for (const size of [1, 2, 5, 1_000]) {
        const { passed, watch } = fed(text, size);
        assert.equal(watch.refusal(), undefined);
        assert.equal(passed + String(watch.rest()), text);
      }
    });

  test('are not waited for in a line without end', () => {
    const watch = createRefusalWatch();
    const line = Buffer.from(`hoop: HOOP_DENIED: ${'x'.repeat(100_000)}`);
    assert.equal(watch.take(line).length, line.length);
  });

  test('hold up nothing else: what cannot be they passes at once', () => {
    const watch = createRefusalWatch();
    assert.equal(String(watch.take(Buffer.from('50%'))), '50%');
    assert.equal(String(watch.take(Buffer.from('\nhoo'))), '\n');
    assert.equal(String(watch.take(Buffer.from('ray\n'))), 'hooray\n');
  });
});

function fed(text: string, size: number) {
  const watch = createRefusalWatch();
  let passed = '';
  for (let at = 0; at < text.length; at += size) passed += String(watch.take(Buffer.from(text.slice(at, at + size))));
  return { passed, watch };
}
