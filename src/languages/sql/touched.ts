/** Everything a statement touches, by name: resources for rules, schemas for a scope, objects for binding an approval. */
import type { Effect, Resource } from '../../domain/command.ts';
import type { Relation, RelationKind } from './catalog.ts';
import type { Gathered } from './gathered.ts';
import { qualified } from './spelling.ts';
import type { RawStatement } from './parser.ts';
import { creates, written } from './resolve.ts';
import { type SequenceUse, sequenceOf } from './sequences.ts';
import { statementClass } from './statements.ts';
import { type Fields, isFields, nameParts, stringOf } from './tree.ts';
import { dependentsOf, emptiesOthers } from './dependents.ts';
import type { Knowledge, Resolved } from './understanding.ts';

export interface Touched {
  readonly resources: readonly Resource[];
  /** Null: could not be told. */
  readonly schemas: readonly string[] | null;
  readonly objects: readonly string[];
  /** Qualified names of relations, those behind views too. */
  readonly tables: readonly string[];
}

export function touchedBy(
  raw: RawStatement,
  gathered: Gathered,
  resolved: Resolved,
  knowledge: Knowledge,
  path: readonly string[],
  /** Catalogs show what lies in the scope alone. */
  scoped = false,
): Touched {
  const list = new Collector();
  const home = path.find((schema) => schema !== 'pg_catalog');
  for (const { use, meaning } of resolved.relations) {
    if (meaning.kind === 'user') list.relation(meaning.relation, use.access, knowledge, use.node['inh'] === true);
    else if (meaning.kind === 'system' && VALUES_OF_ALL.has(meaning.name) && !scoped)
      list.everywhere(qualified(meaning.schema, meaning.name), use.access);
    else if (meaning.kind === 'system')
      list.catalog(qualified(meaning.schema, meaning.name), meaning.class === 'structure' ? use.access : 'administer');
    else if (creates(use))
      list.named('table', use.node['relpersistence'] === 't' ? 'pg_temp' : (use.schema ?? home), use.name, use.access);
    else list.named('relation-unknown', use.schema, use.name, use.access);
  }
  if (emptiesOthers(raw))
    for (const one of dependentsOf(targetsOf(resolved), knowledge)) list.relation(one, 'delete', knowledge, true);
  for (const one of resolved.called) {
    list.add(
      { kind: 'function', name: qualified(one.schema, one.name), access: 'execute' },
      one.schema,
      `function ${one.oid} ${one.signature}`,
    );
  }
  for (const type of resolved.userTypes) {
    list.add(
      { kind: 'type', name: qualified(type.schema, type.name), access: 'read' },
      type.schema,
      `type ${type.oid} ${qualified(type.schema, type.name)}`,
    );
  }
  for (const { use, meaning } of resolved.functions) {
    if (meaning.user.length === 0 && meaning.builtin === undefined && use.names.length > 1)
      list.schema(use.names.at(-2) ?? '');
    const drawn = sequenceOf(use.node, use.names);
    if (drawn !== undefined && meaning.builtin !== undefined) list.sequence(drawn, knowledge, path);
  }
  if (CREATES_UNSEEN.has(raw.kind)) list.unknownSchemas();
  else nameDefined(raw, list, home);
  if (
    !SCHEMAS_KNOWN.has(raw.kind) &&
    statementClass(raw.kind).effects.some((effect) => effect !== 'read' && effect !== 'control')
  )
    list.unknownSchemas();
  if (gathered.statements.some((kind) => kind !== raw.kind && !SCHEMAS_KNOWN.has(kind))) list.unknownSchemas();
  return list.result();
}

function targetsOf({ relations }: Resolved): readonly Relation[] {
  return relations.flatMap(({ meaning }) => (meaning.kind === 'user' ? [meaning.relation] : []));
}

/** What sequences stand at is no structure. */
const VALUES_OF_ALL: ReadonlySet<string> = new Set(['pg_sequences']);

