/**
 * Runs a conversation between two channels: does what its steps say, with backpressure both ways and one write for each chunk. Knows no protocol.
 *
 * Whoever is slower is waited for: while a peer has not taken what was written to it, nothing is read from the other.
 */
import type { ByteChannel } from '../base/channel.ts';
import type { Clock } from '../base/clock.ts';
import type { Eventual } from '../base/eventual.ts';
import { exhaustive } from '../base/exhaustive.ts';
import type { SessionEnd } from '../domain/end.ts';
import type { OutcomeState } from '../domain/recording.ts';
import type { HoldNotice, Refusal, Session, SubmitOptions } from '../domain/session.ts';
import type { Conversation, Happening, Side, Step } from './conversation.ts';

export interface RelayParts<Work, Answer> {
  readonly client: ByteChannel;
  readonly target: ByteChannel;
  readonly session: Pick<Session, 'signal' | 'note' | 'end' | 'paused'>;
  readonly conversation: Conversation<Work, Answer>;
  readonly clock: Clock;
  /** Reads a turn, submits it, and gives what came of it: at once, where nothing has to be waited for. Rejects or throws only when we are wrong. */
  judge(work: Work, options: SubmitOptions): Eventual<Answer>;
  /** Asks the target, on a connection of its own, to stop what runs. Resolves when that has arrived there; never rejects. */
  cancelTarget(): Promise<void>;
  /** What arrived before the relay began, and whether that was all. */
  readonly early?: { readonly [S in Side]?: { readonly rest: Buffer; readonly ended: boolean } };
}

export type Fate = 'cancelled' | 'completed' | 'unknown';

export interface Relay {
  /** The client asked, on another road, to call off what is under way. */
  cancel(): void;
  /** Ends the session, and says what became of the statement in flight at the target. */
  cut(): Promise<Fate>;
  /** Resolves when the conversation is over; the channels close by themselves. */
  readonly done: Promise<SessionEnd>;
}

/** How long the target may take to say what became of a statement whose session is over, ms. */
const FATE = 800;

/** How long a peer may take to read the end of what it was sent, ms: long where nobody cut it short, and hardly at all where someone did. */
const IMPOSED = 300;
const LINGER: Readonly<Partial<Record<SessionEnd['kind'], number>>> = {
  closed: 60_000,
  targetGone: 60_000,
  protocolError: 2_000,
  clientGone: 2_000,
};

