/**
 * Sends what happens out of the gateway while it happens: recorded lines become events, each receiver has a queue of its own on disk, and whoever is on
 * the way of a command only hands over bytes that are written already.
 *
 * Nothing is lost by a crash: when one was, the recordings are read again from a while before it, and what was queued twice has the same `uid`.
 */
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cancel, Clock } from '../../../base/clock.ts';
import type { Token } from '../../../base/secret.ts';
import type { ConfiguredSink } from '../../../config/index.ts';
import type { SecretRef } from '../../../domain/protocol.ts';
import type { RevocationRow } from '../../../domain/store.ts';
import { type Courier, startCourier } from './courier.ts';
import { createFileSink } from './file.ts';
import { ocsfOfGap, ocsfOfRevocation, type Product } from './ocsf.ts';
import { type EventQueue, openQueue } from './queue.ts';
import type { QueueDisk } from './segments.ts';
import type { Sink } from './sink.ts';
import { createSyslogSink } from './syslog.ts';
import { createTelling, jsonOfEvent } from './telling.ts';
import { createWebhookSink } from './webhook.ts';

export interface EventStreamParts {
  readonly sinks: readonly ConfiguredSink[];
  /** Queues lie below it. */
  readonly dir: string;
  readonly clock: Clock;
  readonly product: Product;
  readonly log: {
    warn(about: Readonly<Record<string, unknown>>, message: string): void;
    info(about: Readonly<Record<string, unknown>>, message: string): void;
  };
  secret(ref: SecretRef): Promise<Token>;
  /** Other than a gateway has, for tests. */
  readonly disk?: QueueDisk;
}

export interface SinkState {
  readonly sink: string;
  readonly queued: number;
  readonly delivered: number;
  /** The queue was full, or damaged. */
  readonly dropped: number;
  /** The receiver does not take them. */
  readonly refused: number;
  readonly problem: string | undefined;
}

export interface EventStream {
  /** What was written into a session's recording; undefined when no more comes. On the way of commands: takes it and returns. */
  take(session: string, lines: Buffer | undefined): void;
  revocation(row: RevocationRow, what: 'made' | 'lifted'): void;
  /** From when on what was recorded may not have been queued, epoch ms; undefined when the last life ended in order. */
  readonly since: number | undefined;
  /** Lines of a recording that were written before this gateway started, from `since` on. */
  again(session: string, lines: AsyncIterable<string>): Promise<void>;
  /** All of it was read. Before that, the next start after a crash begins at `since` again. */
  caughtUp(): Promise<void>;
  readonly state: readonly SinkState[];
  /** Queues what is left, tries for a moment to deliver it, and writes down that nothing is missing. */
  stop(): Promise<void>;
}

/** How long what was taken waits to be made into events. */
const GATHER_MS = 20;
/** What waits for that in memory. */
const MOST_BYTES = 16 * 1024 * 1024;
/** Pieces that are told before others are served. */
const AT_ONCE = 50;
/** How much earlier than what was surely queued is read again: clocks are set, and disks are late. */
const SLACK_MS = 60_000;
const MARK_EVERY_MS = 1_000;
const FAREWELL_MS = 2_000;

interface Receiver {
  readonly name: string;
  readonly queue: EventQueue;
  readonly courier: Courier;
}

