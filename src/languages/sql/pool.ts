/**
 * Worker threads that read texts. Each has one text at a time and a hard limit on it: one that is late, dies or says that its parser broke is thrown away and
 * replaced; others go on meanwhile. After some thousand texts a thread is replaced in any case.
 */
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
  /** Resolves when the first thread can take a text. */
  readonly ready: Promise<void>;
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
}

interface Thread {
  readonly worker: Worker;
  state: 'starting' | 'idle' | 'busy' | 'gone';
  job: Job | undefined;
  timer: NodeJS.Timeout | undefined;
  reads: number;
  /** Bases it has been sent, oldest first. */
  readonly bases: Map<number, string>;
}

/** A thread keeps this many bases; the oldest is forgotten for a new one. */
const BASES_KEPT = 32;
/** A thread that does not get ready within this is replaced. */
const START_LIMIT_MS = 15_000;
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
    const thread: Thread = { worker, state: 'starting', job: undefined, timer: undefined, reads: 0, bases: new Map() };
    threads.add(thread);
    worker.on('message', (message: FromWorker) => onMessage(thread, message));
    worker.on('error', () => lose(thread));
    worker.on('exit', () => lose(thread));
    thread.timer = setTimeout(() => lose(thread), START_LIMIT_MS);
    thread.timer.unref();
    // Idle threads keep no process alive; a thread with a text does.
    worker.unref();
  };

  const onMessage = (thread: Thread, message: FromWorker) => {
    if (thread.state === 'gone') return;
    clearTimeout(thread.timer);
    if (message.kind === 'ready') {
      failedStarts = 0;
      thread.state = 'idle';
      becameReady();
    } else {
      const { job } = thread;
      thread.job = undefined;
      thread.state = 'idle';
      thread.worker.unref();
      if (job !== undefined && job.id === message.job) job.settle(message.analysis);
      if (message.broken || thread.reads >= options.recycleAfter) return lose(thread);
    }
    dispatch();
  };

  /** Throws a thread away, answers its text and starts another. */
  const lose = (thread: Thread, answer: NotRead = TOO_SLOW) => {
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
      for (const waiting of queue.splice(0)) waiting.settle(NO_WORKERS);
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
      thread.state = 'busy';
      thread.job = job;
      thread.reads += 1;
      thread.worker.ref();
      introduce(thread, job.basis);
      thread.worker.postMessage({ kind: 'read', job: job.id, basis: job.basis.id, text: job.text } satisfies ToWorker);
      thread.timer = setTimeout(() => late(thread, job), options.timeoutMs);
    }
  };

  // If this thread of ours was held up itself, the answer may be waiting already: messages are taken before an immediate runs.
  const late = (thread: Thread, job: Job) => {
    setImmediate(() => {
      if (thread.job === job) lose(thread);
    });
  };

  for (let i = 0; i < options.workers; i++) start();

  return {
    ready,
    get discarded() {
      return discarded;
    },
    read(basis, text) {
      if (closed || queue.length >= options.queue) return Promise.resolve(closed ? NO_WORKERS : BUSY);
      return new Promise((settle) => {
        if (failedStarts >= FAILED_STARTS) {
          // Give it one more try for each text that comes.
          failedStarts = FAILED_STARTS - 1;
          start();
        }
        queue.push({ id: nextJob++, basis, text, settle });
        dispatch();
      });
    },
    async close() {
      closed = true;
      for (const waiting of queue.splice(0)) waiting.settle(NO_WORKERS);
      const workers = [...threads].map((thread) => thread.worker);
      for (const thread of [...threads]) lose(thread, NO_WORKERS);
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function introduce(thread: Thread, { id, basis }: Numbered): void {
  if (thread.bases.has(id)) return;
  const { catalog, ...rest } = basis;
  const { version } = catalog;
  const known = [...thread.bases.values()].includes(version);
  if (!known) thread.worker.postMessage({ kind: 'catalog', version, catalog } satisfies ToWorker);
  thread.bases.set(id, version);
  thread.worker.postMessage({ kind: 'basis', id, version, basis: rest } satisfies ToWorker);
  if (thread.bases.size <= BASES_KEPT) return;
  const [oldest, old] = thread.bases.entries().next().value as [number, string];
  thread.bases.delete(oldest);
  const orphaned = [...thread.bases.values()].includes(old) ? [] : [old];
  thread.worker.postMessage({ kind: 'forget', bases: [oldest], catalogs: orphaned } satisfies ToWorker);
}

const TOO_SLOW: NotRead = { ok: false, code: 'limit', message: 'the statement takes too long to be read safely', sqlState: '54001' };
const BUSY: NotRead = { ok: false, code: 'busy', message: 'too many statements are waiting to be read', sqlState: '53400' };
const NO_WORKERS: NotRead = { ok: false, code: 'internal', message: 'statements cannot be read at the moment', sqlState: 'XX000' };
