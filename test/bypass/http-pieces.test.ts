/** A credential and masked values, told in pieces over messages, frames and pauses. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NO_MASK } from '../../src/domain/mask.ts';
import { createLeakSearch } from '../../src/protocols/http/leak.ts';
import { createMessageFlow, type MessageFlow } from '../../src/protocols/http/websocket-flow.ts';
import { withhold } from '../../src/protocols/http/withheld.ts';

const CREDENTIAL = 'sk-live-4b1f9c0de2a87755';
const fingerprint = (value: Uint8Array) => `h${value.length}`;
const search = () => createLeakSearch([CREDENTIAL]);

describe('a credential told a few bytes at a time, with a pause behind each', () => {
  for (const size of [1, 2, 3, 5, 7])
    test(`${size} at a time`, () => {
      const withheld = withhold(search());
      let passed = '';
      for (let at = 0; at < CREDENTIAL.length; at += size) {
        const part = withheld.push(Buffer.from(CREDENTIAL.slice(at, at + size)));
        if (part === 'leak') break;
        passed += part.toString() + withheld.idle().toString();
      }
      assert.ok(passed.length < 8, passed);
    });

  test('nobody finds it out by having their own words returned, a character longer each time', () => {
    const isHeld = (guess: string) => {
      const given = withhold(search()).push(Buffer.from(`you said ${guess}`));
      return given === 'leak' ? 'ended' : given.length < 9 + guess.length ? 'held' : 'passed';
    };
    const right = Array.from(CREDENTIAL, (_, at) => isHeld(CREDENTIAL.slice(0, at + 1)));
    assert.deepEqual(right.slice(11), Array(CREDENTIAL.length - 11).fill('ended'));
  });

  test('words that only begin like one are not kept for ever', () => {
    const withheld = withhold(search());
    const given = withheld.push(Buffer.from('keys begin with sk-live'));
    assert.equal(`${given}${withheld.idle()}`, 'keys begin with sk-live');
  });
});

describe('a credential over the messages of a WebSocket', () => {
  const detectors = [{ rule: 'mail', detect: ['email'], with: 'redact', strict: false }] as const;
  const plans = [NO_MASK, { ...NO_MASK, detectors }];

  /** What passes before it is stopped. */
  function passed(flow: MessageFlow, pieces: readonly string[], aside: boolean): string {
    let text = '';
    for (const piece of pieces) {
      const bytes = Buffer.from(piece);
      const flowing = aside ? flow.aside(bytes) : flow.push({ type: 'text', bytes, first: true, last: true });
      if (flowing === 'leak' || 'kind' in flowing) return text;
      text += Buffer.isBuffer(flowing) ? flowing : Buffer.concat(flowing.map((one) => one.bytes));
    }
    return text;
  }

  for (const [at, plan] of plans.entries())
    for (const aside of [false, true])
      for (const size of [1, 3, 8, 11])
        test(`${size} bytes in each ${aside ? 'ping' : 'message'}, ${at === 0 ? 'without masks' : 'under a mask'}`, () => {
          const flow = createMessageFlow({ direction: 'response', plan, fingerprint, search });
          const pieces = CREDENTIAL.match(new RegExp(`.{1,${size}}`, 'g')) ?? [];
          const text = passed(flow, pieces, aside);
          assert.ok(text.length < 12, text);
        });
});
