/** The relay does what a conversation says: one write for a chunk, nobody faster than the other side, and an end that is told and then made. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ByteChannel, ByteReader } from '../../src/base/channel.ts';
import type { SessionEnd } from '../../src/domain/end.ts';
import { mintPermit } from '../../src/domain/permit.ts';
import type { Conversation, Happening, Step } from '../../src/protocols/conversation.ts';
import { startRelay } from '../../src/protocols/relay.ts';
import { FakeClock, settled } from '../fakes/clock.ts';

/** A channel whose other end is the test. */
class FakeChannel implements ByteChannel {
  readonly writes: string[] = [];
  readonly calls: string[] = [];
  slow = false;
  #reader: ByteReader | undefined;
  #drained: (() => void)[] = [];
  readonly #gone = new AbortController();
  readonly gone = this.#gone.signal;

  read(reader: ByteReader): void {
    this.#reader = reader;
  }
  pause(): void {
    this.calls.push('pause');
  }
  resume(): void {
    this.calls.push('resume');
  }
  write(bytes: Uint8Array): boolean {
    this.writes.push(Buffer.from(bytes).toString());
    return !this.slow;
  }
  drained(): Promise<void> {
    return new Promise((resolve) => this.#drained.push(resolve));
  }
  end(): void {
    this.calls.push('end');
  }
  abort(): void {
    this.calls.push('abort');
    this.#gone.abort();
  }
  secure(): Promise<ByteChannel> {
    throw new Error('not here');
  }
  drain(): void {
    this.slow = false;
    for (const resolve of this.#drained.splice(0)) resolve();
  }
  say(text: string): void {
    this.#reader?.onBytes(Buffer.from(text));
  }
  hangUp(): void {
    this.#reader?.onEnd();
  }
}

type Script = (happening: Happening<string>) => readonly Step<string>[];

function stage(script: Script, judge: (work: string, gone: AbortSignal) => Promise<string> = async () => 'yes') {
  const client = new FakeChannel();
  const target = new FakeChannel();
  const clock = new FakeClock();
  const over = new AbortController();
  const happened: string[] = [];
  const ends: SessionEnd[] = [];
  const listeners = new Set<(paused: boolean) => void>();
  const paused = {
    now: false,
    onChange(listener: (paused: boolean) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const pause = (now: boolean) => {
    paused.now = now;
    for (const listener of listeners) listener(now);
  };
  const conversation: Conversation<string, string> = {
    take(happening) {
      happened.push(happening.kind === 'bytes' ? `${happening.from}: ${happening.chunk}` : happening.kind);
      return script(happening);
    },
  };
  const relay = startRelay<string, string>({
    ...{ client, target, clock, conversation },
    session: { signal: over.signal, paused, note: () => {}, end: (end) => void ends.push(end) },
    judge: (work, options) => judge(work, options.gone as AbortSignal),
    cancelTarget: async () => {
      happened.push('(cancel sent)');
    },
  });
  return { client, target, clock, over, relay, happened, ends, pause };
}

const send = (to: 'client' | 'target', text: string): Step<string> => ({ kind: 'send', to, bytes: Buffer.from(text) });

describe('a relay', () => {
  test('writes once for a chunk, however many steps it takes', async () => {
    const { client, target } = stage((happening) =>
      happening.kind === 'bytes'
        ? [send('client', 'a'), send('target', 'x'), send('client', 'b'), send('target', 'y')]
        : [],
    );
    await settled();
    client.say('hello');
    assert.deepEqual([client.writes, target.writes], [['ab'], ['xy']]);
  });

  test('stops reading one side while the other has not taken what was written', async () => {
    const { client, target } = stage((happening) => (happening.kind === 'bytes' ? [send('client', 'row')] : []));
    await settled();
    target.calls.length = 0;
    client.slow = true;
    target.say('row');
    assert.deepEqual(target.calls, ['pause']);
    client.drain();
    await settled();
    assert.deepEqual(target.calls, ['pause', 'resume']);
  });

  test('reads neither side while its session is paused, whatever else lets it go on', async () => {
    const { client, target, pause } = stage((happening) => (happening.kind === 'bytes' ? [send('client', 'row')] : []));
    await settled();
    client.slow = true;
    target.say('row');
    client.calls.length = 0;
    target.calls.length = 0;
    pause(true);
    client.drain();
    await settled();
    assert.deepEqual([client.calls, target.calls], [['pause'], []]);
    pause(false);
    assert.deepEqual([client.calls, target.calls], [['pause', 'resume'], ['resume']]);
  });

  test('lets no more of a result flow in a pause, though people have allowed it', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const permit = mintPermit({ commands: [], settle: () => {}, more: () => promise });
    const wanted = { reached: { rule: 'r', limit: 'rowsPerRun', allowed: 1 }, rows: 1, bytes: 1 } as const;
    const { target, pause, happened } = stage((happening) =>
      happening.kind === 'bytes' ? [{ kind: 'askMore', permit, index: 0, wanted }] : [],
    );
    await settled();
    target.say('rows');
    pause(true);
    resolve(undefined);
    await settled();
    assert.deepEqual(happened, ['target: rows']);
    pause(false);
    assert.deepEqual(happened, ['target: rows', 'more']);
  });

  test('hears the target out once its client is dismissed, paused or not', async () => {
    const { target, pause, over } = stage((happening) =>
      happening.kind === 'over' ? [{ kind: 'dismissClient', end: happening.end }] : [],
    );
    await settled();
    pause(true);
    target.calls.length = 0;
    over.abort({ kind: 'unwatched', rule: 'eyes', waitedMs: 1 } satisfies SessionEnd);
    assert.deepEqual(target.calls, ['resume']);
  });

  test('does not read a client on whose read-ahead is full, even when the target has drained', async () => {
    const steps: Step<string>[][] = [[{ kind: 'pauseClient' }, send('target', 'x')], [{ kind: 'resumeClient' }]];
    const { client, target } = stage((happening) => (happening.kind === 'bytes' ? (steps.shift() ?? []) : []));
    await settled();
    client.calls.length = 0;
    target.slow = true;
    client.say('much');
    assert.deepEqual(client.calls, ['pause']);
    target.drain();
    await settled();
    assert.deepEqual(client.calls, ['pause']);
    target.say('done');
    assert.deepEqual(client.calls, ['pause', 'resume']);
  });

  test('judges, comes back with the answer, and withdraws when nobody waits', async () => {
    let withdrawn = false;
    const judging = Promise.withResolvers<string>();
    const { client, happened } = stage(
      (happening) => {
        if (happening.kind !== 'bytes') return [];
        return happening.chunk.toString() === 'stop' ? [{ kind: 'withdraw' }] : [{ kind: 'judge', work: 'turn' }];
      },
      (_, gone) => {
        gone.addEventListener('abort', () => {
          withdrawn = true;
          judging.resolve('no');
        });
        return judging.promise;
      },
    );
    await settled();
    client.say('turn');
    client.say('stop');
    await settled();
    assert.equal(withdrawn, true);
    assert.deepEqual(happened, ['client: turn', 'client: stop', 'judged']);
  });

  test('ends the session when judging itself breaks, and forwards nothing', async () => {
    const { client, target, happened } = stage(
      (happening) =>
        happening.kind === 'bytes'
          ? [{ kind: 'judge', work: 'turn' }]
          : happening.kind === 'over'
            ? [{ kind: 'finish', end: happening.end }]
            : [],
      () => Promise.reject(new Error('a bug')),
    );
    await settled();
    client.say('turn');
    await settled();
    assert.deepEqual(happened, ['client: turn', 'over']);
    assert.deepEqual(target.writes, []);
  });

  test('tells what the conversation says at the end, and then makes the end, whoever does not read', async () => {
    const { client, target, clock, over, relay, ends } = stage((happening) =>
      happening.kind === 'over' ? [send('client', 'bye'), { kind: 'finish', end: happening.end }] : [],
    );
    await settled();
    over.abort({ kind: 'revoked' });
    assert.deepEqual(await relay.done, { kind: 'revoked' });
    assert.deepEqual(ends, [{ kind: 'revoked' }]);
    assert.deepEqual(client.writes, ['bye']);
    assert.ok(client.calls.includes('end') && target.calls.includes('end'));
    await clock.advance(1_000);
    assert.ok(client.calls.includes('abort') && target.calls.includes('abort'));
  });

  test('waits a moment for the fate of what was in flight, and no longer', async () => {
    const permit = mintPermit({ commands: [], settle: () => {} });
    for (const answers of [true, false]) {
      const dismissed: Step<string>[] = [{ kind: 'cancelTarget' }, { kind: 'dismissClient', end: { kind: 'revoked' } }];
      const settledNow: Step<string> = {
        kind: 'settle',
        permit,
        index: 0,
        outcome: { state: 'cancelled', durationMs: 0 },
      };
      const finish: Step<string> = { kind: 'finish', end: { kind: 'revoked' } };
      const { target, clock, over, relay } = stage((happening) => {
        if (happening.kind === 'bytes') return [settledNow, finish];
        if (happening.kind !== 'over') return [];
        return dismissed.length > 0 ? dismissed.splice(0) : [finish];
      });
      await settled();
      over.abort({ kind: 'revoked' });
      const fate = relay.cut();
      if (answers) target.say('cancelled');
      else await clock.advance(1_000);
      assert.equal(await fate, answers ? 'cancelled' : 'unknown');
    }
  });

  test('hears a side hang up', async () => {
    const { client, happened } = stage(() => []);
    await settled();
    client.hangUp();
    assert.deepEqual(happened, ['ended']);
  });
});
