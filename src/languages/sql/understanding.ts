/** What is known of a database, and what a statement's names mean in it. */
import type { Effect } from '../../domain/command.ts';
import type { CatalogSnapshot, Oid, Relation, UserFunction, UserType } from './catalog.ts';
import type { Exposure } from './exposure.ts';
import type { FunctionUse, OperatorUse, RelationUse } from './gathered.ts';
import type { FunctionName, Names, RelationName, TypeNameMeaning } from './names.ts';
import type { Fields } from './tree.ts';
import type { Reached, Trust } from './trust.ts';

export interface Knowledge {
  readonly catalog: CatalogSnapshot;
  /** Something was left out of the catalog because another session had it locked. */
  readonly locks: boolean;
  readonly names: Names;
  readonly trust: Trust;
  /** User code that runs when a value of the type is read, written, cast or checked. */
  ofType(oid: Oid): readonly Reached[];
  /** User code that the relation's own definition runs on such an access. */
  ofRelation(relation: Relation, access: Access): Behind;
  /** What a view reads, all the way down; undefined when its definition cannot be followed. */
  view(relation: Relation): View | undefined;
  /** Partitions and children, all the way down: what is done to the relation is done to them. */
  below(relation: Relation): readonly Relation[];
  /** User code that any expression may run: implicit casts and default operator classes made for types of the server. */
  readonly everywhere: readonly Reached[];
}

export type Access = 'read' | 'insert' | 'update' | 'delete' | 'truncate';

export interface Behind {
  readonly reached: readonly Reached[];
  readonly effects: ReadonlySet<Effect>;
  /** Relations that row policies look into, views followed. */
  readonly relations: readonly Relation[];
  /** Why it cannot be said what runs. */
  readonly problem?: string;
}

export interface View {
  /** Ordinary relations below it, other views included. */
  readonly relations: readonly Relation[];
  readonly resolved: Resolved;
}

export interface Resolved {
  readonly relations: readonly { readonly use: RelationUse; readonly meaning: RelationName }[];
  readonly functions: readonly { readonly use: FunctionUse; readonly meaning: FunctionName }[];
  readonly operators: readonly { readonly use: OperatorUse; readonly builtin: boolean; readonly schema?: string }[];
  readonly types: readonly { readonly node: Fields; readonly meaning: TypeNameMeaning }[];
  /** User functions, types and operators it runs, for resources. */
  readonly called: readonly UserFunction[];
  readonly userTypes: readonly UserType[];
  /** Names that mean nothing in the catalog. */
  readonly missing: readonly string[];
  /** What functions add. */
  readonly effects: ReadonlySet<Effect>;
  readonly reached: readonly Reached[];
  readonly exposure: Exposure;
}
