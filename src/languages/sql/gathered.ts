/** What a statement names, before anyone asks what the names mean. */
import type { Effect } from '../../domain/command.ts';
import type { Fields } from './tree.ts';

export interface RelationUse {
  /** The RangeVar itself; a rewrite edits or replaces it. */
  readonly node: Fields;
  /** Set where the node may be replaced by a sub-query: in a FROM. */
  readonly wrapper?: Fields;
  readonly schema: string | undefined;
  readonly name: string;
  readonly access: Effect;
  /** `from`: its rows are read. `target`: INSERT, UPDATE, DELETE, MERGE or COPY. `named`: anything else. */
  readonly role: 'from' | 'target' | 'named';
  /** Kind of the statement that names it directly. */
  readonly statement: string;
  /** The data-modifying statement it is the target of. */
  readonly modifies?: Fields;
  readonly alias: string;
  readonly sampled: boolean;
  readonly locked: boolean;
}

export interface FunctionUse {
  readonly node: Fields;
  readonly names: readonly string[];
  /** How many arguments it is given; `ANY_NUMBER` where the tree no longer shows them as such. */
  readonly arguments: number;
  readonly call: 'function' | 'procedure';
}

export interface OperatorUse {
  readonly node: Fields;
  /** The field that holds the name, where it can be qualified in place. */
  readonly field?: 'name' | 'operName' | 'useOp';
  readonly names: readonly string[];
}

export interface ColumnUse {
  /** The names of a reference, `*` for a star at its end. */
  readonly fields: readonly string[];
  readonly node: Fields;
  /** Stands by itself in a list of outputs: `SELECT x.*`. */
  readonly bare: boolean;
}

export interface Modification {
  readonly kind: 'InsertStmt' | 'UpdateStmt' | 'DeleteStmt' | 'MergeStmt';
  readonly node: Fields;
}

export interface Gathered {
  readonly statements: string[];
  readonly effects: Set<Effect>;
  readonly relations: RelationUse[];
  readonly functions: FunctionUse[];
  readonly operators: OperatorUse[];
  /** TypeName nodes. */
  readonly types: Fields[];
  readonly columns: ColumnUse[];
  /** Names selected from a value: `(x).name`, which PostgreSQL also reads as a call of `name(x)`. */
  readonly selections: string[];
  /** What each alias stands for: the relation, or null for a sub-query, function or CTE. */
  readonly aliases: Map<string, (RelationUse | null)[]>;
  readonly modifications: Modification[];
  /** Names the statement gives: outputs, columns of aliases, fields of column definition lists. */
  readonly labels: Set<string>;
  /** Every UPDATE and DELETE so far has a WHERE; undefined when there was none. */
  where: boolean | undefined;
  returning: boolean;
  locking: boolean;
  /** Some join shows columns that nothing names: it is NATURAL, or has an alias of its own. */
  natural: boolean;
  into: boolean;
  temporary: boolean;
  parameters: number;
  /** Nodes this version does not know: nothing can be said about what they do. */
  readonly strange: string[];
}

export const ANY_NUMBER = -1;

export function nothingGathered(): Gathered {
  return {
    statements: [],
    effects: new Set(),
    relations: [],
    functions: [],
    operators: [],
    types: [],
    columns: [],
    selections: [],
    aliases: new Map(),
    modifications: [],
    labels: new Set(),
    where: undefined,
    returning: false,
    locking: false,
    natural: false,
    into: false,
    temporary: false,
    parameters: 0,
    strange: [],
  };
}
