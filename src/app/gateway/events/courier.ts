/** Brings what waits in a queue to its receiver, for as long as it takes: one batch after another, with growing pauses while it is not taken. */
import { randomUUID } from 'node:crypto';
import { type Clock, wait } from '../../../base/clock.ts';
import type { EventQueue } from './queue.ts';
import type { Sink } from './sink.ts';

export interface Courier {
  readonly delivered: number;
  /** Events the receiver does not take, whoever asks. */
  readonly refused: number;
  /** Why nothing is delivered now. */
  readonly problem: string | undefined;
  stop(): Promise<void>;
}

export interface CourierParts {
  readonly queue: EventQueue;
  readonly sink: Sink;
  readonly clock: Clock;
  /** Of [0, 1): spreads the pauses of many gateways. */
  readonly random?: () => number;
  onProblem(problem: string | undefined): void;
  onRefused(line: string, why: string): void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;

export function startCourier({
  queue,
  sink,
  clock,
  random = Math.random,
  onProblem,
  onRefused,
}: CourierParts): Courier {
  const stopped = new AbortController();
  const { signal } = stopped;
  const count = { delivered: 0, refused: 0 };
  let problem: string | undefined;

  function told(now: string | undefined): void {
    if (now === problem) return;
    const changed = (now === undefined) !== (problem === undefined);
    problem = now;
    if (changed) onProblem(now);
  }

  async function carry(): Promise<void> {
    for (;;) {
      const batch = await queue.next();
      if (!batch || signal.aborted) return batch?.giveBack();
      try {
        await bring(batch.lines);
      } catch (error) {
        batch.giveBack();
        if (signal.aborted) return;
        throw error;
      }
      await batch.taken();
    }
  }

  /** Of lines of which one is not taken the halves are tried, until that one is alone. */
  async function bring(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const [line = '', another] = lines;
    const why = await taken(lines);
    if (why === undefined) count.delivered += lines.length;
    else if (another === undefined) {
      count.refused += 1;
      onRefused(line, why);
    } else {
      const half = Math.ceil(lines.length / 2);
      await bring(lines.slice(0, half));
      await bring(lines.slice(half));
    }
  }

  /** @returns why they never will be; undefined where they are */
  async function taken(lines: readonly string[]): Promise<string | undefined> {
    const id = randomUUID();
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const delivery = await sink.deliver(lines, id, signal);
      signal.throwIfAborted();
      told(delivery.kind === 'later' ? delivery.why : undefined);
      if (delivery.kind === 'delivered') return undefined;
      if (delivery.kind === 'refused') return delivery.why;
      await wait(clock, pause / 2 + (pause / 2) * random(), signal);
    }
  }

  const running = carry().catch((error: unknown) => told(error instanceof Error ? error.message : String(error)));
  return {
    get delivered() {
      return count.delivered;
    },
    get refused() {
      return count.refused;
    },
    get problem() {
      return problem;
    },
    async stop() {
      stopped.abort();
      await queue.close();
      await running;
      await sink.close();
    },
  };
}
