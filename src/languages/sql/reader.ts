/** Reads texts for the gateway: what was read before is answered at once, the rest by the pool, nothing that a parser should not be shown. */
import { isUtf8 } from 'node:buffer';
import type { Analysis, NotRead, SqlBasis } from './analysis.ts';
import { createCache, type Shelf } from './cache.ts';
import { exceeded, TEXT_LIMITS, type TextLimits } from './limits.ts';
import { createPool, type Numbered } from './pool.ts';

export interface SqlReaderOptions {
  /** Threads kept warm; at least two, so that one lost does not stop the others. */
  readonly workers?: number;
  /** For one text, in the thread. */
  readonly timeoutMs?: number;
  /** Texts after which a thread is replaced. */
  readonly recycleAfter?: number;
  readonly cacheBytes?: number;
  readonly limits?: TextLimits;
  /** Texts that may wait; further ones are refused as `busy`. */
  readonly queue?: number;
  /** For tests: another program than the room's worker. */
  readonly script?: URL;
}

export interface SqlReader {
  /**
   * What a text does. Synchronous when it was read before on an equal basis; hand in the same basis object while nothing changed. Never throws or rejects.
   * @param text exact bytes, or a string that was decoded from valid UTF-8
   */
  analyse(text: string | Uint8Array, basis: SqlBasis): Analysis | Promise<Analysis>;
  /** Resolves when the first text can be read. Whoever asks starts the threads, which otherwise start with the first text. */
  readonly ready: Promise<void>;
  /** For metrics. */
  readonly stats: {
    readonly hits: number;
    readonly misses: number;
    readonly discarded: number;
    readonly cacheBytes: number;
  };
  close(): Promise<void>;
}

export function createSqlReader(options: SqlReaderOptions = {}): SqlReader {
  const limits = options.limits ?? TEXT_LIMITS;
  const pool = createPool({
    workers: Math.max(2, options.workers ?? 2),
    timeoutMs: options.timeoutMs ?? 250,
    recycleAfter: options.recycleAfter ?? 100_000,
    queue: options.queue ?? 1024,
    ...(options.script === undefined ? {} : { script: options.script }),
  });
  const cache = createCache(options.cacheBytes ?? 32 * 1024 * 1024);
  const shelves = createShelves();
  let hits = 0;
  let misses = 0;

  const read = async (place: Place, text: string): Promise<Analysis> => {
    const analysis = await pool.read(place, text);
    place.pending.delete(text);
    if (analysis.ok || LASTING.has(analysis.code)) cache.put(place.shelf, text, analysis);
    return analysis;
  };

  return {
    get ready() {
      return pool.warm();
    },
    analyse(input, basis) {
      const place = shelves.place(basis);
      const text = typeof input === 'string' ? input : decode(input);
      if (text === undefined) return NOT_UTF8;
      const known = cache.get(place.shelf, text);
      if (known !== undefined) {
        hits += 1;
        return known;
      }
      misses += 1;
      const unfit = unfitness(text, limits);
      if (unfit !== undefined) return unfit;
      const pending = place.pending.get(text);
      if (pending !== undefined) return pending;
      const reading = read(place, text);
      place.pending.set(text, reading);
      return reading;
    },
    get stats() {
      return { hits, misses, discarded: pool.discarded, cacheBytes: cache.bytes };
    },
    close: () => pool.close(),
  };
}

interface Place extends Numbered {
  readonly shelf: Shelf;
  readonly pending: Map<string, Promise<Analysis>>;
}

/** Equal bases share their results; the same object finds them without being looked at again. */
function createShelves() {
  const byObject = new WeakMap<SqlBasis, Place>();
  const byContent = new Map<string, WeakRef<Place>>();
  let next = 1;
  return {
    place(basis: SqlBasis): Place {
      const own = byObject.get(basis);
      if (own !== undefined) return own;
      const { catalog, ...rest } = basis;
      const content = `${catalog.version} ${JSON.stringify(rest)}`;
      let place = byContent.get(content)?.deref();
      if (place === undefined) {
        place = { id: next++, basis, shelf: new Map(), pending: new Map() };
        byContent.set(content, new WeakRef(place));
        if (byContent.size > 4096)
          for (const [key, ref] of byContent) if (ref.deref() === undefined) byContent.delete(key);
      }
      byObject.set(basis, place);
      return place;
    },
  };
}

function decode(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function unfitness(text: string, limits: TextLimits): NotRead | undefined {
  // The parser stops at a NUL, the server does not accept one.
  if (text.includes('\0'))
    return { ok: false, code: 'encoding', message: 'the statement contains a NUL', sqlState: '22021' };
  if (!text.isWellFormed()) return NOT_UTF8;
  const limit = exceeded(text, limits);
  if (limit === undefined) return undefined;
  return {
    ok: false,
    code: 'limit',
    message: `the statement is larger than the gateway reads: more than ${limit}`,
    sqlState: '54001',
  };
}

const NOT_UTF8: NotRead = {
  ok: false,
  code: 'encoding',
  message: 'the statement is not valid UTF-8',
  sqlState: '22021',
};

/** What will be said of the same text again. */
const LASTING: ReadonlySet<string> = new Set(['syntax', 'limit']);
