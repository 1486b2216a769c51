/** Carries one permitted command out: starts it at the target, joins its streams with the client's, and settles its permit with what became of it. */
import { createHash } from 'node:crypto';
import type { ServerChannel } from 'ssh2';
import type { Clock } from '../../base/clock.ts';
import type { LimitReached, Meter, Permit } from '../../domain/permit.ts';
import type { OutcomeState } from '../../domain/recording.ts';
import type { Session } from '../../domain/session.ts';
import { createStreamMasker } from '../../mask/index.ts';
import { createOutlet, type Output, textOf } from './outlet.ts';
import { brakes, unpaused } from './paused.ts';
import type { Running, Terminal } from './upstream.ts';

export interface CarryParts {
  readonly client: ServerChannel;
  /** Aborted when the client is there no more. */
  readonly gone: AbortSignal;
  readonly running: Running;
  readonly session: Session;
  readonly permit: Permit;
  readonly clock: Clock;
  readonly fingerprint: (bytes: Uint8Array) => string;
  readonly below: { readonly full: boolean; drained(): Promise<void> };
  readonly stdin: Stdin;
  /** Files flow: their bytes are not kept. */
  readonly copies: boolean;
  readonly terminal?: Terminal | undefined;
  /** Looks at what is typed before it is passed on. */
  readonly typed?: (chunk: Buffer, pass: (bytes: Buffer) => void) => Promise<void>;
  /** Hears what the terminal shows. */
  readonly shown?: (chunk: Buffer) => void;
  say(text: string): void;
  /** What the client is told when the session is paused, and when it goes on. */
  readonly pauseWords?: (paused: boolean) => string;
}

export type Stdin =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'flow' };

export type Fate = 'cancelled' | 'completed' | 'unknown';

export interface Carried {
  /** Resolves when it is over, with the exit status or signal; undefined where the target did not say. */
  readonly done: Promise<number | string | undefined>;
  signal(name: string): void;
  resize(size: Terminal): void;
  /** Stops it at the target. @returns what became of it */
  cut(): Promise<Fate>;
}

/** How long a program may take to end after it was told to. */
const TERM_MS = 100;
const KILL_MS = 400;

