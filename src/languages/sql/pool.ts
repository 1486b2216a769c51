/**
 * Worker threads that read texts. Each has one text at a time and a hard limit on it: one that is late, dies or says that its parser broke is thrown away and
 * replaced; others go on meanwhile. After some thousand texts a thread is replaced in any case.
 *
 * The limit is on processor time, looked at when that much wall time has passed: on a machine that is merely busy, honest texts are not refused.
 */
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { entryUrl } from '../../base/entry.ts';
import type { Analysis, NotRead, SqlBasis } from './analysis.ts';
import type { FromWorker, ToWorker } from './worker.ts';

export interface PoolOptions {
  readonly workers: number;
  readonly timeoutMs: number;
  readonly recycleAfter: number;
  readonly queue: number;
  /** For tests: another program than the room's worker. */
  readonly script?: URL;
}

export interface Pool {
  read(basis: Numbered, text: string): Promise<Analysis>;
  /** Starts the threads where that has not been done. @returns when the first of them can take a text */
  warm(): Promise<void>;
  /** How many threads were thrown away, for metrics and tests. */
  readonly discarded: number;
  close(): Promise<void>;
}

/** A basis with the number it has in the threads. */
export interface Numbered {
  readonly id: number;
  readonly basis: SqlBasis;
}

interface Job {
  readonly id: number;
  readonly basis: Numbered;
  readonly text: string;
  readonly settle: (analysis: Analysis) => void;
  /** A thread died that got ready for it: once, that is tried again with another. */
  second: boolean;
}

interface Thread {
  readonly worker: Worker;
  state: 'starting' | 'idle' | 'preparing' | 'busy' | 'gone';
  job: Job | undefined;
  timer: NodeJS.Timeout | undefined;
  reads: number;
  /** Its processor time when it got the text, ms. */
  cpu: number;
  /** Bases it has been sent, oldest first. */
  readonly bases: Map<number, string>;
}

/** What is read at the least on a slow machine, of a text that is a list. */
const CHARACTERS_PER_MS = 256;
/** A thread keeps this many bases; the oldest is forgotten for a new one. */
const BASES_KEPT = 32;
/** A thread that does not get ready, or does not work out a catalog, within this is replaced. */
const PREPARE_LIMIT_MS = 15_000;
/** However little processor time a text got, it waits no longer than this many times its limit. */
const STARVED = 8;
/** After so many threads that died before they were ready, waiting texts are refused instead. */
const FAILED_STARTS = 5;

