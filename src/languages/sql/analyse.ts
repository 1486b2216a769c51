/** Parses a text and judges each of its statements; says so when the parser itself failed. */
import type { Analysis, NotRead, SqlBasis } from './analysis.ts';
import { type CatalogSnapshot, EMPTY_CATALOG } from './catalog.ts';
import { type Bench, judgeStatement } from './judge.ts';
import { createKnowledge } from './knowledge.ts';
import { bookMasks } from './masks.ts';
import { ParserBroken, parse } from './parser.ts';
import { createScope } from './scope.ts';
import type { Knowledge } from './understanding.ts';

export interface Read {
  readonly analysis: Analysis;
  readonly broken: boolean;
}

export function analyseText(text: string, bench: Bench): Read {
  try {
    const parsed = parse(text, Buffer.byteLength(text));
    switch (parsed.kind) {
      case 'syntax':
        return whole({
          ok: false,
          code: 'syntax',
          message: parsed.message,
          sqlState: '42601',
          position: parsed.position,
        });
      case 'deep':
        return whole(tooDeep());
      case 'broken':
        return { analysis: tooDeep(), broken: true };
      case 'parsed':
        return whole({ ok: true, statements: parsed.statements.map((raw) => judgeStatement(text, raw, bench)) });
      default:
        return parsed satisfies never;
    }
  } catch (error) {
    if (error instanceof RangeError || error instanceof ParserBroken) return { analysis: tooDeep(), broken: true };
    // A fault of ours must not let anything through, nor take the gateway down.
    return {
      analysis: { ok: false, code: 'internal', message: 'the statement could not be analysed', sqlState: 'XX000' },
      broken: true,
    };
  }
}

/** Bases by number, each with what was worked out for it. */
export interface Bases {
  catalog(version: string, catalog: CatalogSnapshot): void;
  basis(id: number, version: string, basis: Omit<SqlBasis, 'catalog'>): void;
  forget(bases: readonly number[], catalogs: readonly string[]): void;
  bench(id: number): Bench;
}

export function createBases(): Bases {
  const catalogs = new Map<string, CatalogSnapshot>();
  const benches = new Map<number, Bench>();
  const knowledges = new Map<string, Knowledge>();
  return {
    catalog: (version, catalog) => void catalogs.set(version, catalog),
    basis(id, version, basis) {
      const key = `${version} ${JSON.stringify(basis.trustedFunctions)}`;
      let knowledge = knowledges.get(key);
      if (knowledge === undefined) {
        knowledge = createKnowledge(catalogs.get(version) ?? EMPTY_CATALOG, basis.trustedFunctions);
        knowledges.set(key, knowledge);
      }
      benches.set(id, {
        basis: { ...basis, guarded: basis.guarded || basis.masks.length > 0 || basis.scope !== undefined },
        knowledge,
        book: bookMasks(knowledge, basis.masks),
        ...(basis.scope === undefined ? {} : { scope: createScope(knowledge, basis.scope) }),
      });
    },
    forget(ids, versions) {
      for (const id of ids) benches.delete(id);
      for (const version of versions) {
        catalogs.delete(version);
        for (const key of knowledges.keys()) if (key.startsWith(`${version} `)) knowledges.delete(key);
      }
    },
    bench(id) {
      const bench = benches.get(id);
      if (bench === undefined) throw new Error(`no basis ${id}`);
      return bench;
    },
  };
}

function whole(analysis: Analysis): Read {
  return { analysis, broken: false };
}

function tooDeep(): NotRead {
  return {
    ok: false,
    code: 'limit',
    message: 'the statement is nested too deeply to be read safely',
    sqlState: '54001',
  };
}