export function startRelay<Work, Answer>(parts: RelayParts<Work, Answer>): Relay {
  const { client, target, session, conversation } = parts;
  const channels: Readonly<Record<Side, ByteChannel>> = { client, target };
  const holds: Readonly<Record<Side, Set<string>>> = { client: new Set(), target: new Set() };
  const out: Readonly<Record<Side, Buffer[]>> = { client: [], target: [] };
  /** What happened while something else was attended to: one thing after the other. */
  const queue: Happening<Answer>[] = [];
  /** What came of people's answers while the session was paused. */
  const afterPause: (() => void)[] = [];
  let busy = false;
  let waiting: Waiting | undefined;
  let over = false;
  let clientLeft = false;
  let stopWaiting = () => {};
  let fate: Fate = 'unknown';
  let resolveDone: (end: SessionEnd) => void = () => {};
  const done = new Promise<SessionEnd>((resolve) => {
    resolveDone = resolve;
  });

  function happen(happening: Happening<Answer>): void {
    if (over) return;
    if (busy) return void queue.push(happening);
    busy = true;
    try {
      for (let next: Happening<Answer> | undefined = happening; next && !over; next = queue.shift())
        perform(conversation.take(next));
      flush();
    } finally {
      busy = false;
    }
  }

  function perform(steps: readonly Step<Work>[]): void {
    let dismissed: SessionEnd | undefined;
    let end: SessionEnd | undefined;
    for (const step of steps) {
      switch (step.kind) {
        case 'send':
          out[step.to].push(step.bytes);
          break;
        case 'judge':
          judge(step.work);
          break;
        case 'askMore':
          askMore(step);
          break;
        case 'withdraw':
          waiting?.withdraw();
          break;
        case 'settle':
          if (clientLeft) fate = FATES[step.outcome.state] ?? fate;
          step.permit.settle(step.index, step.outcome, step.result);
          break;
        case 'cancelTarget':
          parts.cancelTarget().then(() => happen({ kind: 'cancelled' }));
          break;
        case 'pauseClient':
          hold('client', 'ahead');
          break;
        case 'resumeClient':
          release('client', 'ahead');
          break;
        case 'note':
          session.note(step.event);
          break;
        case 'dismissClient':
          dismissed = step.end;
          break;
        case 'finish':
          end = step.end;
          break;
        default:
          exhaustive(step);
      }
    }
    if (!dismissed && !end) return;
    flush();
    if (dismissed) dismiss(dismissed);
    if (end) finish(end);
  }

  /** One write for all that one chunk led to. */
  function flush(): void {
    write('target');
    write('client');
  }

  /** The target gets a moment to say what became of the statement in flight. */
  function dismiss(end: SessionEnd): void {
    if (clientLeft) return;
    clientLeft = true;
    // Nothing it says is passed on any more: it is only heard out.
    forgetPauses?.();
    release('target', 'watch');
    leave(client, patienceOf(end));
    stopWaiting = parts.clock.after(FATE, () => happen({ kind: 'over', end }));
  }

  function judge(work: Work): void {
    const asked = new Waiting((held) => happen({ kind: 'held', held }));
    waiting = asked;
    try {
      const answer = parts.judge(work, asked);
      if (answer instanceof Promise) answer.then(judged, failed);
      else judged(answer);
    } catch (error) {
      failed(error);
    }
  }

  function judged(answer: Answer): void {
    waiting = undefined;
    happen({ kind: 'judged', answer });
  }

  /** While people think, the target is not read: what it still sends waits there. */
  function askMore({ permit, index, wanted }: Extract<Step<Work>, { kind: 'askMore' }>): void {
    hold('target', 'limit');
    const asked = new Waiting((held) => happen({ kind: 'held', held }));
    waiting = asked;
    const answer = permit.more?.(index, wanted, asked) ?? Promise.reject(new Error('the permit cannot be extended'));
    const answered = (refusal: Refusal | undefined) => {
      // What was held back already does not flow in a pause either.
      if (session.paused?.now) return void afterPause.push(() => answered(refusal));
      waiting = undefined;
      happen({ kind: 'more', refusal });
      release('target', 'limit');
    };
    answer.then(answered, failed);
  }

  /** Ours to mend: the session ends, and what was not judged was not forwarded. */
  function failed(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    session.note({ type: 'notice', notice: 'internal', message });
    happen({ kind: 'over', end: { kind: 'unconfirmed' } });
  }

  function write(side: Side): void {
    const pieces = out[side];
    if (pieces.length === 0) return;
    const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    pieces.length = 0;
    const channel = channels[side];
    if (channel.write(bytes)) return;
    const other: Side = side === 'client' ? 'target' : 'client';
    hold(other, 'drain');
    channel.drained().then(() => release(other, 'drain'));
  }

  function hold(side: Side, why: string): void {
    if (holds[side].size === 0) channels[side].pause();
    holds[side].add(why);
  }

  function release(side: Side, why: string): void {
    if (!holds[side].delete(why) || holds[side].size > 0 || over) return;
    channels[side].resume();
  }

  function finish(end: SessionEnd): void {
    over = true;
    forgetPauses?.();
    waiting?.withdraw();
    session.signal.removeEventListener('abort', onSignal);
    stopWaiting();
    if (!clientLeft) leave(client, patienceOf(end));
    leave(target, patienceOf(end));
    session.end(end);
    resolveDone(end);
  }

  /** What was written may still get through, for a while; what comes is not read any more. */
  function leave(channel: ByteChannel, patience: number): void {
    channel.read({ onBytes: () => {}, onEnd: () => {} });
    channel.resume();
    channel.end();
    const cancel = parts.clock.after(patience, () => channel.abort(new Error('the session is over')));
    channel.gone.addEventListener('abort', cancel, { once: true });
  }

  /** Nobody watches who has to: what the peers send waits with them. */
  function pauseBoth(paused: boolean): void {
    for (const side of ['client', 'target'] as const) paused ? hold(side, 'watch') : release(side, 'watch');
    if (!paused) for (const task of afterPause.splice(0)) task();
  }

  const onSignal = () => happen({ kind: 'over', end: session.signal.reason as SessionEnd });

  for (const side of ['client', 'target'] as const) {
    const channel = channels[side];
    channel.gone.addEventListener('abort', () => happen({ kind: 'ended', side }), { once: true });
    channel.read({
      onBytes: (chunk) => happen({ kind: 'bytes', from: side, chunk }),
      onEnd: () => happen({ kind: 'ended', side }),
    });
  }
  session.signal.addEventListener('abort', onSignal, { once: true });
  const forgetPauses = session.paused?.onChange(pauseBoth);
  if (session.paused?.now) pauseBoth(true);
  // What came early is told in a task of its own: the caller has not seen the relay yet.
  queueMicrotask(() => {
    for (const side of ['target', 'client'] as const) {
      const early = parts.early?.[side];
      if (early && early.rest.length > 0) happen({ kind: 'bytes', from: side, chunk: early.rest });
      if (early?.ended) happen({ kind: 'ended', side });
    }
    if (session.signal.aborted) onSignal();
    for (const side of ['client', 'target'] as const) {
      if (channels[side].gone.aborted) happen({ kind: 'ended', side });
      else if (holds[side].size === 0) channels[side].resume();
    }
  });
  return {
    cancel: () => happen({ kind: 'cancel' }),
    async cut() {
      if (!clientLeft)
        happen({ kind: 'over', end: (session.signal.reason as SessionEnd | undefined) ?? { kind: 'closed' } });
      await done;
      return fate;
    },
    done,
  };
}

/** What the judge is handed. A signal is costly and hardly ever looked at: it is made when it is. */
class Waiting implements SubmitOptions {
  readonly moderation = 'pauses';
  readonly onHold: (held: HoldNotice) => void;
  #gone: AbortController | undefined;

  constructor(onHold: (held: HoldNotice) => void) {
    this.onHold = onHold;
  }

  get gone(): AbortSignal {
    this.#gone ??= new AbortController();
    return this.#gone.signal;
  }

  withdraw(): void {
    this.#gone ??= new AbortController();
    this.#gone.abort();
  }
}

/** What did not run, because something before it ended, says nothing of what was in flight. */
const FATES: Readonly<Partial<Record<OutcomeState, Fate>>> = {
  completed: 'completed',
  failed: 'completed',
  cancelled: 'cancelled',
};

function patienceOf(end: SessionEnd): number {
  return LINGER[end.kind] ?? IMPOSED;
}