export function createPool(options: PoolOptions): Pool {
  const script = options.script ?? entryUrl('languages/sql/worker.ts');
  const threads = new Set<Thread>();
  const queue: Job[] = [];
  let nextJob = 1;
  let discarded = 0;
  let failedStarts = 0;
  let closed = false;
  let begun = false;
  let becameReady: () => void = () => {};
  const ready = new Promise<void>((resolve) => {
    becameReady = resolve;
  });

  const start = () => {
    if (closed) return;
    const worker = new Worker(script, {
      execArgv: [],
      // Nothing of the gateway's environment is needed there.
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 512, stackSizeMb: 4 },
    });
    const thread: Thread = {
      worker,
      state: 'starting',
      job: undefined,
      timer: undefined,
      reads: 0,
      cpu: 0,
      bases: new Map(),
    };
    threads.add(thread);
    worker.on('message', (message: FromWorker) => onMessage(thread, message));
    worker.on('error', (error: NodeJS.ErrnoException) => died(thread, error.code));
    worker.on('exit', () => died(thread));
    thread.timer = setTimeout(() => lose(thread, NOT_STARTED), PREPARE_LIMIT_MS);
  };

  /** Not before the first text, or somebody who knows that it will come: whoever only looks at a policy file pays for no thread. */
  const begin = () => {
    if (begun || closed) return;
    begun = true;
    keepWasmSmall();
    for (let i = 0; i < options.workers; i++) start();
  };

  const onMessage = (thread: Thread, message: FromWorker) => {
    if (thread.state === 'gone') return;
    clearTimeout(thread.timer);
    thread.cpu = message.cpu;
    if (message.kind === 'prepared') {
      if (thread.job !== undefined) read(thread, thread.job);
      return;
    }
    if (message.kind === 'ready') {
      failedStarts = 0;
      thread.state = 'idle';
      // Idle threads keep no process alive; a thread that starts, or has a text, does.
      thread.worker.unref();
      becameReady();
    } else {
      const { job } = thread;
      thread.job = undefined;
      thread.state = 'idle';
      thread.worker.unref();
      if (job !== undefined && job.id === message.job) job.settle(message.analysis);
      if (message.broken || thread.reads >= options.recycleAfter) return lose(thread, CLOSED);
    }
    dispatch();
  };

  const died = (thread: Thread, code?: string) => {
    const { job, state } = thread;
    if (state === 'preparing' && job !== undefined && !job.second) {
      // The text was not looked at yet.
      thread.job = undefined;
      job.second = true;
      queue.unshift(job);
    }
    lose(thread, state === 'preparing' ? NOT_PREPARED : code === 'ERR_WORKER_OUT_OF_MEMORY' ? TOO_LARGE : DIED);
  };

  /** Throws a thread away, answers its text and starts another. */
  const lose = (thread: Thread, answer: NotRead) => {
    if (thread.state === 'gone') return;
    const starting = thread.state === 'starting';
    const { job } = thread;
    thread.state = 'gone';
    thread.job = undefined;
    clearTimeout(thread.timer);
    threads.delete(thread);
    discarded += 1;
    void thread.worker.terminate();
    job?.settle(answer);
    if (closed) return;
    if (starting) failedStarts += 1;
    if (failedStarts >= FAILED_STARTS) {
      for (const waiting of queue.splice(0)) waiting.settle(NOT_STARTED);
      return;
    }
    start();
    dispatch();
  };

  const dispatch = () => {
    for (const thread of threads) {
      if (queue.length === 0) return;
      if (thread.state !== 'idle') continue;
      const job = queue.shift() as Job;
      thread.job = job;
      thread.worker.ref();
      if (introduce(thread, job.basis)) {
        thread.state = 'preparing';
        thread.timer = setTimeout(() => lose(thread, NOT_PREPARED), PREPARE_LIMIT_MS);
      } else {
        read(thread, job);
      }
    }
  };

  const read = (thread: Thread, job: Job) => {
    thread.state = 'busy';
    thread.reads += 1;
    thread.worker.postMessage({ kind: 'read', job: job.id, basis: job.basis.id, text: job.text } satisfies ToWorker);
    const since = performance.now();
    thread.timer = setTimeout(() => void late(thread, job, since), limitFor(job));
  };

  /** A long list takes long to read, and is honest all the same: time for each character, but no more than that. */
  const limitFor = ({ text }: Job) => options.timeoutMs + text.length / CHARACTERS_PER_MS;

  const late = async (thread: Thread, job: Job, since: number) => {
    const used = await processorTime(thread.worker);
    // Answered meanwhile, or while this thread of ours was held up itself.
    if (thread.job !== job) return;
    const limit = limitFor(job);
    const left = limit - (used - thread.cpu);
    if (left <= 0 || performance.now() - since > limit * STARVED) return lose(thread, TOO_SLOW);
    thread.timer = setTimeout(() => void late(thread, job, since), Math.max(left, 20));
  };

  return {
    warm() {
      begin();
      return ready;
    },
    get discarded() {
      return discarded;
    },
    read(basis, text) {
      if (closed || queue.length >= options.queue) return Promise.resolve(closed ? CLOSED : BUSY);
      begin();
      return new Promise((settle) => {
        if (failedStarts >= FAILED_STARTS) {
          // Give it one more try for each text that comes.
          failedStarts = FAILED_STARTS - 1;
          start();
        }
        queue.push({ id: nextJob++, basis, text, settle, second: false });
        dispatch();
      });
    },
    async close() {
      closed = true;
      for (const waiting of queue.splice(0)) waiting.settle(CLOSED);
      const workers = [...threads].map((thread) => thread.worker);
      for (const thread of [...threads]) lose(thread, CLOSED);
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/**
 * V8 would make faster code of the parser once it has read some hundred texts, once more for each of the first threads, and hold up to 550 MB for that
 * second. Without, a new text takes 12 to 40 µs longer, of the 100 to 200 that reading it takes. The flags are read when that moment comes, so they may be set late.
 */
function keepWasmSmall(): void {
  setFlagsFromString('--no-wasm-dynamic-tiering');
  setFlagsFromString('--no-wasm-tier-up');
}

/** Infinite where the thread does not even say that. */
async function processorTime(worker: Worker): Promise<number> {
  const silent = new Promise<undefined>((resolve) => setTimeout(resolve, 1000, undefined).unref());
  const usage = await Promise.race([worker.cpuUsage().catch(() => undefined), silent]);
  return usage === undefined ? Number.POSITIVE_INFINITY : (usage.user + usage.system) / 1000;
}

/** @returns whether the thread had to be told of the basis, and will say when it has worked it out */
function introduce(thread: Thread, { id, basis }: Numbered): boolean {
  if (thread.bases.has(id)) return false;
  const { catalog, ...rest } = basis;
  const { version } = catalog;
  const known = [...thread.bases.values()].includes(version);
  if (!known) thread.worker.postMessage({ kind: 'catalog', version, catalog } satisfies ToWorker);
  thread.bases.set(id, version);
  thread.worker.postMessage({ kind: 'basis', id, version, basis: rest } satisfies ToWorker);
  if (thread.bases.size <= BASES_KEPT) return true;
  const [oldest, old] = thread.bases.entries().next().value as [number, string];
  thread.bases.delete(oldest);
  const orphaned = [...thread.bases.values()].includes(old) ? [] : [old];
  thread.worker.postMessage({ kind: 'forget', bases: [oldest], catalogs: orphaned } satisfies ToWorker);
  return true;
}

const TOO_SLOW: NotRead = {
  ok: false,
  code: 'limit',
  message: 'the statement takes too long to be read safely',
  sqlState: '54001',
};
const BUSY: NotRead = {
  ok: false,
  code: 'busy',
  message: 'too many statements are waiting to be read',
  sqlState: '53400',
};
/** As lasting as its being too slow: the same text would do the same to the next thread. */
const TOO_LARGE: NotRead = {
  ok: false,
  code: 'limit',
  message: 'the statement takes too much memory to be read safely',
  sqlState: '54001',
};

const failed = (message: string): NotRead => ({ ok: false, code: 'internal', message, sqlState: 'XX000' });

const DIED = failed('the thread that read the statement died of it or beside it; nothing was forwarded');
const NOT_PREPARED = failed("the thread that reads statements does not get ready with the target's definitions");
const NOT_STARTED = failed('the threads that read statements do not start');
const CLOSED = failed('statements are not read any more: the gateway stops');