export function carry(parts: CarryParts): Carried {
  const { client, running, session, permit, clock } = parts;
  const { channel: target, exit } = running;
  const [permitted] = permit.commands;
  const command = permitted?.id ?? '';
  const terminal = parts.terminal !== undefined;
  let cutting: Promise<Fate> | undefined;
  let limit: LimitReached | undefined;
  let inputBytes = 0;
  const inputHash = createHash('sha256');
  const plan = session.view().masks;
  const masks = plan.detectors;
  const masker = () => (masks.length === 0 ? undefined : createStreamMasker(masks, parts.fingerprint));
  const shadow = () =>
    plan.shadow.detectors.length === 0 ? undefined : createStreamMasker(plan.shadow.detectors, parts.fingerprint);
  const shadows = { stdout: shadow(), stderr: shadow() };
  const input = brakes(client);
  const results = brakes(target, target.stderr);
  /** What the client wants done, and has to wait. */
  const kept: { typed: Buffer[]; signals: string[]; size?: Terminal } = { typed: [], signals: [] };
  const outlet = createOutlet({
    ...{ channel: client, gone: parts.gone, below: parts.below, command, terminal, clock },
    meter: permitted?.meter ?? NO_METER,
    maskers: { stdout: masker(), stderr: masker() },
    unrecorded: parts.copies,
    note: (event) => session.note(event),
    onLimit(reached) {
      limit = reached;
      parts.say(`HOOP_LIMIT: rule "${reached.rule}": ${reached.limit} (${reached.allowed}) is reached`);
      void cut();
    },
    onFull(full) {
      full ? results.hold('full') : results.release('full');
    },
  });
  if (parts.terminal) recordSize(parts.terminal);
  if (terminal && masks.length > 0)
    session.note({
      type: 'notice',
      notice: 'mask.bestEffort',
      command,
      message: 'a terminal is masked as far as patterns are found',
    });

  const ended = joinOutputs();
  joinInput();
  const forgetPauses = session.paused?.onChange(onPause);
  if (session.paused?.now) onPause(true);
  const closed = new Promise<void>((resolve) => target.once('close', () => resolve()));
  client.on('error', () => {});
  const abandoned = () => {
    if (exit() === undefined) void cut();
    // A program that ended may have left another behind that holds the channel.
    else target.close();
  };
  parts.gone.addEventListener('abort', abandoned, { once: true });
  if (parts.gone.aborted) abandoned();
  const done = finish();

  function joinOutputs(): Promise<unknown> {
    const join = (of: Output, from: NodeJS.ReadableStream) =>
      new Promise<void>((resolve) => {
        from.on('data', (chunk: Buffer) => {
          // It is being stopped while nobody watches: what it still says reaches nobody.
          if (cutting && session.paused?.now) return;
          parts.shown?.(chunk);
          shadows[of]?.push(chunk);
          outlet.take(of, chunk);
        });
        const over = () => {
          shadows[of]?.end();
          outlet.end(of);
          resolve();
        };
        from.once('end', over);
        target.once('close', over);
      });
    return Promise.all([join('stdout', target), join('stderr', target.stderr)]);
  }

  function joinInput(): void {
    const { stdin } = parts;
    if (stdin.kind !== 'flow') {
      // What comes all the same goes nowhere.
      client.resume();
      if (stdin.kind === 'whole' && stdin.bytes.length > 0) pass(stdin.bytes);
      return void endInput();
    }
    let before: Promise<unknown> = Promise.resolve();
    client.on('data', (chunk: Buffer) => {
      const { typed } = parts;
      if (!typed) return pass(chunk);
      input.hold('looked at');
      before = before.then(async () => {
        await typed(chunk, pass);
        input.release('looked at');
      });
    });
    client.once('end', () => void before.then(endInput));
  }

  function pass(chunk: Buffer): void {
    if (session.paused?.now) return void kept.typed.push(chunk);
    recordInput(chunk);
    if (!target.writable || target.write(chunk)) return;
    input.hold('drain');
    target.once('drain', () => input.release('drain'));
  }

  async function endInput(): Promise<void> {
    if (session.paused?.now && !(await unpaused(session))) return;
    target.end();
  }

  /** Nobody watches who has to, or somebody does again. */
  function onPause(paused: boolean): void {
    outlet.pause(paused);
    const told = parts.pauseWords?.(paused);
    if (told !== undefined) outlet.say(told);
    if (paused) {
      input.hold('watch');
      return results.hold('watch');
    }
    for (const chunk of kept.typed.splice(0)) pass(chunk);
    for (const name of kept.signals.splice(0)) running.signal(name);
    if (kept.size) resize(kept.size);
    delete kept.size;
    results.release('watch');
    input.release('watch');
  }

  function recordInput(chunk: Buffer): void {
    // A terminal shows what is typed, but for what it hides: passwords.
    if (parts.copies || terminal) return;
    inputBytes += chunk.length;
    inputHash.update(chunk);
    if (inputBytes > INPUT_RECORDED) return;
    session.note({ type: 'stream', direction: 'in', of: 'stdin', command, ...textOf(chunk) });
  }

  function recordSize({ columns, rows }: Terminal): void {
    session.note({ type: 'stream', direction: 'in', of: 'terminal', command, data: '', size: { columns, rows } });
  }

  async function finish(): Promise<number | string | undefined> {
    await closed;
    await ended;
    await outlet.flushed();
    forgetPauses?.();
    const fate = cutting && (await cutting);
    const status = exit();
    noteWouldBe();
    if (inputBytes > INPUT_RECORDED)
      session.note({
        ...{ type: 'notice', notice: 'stdin.truncated', command, bytes: inputBytes },
        sha256: inputHash.digest('hex'),
      });
    permit.settle(
      0,
      {
        state: stateOf(status, fate, limit),
        bytes: outlet.bytes,
        ...(outlet.masked > 0 ? { maskedCells: outlet.masked } : {}),
        ...(status === undefined ? {} : { exit: status, tag: typeof status === 'number' ? `exit ${status}` : status }),
        ...(limit ? { code: 'HOOP_LIMIT' } : {}),
        durationMs: 0,
      },
      { sha256: outlet.digest() },
    );
    return status;
  }

  function noteWouldBe(): void {
    const rules = new Set([...(shadows.stdout?.rules.keys() ?? []), ...(shadows.stderr?.rules.keys() ?? [])]);
    if (rules.size > 0) session.note({ type: 'notice', notice: 'wouldBe', kind: 'mask', command, rules: [...rules] });
  }

  function cut(): Promise<Fate> {
    cutting ??= stop();
    return cutting;
  }

  async function stop(): Promise<Fate> {
    if (exit() !== undefined) return 'completed';
    // What it still says is dropped or waits for nobody: its end is heard all the same.
    results.release('watch');
    // OpenSSH passes signals on since 7.9. One that does not hears that its channel is closed.
    running.signal('TERM');
    await Promise.race([closed, after(TERM_MS)]);
    if (exit() === undefined) running.signal('KILL');
    target.close();
    await Promise.race([closed, after(KILL_MS)]);
    const status = exit();
    return status === undefined ? 'unknown' : typeof status === 'string' ? 'cancelled' : 'completed';
  }

  function resize(size: Terminal): void {
    recordSize(size);
    target.setWindow(size.rows, size.columns, size.height, size.width);
  }

  function after(ms: number): Promise<void> {
    return new Promise((resolve) => clock.after(ms, resolve));
  }

  return {
    done,
    signal(name) {
      if (!session.paused?.now) running.signal(name);
      else if (kept.signals.length < SIGNALS_KEPT) kept.signals.push(name);
    },
    resize(size) {
      if (session.paused?.now) kept.size = size;
      else resize(size);
    },
    cut,
  };
}

const SIGNALS_KEPT = 16;

const INPUT_RECORDED = 10 * 1024 * 1024;

const NO_METER: Meter = {
  take: () => undefined,
  reached: () => undefined,
  count: () => undefined,
  rowsLeft: Infinity,
  bytesLeft: Infinity,
};

function stateOf(exit: unknown, fate: Fate | undefined, limit: LimitReached | undefined): OutcomeState {
  if (limit !== undefined || fate === 'cancelled') return 'cancelled';
  if (exit !== undefined) return 'completed';
  return 'unknown';
}
