/** The thread in which texts are parsed, judged and rewritten. It answers with plain data; what breaks it breaks only it. */
import { parentPort } from 'node:worker_threads';
import { analyseText, type Bases, createBases } from './analyse.ts';
import type { Analysis, SqlBasis } from './analysis.ts';
import type { CatalogSnapshot } from './catalog.ts';
import { ready } from './parser.ts';

/** What the pool sends. Catalogs and bases go across once and are named by number afterwards. */
export type ToWorker =
  | { readonly kind: 'catalog'; readonly version: string; readonly catalog: CatalogSnapshot }
  | { readonly kind: 'basis'; readonly id: number; readonly version: string; readonly basis: Omit<SqlBasis, 'catalog'> }
  | { readonly kind: 'forget'; readonly bases: readonly number[]; readonly catalogs: readonly string[] }
  | { readonly kind: 'read'; readonly job: number; readonly basis: number; readonly text: string };

export type FromWorker = {
  /** Processor time the thread has used so far, ms: what the next text uses is counted from here. */
  readonly cpu: number;
} & (
  | { readonly kind: 'ready' }
  /** The last basis that was sent has been worked out. */
  | { readonly kind: 'prepared' }
  /** `broken`: the parser failed in a way that it may not survive; the thread is to be replaced. */
  | { readonly kind: 'done'; readonly job: number; readonly analysis: Analysis; readonly broken: boolean }
);

const SAMPLES = [
  'SELECT c.relname, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname LIKE $1 GROUP BY 1 ORDER BY 2 DESC LIMIT 10',
  'WITH x AS (SELECT 1::int AS a) SELECT CASE WHEN a > 1 THEN upper(a::text) END FROM x',
];

const port = parentPort;
if (port === null) throw new Error('languages/sql/worker is a worker thread');

const bases: Bases = createBases();
port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'catalog':
      return bases.catalog(message.version, message.catalog);
    case 'basis':
      bases.basis(message.id, message.version, message.basis);
      return port.postMessage({ kind: 'prepared', cpu: processorTime() } satisfies FromWorker);
    case 'forget':
      return bases.forget(message.bases, message.catalogs);
    case 'read': {
      const { analysis, broken } = analyseText(message.text, bases.bench(message.basis));
      return port.postMessage({
        kind: 'done',
        job: message.job,
        analysis,
        broken,
        cpu: processorTime(),
      } satisfies FromWorker);
    }
    default:
      return message satisfies never;
  }
});
await ready;
warmUp();
port.postMessage({ kind: 'ready', cpu: processorTime() } satisfies FromWorker);

// The first text would otherwise pay for code that has never run.
function warmUp(): void {
  bases.basis(0, '', { masks: [], guarded: true, searchPath: ['public'], trustedFunctions: [] });
  for (const text of SAMPLES) analyseText(text, bases.bench(0));
  bases.forget([0], ['']);
}

function processorTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
