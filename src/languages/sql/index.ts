/** The door of the SQL room: a text and what is known of the database in, effects, resources, facts and a safe rewrite out. */
export {
  type Analysis,
  type Control,
  type Copy,
  type Cursor,
  type NotRead,
  type Prepared,
  type RefusalWord,
  type Rewrite,
  resolveIndirect,
  type SqlBasis,
  type SqlMask,
  type SqlRefusal,
  type StatementAnalysis,
} from './analysis.ts';
export {
  type CatalogSnapshot,
  catalogFromRows,
  EMPTY_CATALOG,
  isSettled,
  isWhole,
  withDefinitionsOf,
} from './catalog.ts';
export { mentionsCredentials } from './credentials.ts';
export { CATALOG_PROBE, CATALOG_QUERY } from './catalog-queries.ts';
export { HASH_LENGTH, HASH_TYPE } from './hashed.ts';
export { factsIn, POSTGRES_FACTS, type PostgresFact, type Situation } from './facts.ts';
export { bindMasks, maskedOrigins, refusedParameterType } from './bind.ts';
export { loadShapes, type ShapeOf } from './shape.ts';
export { createSqlReader, type SqlReader, type SqlReaderOptions } from './reader.ts';
export { REG_OIDS } from './scope-calls.ts';
