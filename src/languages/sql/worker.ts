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

export type FromWorker =
  | { readonly kind: 'ready' }
  /** `broken`: the parser failed in a way that it may not survive; the thread is to be replaced. */
  | { readonly kind: 'done'; readonly job: number; readonly analysis: Analysis; readonly broken: boolean };

const port = parentPort;
if (port === null) throw new Error('languages/sql/worker is a worker thread');

const bases: Bases = createBases();
port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'catalog':
      return bases.catalog(message.version, message.catalog);
    case 'basis':
      return bases.basis(message.id, message.version, message.basis);
    case 'forget':
      return bases.forget(message.bases, message.catalogs);
    case 'read': {
      const { analysis, broken } = analyseText(message.text, bases.bench(message.basis));
      return port.postMessage({ kind: 'done', job: message.job, analysis, broken } satisfies FromWorker);
    }
    default:
      return message satisfies never;
  }
});
await ready;
port.postMessage({ kind: 'ready' } satisfies FromWorker);
