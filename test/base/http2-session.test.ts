import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { describe, test } from 'node:test';
import type { Clock } from '../../src/base/clock.ts';
import { keepSession } from '../../src/base/http2-session.ts';

describe('a session whose peer is silent', () => {
  test('ends after 20 seconds', () => {
    const { pass, session } = kept();
    pass(10_000);
    assert.equal(session.destroyed, false);
    pass(10_000);
    assert.equal(session.destroyed, true);
  });

  test('goes on for as long again after our own sleep: what the peer said meanwhile is still unread', () => {
    const { pass, session } = kept();
    pass(60_000);
    assert.equal(session.destroyed, false);
    pass(10_000);
    assert.equal(session.destroyed, false);
    pass(10_000);
    assert.equal(session.destroyed, true);
  });
});

/** A clock whose timers come late, all at once, as after a sleep. */
function kept() {
  let now = 0;
  let timer: { at: number; fn: () => void } | undefined;
  const clock = {
    monotonic: () => now,
    after(ms: number, fn: () => void) {
      timer = { at: now + ms, fn };
      return () => undefined;
    },
  } as Clock;
  const session = Object.assign(new EventEmitter(), {
    destroyed: false,
    setLocalWindowSize: () => undefined,
    ping: () => true,
    destroy() {
      session.destroyed = true;
    },
  });
  keepSession(session as unknown as ClientHttp2Session, clock);
  return {
    session,
    pass(ms: number) {
      now += ms;
      if (timer !== undefined && timer.at <= now) timer.fn();
    },
  };
}