/** @throws when a queue's folder cannot be read or written at the start */
export async function startEventStream(parts: EventStreamParts): Promise<EventStream> {
  const { dir, clock, product, log } = parts;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const since = readMark(join(dir, 'queued'));
  let behind = since === undefined ? undefined : since + SLACK_MS;
  const receivers: Receiver[] = [];
  for (const sink of parts.sinks) receivers.push(await receiver(parts, sink));
  const telling = createTelling(product);
  const pieces: { readonly session: string; readonly lines: Buffer | undefined }[] = [];
  let bytes = 0;
  let lost = 0;
  let cancel: Cancel | undefined;
  let running: Promise<void> = Promise.resolve();
  let markedAt = 0;
  let stopped = false;

  function put(lines: readonly string[]): void {
    for (const { queue } of receivers) queue.put(lines);
  }

  async function flushAll(): Promise<void> {
    await Promise.all(receivers.map(({ queue }) => queue.flush()));
  }

  function arm(): void {
    if (!stopped) cancel ??= clock.after(GATHER_MS, () => void drain());
  }

  function drain(): Promise<void> {
    cancel?.();
    cancel = undefined;
    running = running.then(tell).catch((error: unknown) => log.warn({ err: error }, 'events could not be told'));
    return running;
  }

  async function tell(): Promise<void> {
    while (pieces.length > 0) {
      for (const { session, lines } of pieces.splice(0, AT_ONCE)) {
        if (lines === undefined) {
          telling.forget(session);
          continue;
        }
        bytes -= lines.length;
        put(telling.of(session, lines));
      }
      // Whoever waits meanwhile is served.
      await new Promise(setImmediate);
    }
    if (lost > 0) {
      log.warn(
        { lines: lost },
        'more was recorded at once than can be sent: recorded lines are missing among the events',
      );
      put([jsonOfEvent(ocsfOfGap(lost, '*', `${product.gateway}:gap:${clock.now()}`, clock.now(), product))]);
      lost = 0;
    }
    if (clock.now() - markedAt >= MARK_EVERY_MS) await mark('running');
  }

  /** What was recorded before this moment is in the queues, on disk. */
  async function mark(state: 'running' | 'stopped'): Promise<void> {
    const at = clock.now();
    markedAt = at;
    await flushAll();
    // While a disk cannot be written, what is in memory is not safe.
    if (receivers.some(({ queue }) => queue.state.problem !== undefined)) return;
    try {
      await writeFile(
        join(dir, 'queued.new'),
        JSON.stringify({ at: behind ?? at, state: behind === undefined ? state : 'running' }),
        { mode: 0o600 },
      );
      await rename(join(dir, 'queued.new'), join(dir, 'queued'));
    } catch (error) {
      log.warn(
        { err: error },
        'it could not be written down which events are queued; after a crash some are sent twice',
      );
    }
  }

  // From here on this life may end in a crash.
  await mark('running');

  return {
    take(session, lines) {
      if (stopped) return;
      if (lines !== undefined && bytes + lines.length > MOST_BYTES) {
        lost += 1;
        return;
      }
      bytes += lines?.length ?? 0;
      pieces.push({ session, lines });
      arm();
    },
    revocation: (row, what) => put([jsonOfEvent(ocsfOfRevocation(row, what, product))]),
    since,
    async again(session, lines) {
      const own = createTelling(product);
      let queued = 0;
      for await (const line of lines) {
        const events = own.of(session, [line], since);
        put(events);
        queued += events.length;
        // Memory holds little, and nobody is in a hurry here.
        if (queued < AT_ONCE * 10) continue;
        await flushAll();
        queued = 0;
      }
    },
    async caughtUp() {
      behind = undefined;
      await drain();
      await mark('running');
    },
    get state() {
      return receivers.map(({ name, queue, courier }) => ({
        sink: name,
        queued: queue.state.queued,
        delivered: courier.delivered,
        dropped: queue.state.dropped,
        refused: courier.refused,
        problem: courier.problem ?? queue.state.problem,
      }));
    },
    async stop() {
      if (stopped) return;
      await drain();
      stopped = true;
      await mark('stopped');
      await Promise.all(receivers.map((one) => farewell(one, clock)));
    },
  };
}

async function farewell({ queue, courier }: Receiver, clock: Clock): Promise<void> {
  if (courier.problem === undefined && queue.state.queued > 0) {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(FAREWELL_MS, resolve);
    await Promise.race([late, queue.drained()]);
    cancel();
  }
  await courier.stop();
}

async function receiver(parts: EventStreamParts, sink: ConfiguredSink): Promise<Receiver> {
  const { clock, log, product, disk } = parts;
  const { name } = sink;
  const queue = await openQueue({
    dir: join(parts.dir, name),
    limit: sink.queue,
    clock,
    gap(dropped, uid) {
      log.warn({ sink: name, dropped }, 'events were dropped: more waited than the queue holds');
      return jsonOfEvent(ocsfOfGap(dropped, name, uid, clock.now(), product));
    },
    onProblem: (problem) =>
      problem === undefined
        ? log.info({ sink: name }, 'the queue of events is written again')
        : log.warn({ sink: name, problem }, 'the queue of events cannot be written; what fits waits in memory'),
    ...(disk === undefined ? {} : { disk }),
  });
  const courier = startCourier({
    queue,
    sink: sinkOf(parts, sink),
    clock,
    onProblem: (problem) =>
      problem === undefined
        ? log.info({ sink: name }, 'events are delivered again')
        : log.warn({ sink: name, problem }, 'events are not delivered; they wait'),
    onRefused: (line, why) => log.warn({ sink: name, why, uid: uidOf(line) }, 'the receiver does not take this event'),
  });
  return { name, queue, courier };
}

function sinkOf({ clock, secret }: EventStreamParts, sink: ConfiguredSink): Sink {
  switch (sink.kind) {
    case 'webhook':
      return createWebhookSink({ sink, clock, secret });
    case 'syslog':
      return createSyslogSink({ sink, clock, secret });
    case 'file':
      return createFileSink({ sink });
  }
}

function uidOf(line: string): string | undefined {
  return (JSON.parse(line) as { metadata?: { uid?: string } }).metadata?.uid;
}

/** @returns undefined where nothing is missing: a first start, or one after an end in order */
function readMark(path: string): number | undefined {
  try {
    const { at, state } = JSON.parse(readFileSync(path, 'utf8')) as { at?: unknown; state?: unknown };
    return state === 'running' && typeof at === 'number' ? at - SLACK_MS : undefined;
  } catch {
    return undefined;
  }
}