const RELATION_WORDS: Readonly<Record<RelationKind, string>> = {
  r: 'table',
  p: 'table',
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
  S: 'sequence',
  c: 'type',
};

class Collector {
  readonly #resources = new Map<string, Resource>();
  readonly #schemas = new Set<string>();
  readonly #objects = new Set<string>();
  readonly #tables = new Set<string>();
  #unknown = false;

  add(resource: Resource, schema?: string, object?: string): void {
    this.#resources.set(`${resource.kind} ${resource.name} ${resource.access}`, resource);
    if (schema !== undefined) this.#schemas.add(schema);
    if (object !== undefined) this.#objects.add(object);
  }

  /** @param whole with its partitions and children, as without ONLY: they are touched in its name, and may lie in other schemas */
  relation(relation: Relation, access: Effect, knowledge: Knowledge, whole: boolean): void {
    this.#one(relation, access);
    if (whole) this.#below(relation, knowledge);
    if (relation.kind !== 'v' && relation.kind !== 'm') return;
    // An updatable view passes writes on to what is below it.
    for (const one of knowledge.view(relation)?.relations ?? []) {
      this.#one(one, access);
      this.#below(one, knowledge);
    }
  }

  #one(relation: Relation, access: Effect): void {
    const name = qualified(relation.schema, relation.name);
    const kind = RELATION_WORDS[relation.kind];
    this.#tables.add(name);
    this.add({ kind, name, access }, relation.schema, `${kind} ${relation.oid} ${name}`);
    if (relation.kind === 'f') this.add({ kind: 'foreign table', name, access: 'transfer' });
  }

  #below(relation: Relation, knowledge: Knowledge): void {
    for (const { schema } of knowledge.below(relation)) this.#schemas.add(schema);
  }

  catalog(name: string, access: Effect): void {
    this.add({ kind: 'catalog', name, access });
  }

  named(kind: string, schema: string | undefined, name: string, access: Effect): void {
    if (schema === undefined) this.#unknown = true;
    this.#tables.add(written(schema, name));
    this.add({ kind, name: written(schema, name), access }, schema);
  }

  /** A catalog that tells of all schemas what no structure is. */
  everywhere(name: string, access: Effect): void {
    this.catalog(name, access);
    this.#unknown = true;
  }

  sequence({ name, access }: SequenceUse, knowledge: Knowledge, path: readonly string[]): void {
    const meaning = name && knowledge.names.relation(name.schema, name.name, path);
    if (meaning?.kind !== 'user') {
      this.#unknown = true;
      return;
    }
    const { schema, name: own, oid } = meaning.relation;
    this.add(
      { kind: 'sequence', name: qualified(schema, own), access },
      schema,
      `sequence ${oid} ${qualified(schema, own)}`,
    );
  }

  schema(name: string): void {
    this.#schemas.add(name);
  }

  unknownSchemas(): void {
    this.#unknown = true;
  }

  result(): Touched {
    return {
      resources: [...this.#resources.values()],
      schemas: this.#unknown ? null : [...this.#schemas].sort(),
      objects: [...this.#objects].sort(),
      tables: [...this.#tables].sort(),
    };
  }
}

/** Objects a statement defines that are not written as relations. */
function nameDefined(raw: RawStatement, list: Collector, home: string | undefined): void {
  const { kind, node } = raw;
  const own = DEFINED[kind];
  if (own !== undefined) {
    const names = nameParts(node[own.field]) ?? [];
    list.named(own.kind, names.length > 1 ? names.at(-2) : home, names.at(-1) ?? '', 'define');
  } else if (kind === 'CreateSchemaStmt') {
    const name = typeof node['schemaname'] === 'string' ? node['schemaname'] : undefined;
    if (name === undefined) list.unknownSchemas();
    else list.add({ kind: 'schema', name, access: 'define' }, name);
  } else if (kind === 'DropStmt') {
    dropped(node, list);
  }
}

function dropped(node: Fields, list: Collector): void {
  const type = String(node['removeType'])
    .replace('OBJECT_', '')
    .toLowerCase()
    .replaceAll('_', ' ')
    .replace('matview', 'materialized view');
  for (const item of Array.isArray(node['objects']) ? node['objects'] : []) {
    const names = objectName(item);
    if (names === undefined || names.length === 0) {
      list.unknownSchemas();
    } else if (type === 'schema') {
      list.add({ kind: 'schema', name: names[0] ?? '', access: 'define' }, names[0]);
    } else {
      // A trigger, rule or policy is named after its table.
      const parts = OF_TABLES.has(type) ? names.slice(0, -1) : names;
      list.named(
        OF_TABLES.has(type) ? 'table' : type,
        parts.length > 1 ? parts.at(-2) : undefined,
        parts.at(-1) ?? '',
        'define',
      );
    }
  }
}

const OF_TABLES: ReadonlySet<string> = new Set(['trigger', 'rule', 'policy']);

function objectName(item: unknown): string[] | undefined {
  if (!isFields(item)) return undefined;
  const text = stringOf(item);
  if (text !== undefined) return [text];
  if (isFields(item['List'])) return nameParts(item['List']['items']);
  if (isFields(item['TypeName'])) return nameParts(item['TypeName']['names']);
  if (isFields(item['ObjectWithArgs'])) return nameParts(item['ObjectWithArgs']['objname']);
  return undefined;
}

const DEFINED: Readonly<Record<string, { readonly field: string; readonly kind: string }>> = {
  CreateFunctionStmt: { field: 'funcname', kind: 'function' },
  CreateEnumStmt: { field: 'typeName', kind: 'type' },
  AlterEnumStmt: { field: 'typeName', kind: 'type' },
  CreateRangeStmt: { field: 'typeName', kind: 'type' },
  AlterTypeStmt: { field: 'typeName', kind: 'type' },
  CreateDomainStmt: { field: 'domainname', kind: 'type' },
  AlterDomainStmt: { field: 'typeName', kind: 'type' },
  DefineStmt: { field: 'defnames', kind: 'object' },
};

/** Statements all of whose objects the walker sees. For the others a scope can not be kept. */
const SCHEMAS_KNOWN: ReadonlySet<string> = new Set([
  ...[
    'SelectStmt',
    'InsertStmt',
    'UpdateStmt',
    'DeleteStmt',
    'MergeStmt',
    'TruncateStmt',
    'CopyStmt',
    'LockStmt',
    'RefreshMatViewStmt',
  ],
  ...[
    'ExplainStmt',
    'PrepareStmt',
    'DeclareCursorStmt',
    'ExecuteStmt',
    'FetchStmt',
    'ClosePortalStmt',
    'DeallocateStmt',
  ],
  ...[
    'TransactionStmt',
    'VariableSetStmt',
    'VariableShowStmt',
    'ConstraintsSetStmt',
    'DiscardStmt',
    'ListenStmt',
    'UnlistenStmt',
    'NotifyStmt',
  ],
  ...[
    'CreateStmt',
    'CreateTableAsStmt',
    'CreateSchemaStmt',
    'CreateSeqStmt',
    'AlterSeqStmt',
    'ViewStmt',
    'AlterTableStmt',
    'IndexStmt',
    'DropStmt',
  ],
  ...[
    'CreateFunctionStmt',
    'CreateEnumStmt',
    'AlterEnumStmt',
    'CreateRangeStmt',
    'CreateDomainStmt',
    'CompositeTypeStmt',
  ],
  ...['CreateTrigStmt', 'RuleStmt', 'CreatePolicyStmt', 'AlterPolicyStmt', 'CallStmt'],
]);

const CREATES_UNSEEN: ReadonlySet<string> = new Set(['CreateExtensionStmt', 'DoStmt', 'LoadStmt']);
