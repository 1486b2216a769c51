/** Finds in a statement what looks something up by a number or a name, and lets only through what is in sight. */
import { isFields, type Fields, eachChild, nameParts, stringOf, type Site } from './tree.ts';
import { isBuiltinType } from './catalogs.ts';
import { builtinFunction } from './functions.ts';
import { isOurs } from './ours.ts';
import { parseOne, type RawStatement } from './parser.ts';
import {
  ARRAY_CALLS,
  COMMENTED,
  type Guarding,
  guardedCall,
  REG_RESULTS,
  REG_TYPES,
  regType,
  UNIFYING_CALLS,
} from './scope-calls.ts';
import { KINDS, type ObjectKind } from './scope-catalogs.ts';
import { leadsOut, namedIn, nameLeadsOut, pathLeadsOut, relationNamed } from './scope-names.ts';
import { readsNames, yieldsNames } from './scope-types.ts';
import type { Scope } from './scoped.ts';
import type { Resolved } from './understanding.ts';

export type Narrowed =
  | { readonly kind: 'narrowed'; readonly changed: boolean }
  /** `outside`: it names what is not in sight; else what it is that cannot be let through. */
  | { readonly kind: 'refused'; readonly refusal: string };

export interface WalkParts {
  readonly raw: RawStatement;
  readonly resolved: Resolved;
  readonly scope: Scope;
  readonly path: readonly string[];
}

export function narrowCalls(parts: WalkParts): Narrowed {
  const walk = new Walk(parts);
  walk.visit({ kind: parts.raw.kind, node: parts.raw.node, field: 'stmt' });
  const refusal = walk.refusal ?? walk.literals();
  return refusal === undefined ? { kind: 'narrowed', changed: walk.changed } : { kind: 'refused', refusal };
}

class Walk {
  readonly #parts: WalkParts;
  readonly #own = new Set<Fields>();
  readonly #casts = new Set<Fields>();
  readonly #texts: string[] = [];
  #looksUp: boolean;
  #unified = false;
  #compared = false;
  #arrays: boolean;
  #output = false;
  #setOperation = false;
  changed = false;
  refusal: string | undefined;

  constructor(parts: WalkParts) {
    this.#parts = parts;
    this.#arrays = readsNames(parts.resolved, parts.scope.whole);
    this.#looksUp = this.#arrays || yieldsNames(parts.resolved);
    for (const { use, meaning } of parts.resolved.functions) if (meaning.user.length === 0) this.#own.add(use.node);
  }

  visit(site: Site, parent = ''): void {
    const { kind, node } = site;
    this.#setOperation ||= kind === 'SelectStmt' && node['larg'] !== undefined;
    if (this.refusal !== undefined || isOurs(node)) return;
    if (kind === 'TypeCast' && isFields(node['typeName'])) this.#casts.add(node['typeName']);
    const within = withinOf(site, parent);
    eachChild(kind, node, (child) => this.visit(child, within));
    if (kind === 'FuncCall' && this.#own.has(node)) this.#call(node);
    else if (kind === 'TypeCast') this.#cast(node);
    else if (kind === 'TypeName') this.#type(node);
    else if (kind === 'A_Const') this.#constant(node);
    else if (kind === 'A_ArrayExpr' || node['subLinkType'] === 'ARRAY_SUBLINK') this.#arrays = true;
    else if (kind === 'ParamRef') {
      this.#unified ||= UNIFYING.has(parent);
      this.#compared ||= parent === 'A_Expr';
      this.#output ||= parent === 'ResTarget';
    }
  }

  /** An untyped text becomes what it stands beside: where names are looked up at all, none may lead out. */
  literals(): string | undefined {
    if (!this.#looksUp) return undefined;
    if (this.#unified || (this.#compared && this.#arrays) || (this.#output && this.#setOperation))
      return 'a parameter that may be taken for a name';
    return this.#texts.some((text) => leadsOut(text, this.#parts.scope.seen)) ? 'outside' : undefined;
  }

  #constant(node: Fields): void {
    const text = textOf(node);
    if (text !== undefined) this.#texts.push(text);
  }

  #type(node: Fields): void {
    const name = nameParts(node['names'])?.at(-1) ?? '';
    const type = regType(name);
    if (type === undefined) return;
    this.#arrays ||= type.array || node['arrayBounds'] !== undefined;
    if (this.#casts.has(node)) return;
    this.refusal = `a ${name} that is no plain cast`;
  }

  #call(node: Fields): void {
    const name = nameParts(node['funcname'])?.at(-1) ?? '';
    const guarded = guardedCall(name);
    const list = Array.isArray(node['args']) ? (node['args'] as Fields[]) : [];
    if (name.startsWith('to_reg') || REG_TYPES.has(name) || REG_RESULTS.has(name) || name.startsWith('pg_partition_'))
      this.#looksUp = true;
    this.#arrays ||= ARRAY_CALLS.has(name);
    if (guarded === undefined || list.length < (guarded.least ?? 0)) return;
    const { guarding } = guarded;
    const at = guarded.argument < 0 ? list.length + guarded.argument : guarded.argument;
    const argument = list[at];
    if (argument === undefined) return;
    if (
      guarding === 'refused' ||
      node['func_variadic'] === true ||
      list.some((one) => one['NamedArgExpr'] !== undefined)
    ) {
      this.refusal = `${name}()`;
      return;
    }
    const passed = this.#pass(guarding, argument, name, list[1]);
    if (passed !== undefined) list[at] = passed;
    // They give more relations than the one they are given.
    if (name.startsWith('pg_partition_') && this.refusal === undefined)
      list[at] = this.#put(this.#parts.scope.sql.tree(GIVEN), list[at]);
  }

  /** @returns what stands for it; undefined to leave it, or with a refusal */
  #pass(guarding: Guarding, argument: Fields, name: string, second: Fields | undefined): Fields | undefined {
    const { sql, seen } = this.#parts.scope;
    const literal = literalOf(argument);
    switch (guarding) {
      case 'refused':
        return undefined;
      case 'plain':
        if (literal === undefined) this.refusal = `${name}() of what is no literal`;
        else if (this.#leadsOut(literal, PLAIN_KINDS.get(name) ?? 'config')) this.refusal = 'outside';
        return undefined;
      case 'nothing':
        return this.#put('NULL::pg_catalog.oid');
      case 'comment': {
        const catalog = second === undefined ? 'pg_class' : literalOf(second);
        const kind = (Object.keys(KINDS) as ObjectKind[]).find((one) => KINDS[one].catalog === catalog);
        if (kind !== undefined && COMMENTED.has(catalog ?? '')) return this.#pass(kind, argument, name, undefined);
        return this.#put('NULL::pg_catalog.oid');
      }
      case 'vector':
        return this.#put(sql.vector(GIVEN), argument);
      case 'own':
      case 'class':
        return this.#relation(guarding, argument, literal, name);
      case 'namespace':
        if (literal !== undefined && !/^\d+$/.test(literal)) {
          if (!this.#schemaInSight(literal)) this.refusal = 'outside';
          return undefined;
        }
        return name.startsWith('to_')
          ? this.#refuse(`${name}() of what is no literal`)
          : this.#put(sql.schema(GIVEN), argument);
      default:
        if (literal !== undefined && nameLeadsOut(literal, seen)) return this.#refuse('outside');
        return this.#put(sql.oid(guarding, GIVEN), argument);
    }
  }

  #relation(
    guarding: 'own' | 'class',
    argument: Fields,
    literal: string | undefined,
    name: string,
  ): Fields | undefined {
    const { scope, path } = this.#parts;
    if (literal !== undefined && nameLeadsOut(literal, scope.seen)) return this.#refuse('outside');
    const found = literal === undefined ? undefined : relationNamed(literal, scope.knowledge.names, path);
    const drawn = SEQUENCES.has(name);
    if (found?.kind === 'relation' && (guarding === 'class' || drawn)) {
      setText(argument, found.text);
      return undefined;
    }
    // Which one it is decides whether it may be changed: told by its name alone.
    if (drawn) return undefined;
    const cast = argument['TypeCast'];
    // The cast has been seen to.
    if (guarding === 'class' && isFields(cast) && REG_TYPES.get(typeNameOf(cast)) === 'class' && name !== '')
      return undefined;
    const number = found?.kind === 'number' || isNumber(argument);
    const given = number && found?.kind === 'number' ? `(${GIVEN})::pg_catalog.oid` : GIVEN;
    const byNumber = number || endsInOid(argument);
    const sql =
      guarding === 'own'
        ? scope.sql.own(given, !byNumber)
        : byNumber
          ? scope.sql.oid('class', given)
          : scope.sql.named(GIVEN);
    return this.#put(TEXTUAL.has(name) ? `(${sql})::pg_catalog.regclass::pg_catalog.text` : sql, argument);
  }

  #cast(node: Fields): void {
    const type = isFields(node['typeName']) ? node['typeName'] : {};
    const name = nameParts(type['names'])?.at(-1) ?? '';
    const reg = regType(name);
    if (reg === undefined || !isFields(node['arg'])) return;
    const { kind } = reg;
    this.#looksUp = true;
    const { scope } = this.#parts;
    const argument = node['arg'];
    if (isFields(argument['A_Const']) && argument['A_Const']['isnull'] === true) return;
    if (reg.array || type['arrayBounds'] !== undefined) {
      const list = isFields(argument['A_Const']) ? textOf(argument['A_Const']) : undefined;
      if (list !== undefined && TYPE_LIST.test(list)) {
        // '{int4,text}': the names are looked up one by one.
        if (
          kind !== 'type' ||
          list
            .slice(1, -1)
            .split(',')
            .some((one) => this.#leadsOut(one, kind))
        )
          this.refusal = 'outside';
        return;
      }
      node['arg'] = this.#put(scope.sql.array(kind, GIVEN), argument);
      return;
    }
    const literal = literalOf(argument);
    if (literal !== undefined && !/^\d+$/.test(literal)) {
      if (kind === 'namespace' ? !this.#schemaInSight(literal) : this.#leadsOut(literal, kind))
        this.refusal = 'outside';
      else if (kind === 'class') node['arg'] = this.#relation('class', argument, literal, '') ?? argument;
      return;
    }
    const given = literal === undefined ? GIVEN : `(${GIVEN})::pg_catalog.oid`;
    const sql =
      kind === 'namespace'
        ? scope.sql.schema(GIVEN)
        : kind === 'class' && literal === undefined && !isNumber(argument) && !endsInOid(argument)
          ? scope.sql.named(GIVEN)
          : scope.sql.oid(kind, given);
    node['arg'] = this.#put(sql, argument);
  }

  #leadsOut(text: string, kind: ObjectKind): boolean {
    const { scope, path } = this.#parts;
    if (kind === 'type' ? leadsOut(text, scope.seen) : nameLeadsOut(text, scope.seen)) return true;
    if (kind === 'class' || !pathLeadsOut(path, scope.seen)) return false;
    const parts = namedIn(text) ?? [];
    const name = parts.at(-1) ?? '';
    if (parts.length > 1) return false;
    if (kind === 'type') return scope.knowledge.names.type([name], path).kind === 'missing';
    if (kind !== 'proc') return !CONFIGS.has(name);
    const type = /^(.+)_(?:in|out|recv|send)$/.exec(name)?.[1];
    return builtinFunction(name) === undefined && !(type !== undefined && (type === 'array' || isBuiltinType(type)));
  }

  #schemaInSight(text: string): boolean {
    const plain = /^\s*(?:"((?:[^"]|"")*)"|([^\s"]+))\s*$/.exec(text);
    const name = plain?.[1]?.replaceAll('""', '"') ?? plain?.[2];
    // has_schema_privilege takes it as it is, regnamespace folds it.
    return name !== undefined && (this.#parts.scope.seen.has(name) || this.#parts.scope.seen.has(name.toLowerCase()));
  }

  #refuse(what: string): undefined {
    this.refusal = what;
    return undefined;
  }

  /** SQL with what is given in its place. */
  #put(sql: string, given?: Fields): Fields {
    this.changed = true;
    const raw = parseOne(`SELECT ${sql}`);
    const [target] =
      raw !== undefined && Array.isArray(raw.node['targetList']) ? (raw.node['targetList'] as unknown[]) : [];
    const value = isFields(target) && isFields(target['ResTarget']) ? target['ResTarget']['val'] : undefined;
    if (!isFields(value)) throw new Error(`no SQL: ${sql}`);
    if (given !== undefined) fill(value, given);
    return value;
  }
}

/** A list of plain names. */
const TYPE_LIST = /^\{[a-z_][\w.]*(?:,[a-z_][\w.]*)*\}$/;

const GIVEN = '"hoop given"';

function fill(tree: unknown, given: Fields): void {
  if (Array.isArray(tree)) for (const item of tree) fill(item, given);
  if (!isFields(tree)) return;
  const reference = tree['ColumnRef'];
  if (isFields(reference) && nameParts(reference['fields'])?.[0] === 'hoop given') {
    delete tree['ColumnRef'];
    Object.assign(tree, given);
    return;
  }
  for (const key in tree) fill(tree[key], given);
}

const SEQUENCES: ReadonlySet<string> = new Set(['nextval', 'setval', 'currval']);
const PLAIN_KINDS: ReadonlyMap<string, ObjectKind> = new Map<string, ObjectKind>([
  ...['to_regtype', 'to_regtypemod', 'regtype'].map((name): [string, ObjectKind] => [name, 'type']),
  ...['to_regproc', 'to_regprocedure'].map((name): [string, ObjectKind] => [name, 'proc']),
]);
/** Configurations of text search that come with the server, and as its dictionaries are called. */
const CONFIGS: ReadonlySet<string> = new Set(
  `simple arabic armenian basque catalan danish dutch english finnish french german greek hindi hungarian indonesian irish italian lithuanian nepali norwegian
  portuguese romanian russian serbian spanish swedish tamil turkish yiddish`.split(/\s+/),
);
/** Functions that take the relation as a text. */
const TEXTUAL: ReadonlySet<string> = new Set(['pg_get_serial_sequence', 'to_regclass', 'regclass']);

/** What a child of this node stands in, for a parameter whose type PostgreSQL finds by it. */
function withinOf({ kind, node, field }: Site, parent: string): string {
  if (kind === 'FuncCall') return UNIFYING_CALLS.has(nameParts(node['funcname'])?.at(-1) ?? '') ? UNIFIED : kind;
  if (kind === 'List') return parent === UNIFIED ? UNIFIED : `List ${field}`;
  // A comparison looks nothing up: of an OID with a text it takes the text for a number. Other operators may be those of arrays.
  if (kind === 'A_Expr') {
    const name = nameParts(node['name'])?.at(-1) ?? '';
    return node['kind'] !== 'AEXPR_IN' && !JOINING.has(name) ? kind : UNIFIED;
  }
  return kind;
}

const UNIFIED = 'unified';
const JOINING: ReadonlySet<string> = new Set(['||', '@>', '<@', '&&']);

/** Where values are brought to one type. */
const UNIFYING: ReadonlySet<string> = new Set([
  'CoalesceExpr',
  'CaseExpr',
  'CaseWhen',
  'MinMaxExpr',
  'A_ArrayExpr',
  UNIFIED,
  'List valuesLists',
]);

/** `'…'`, also as `'…'::text` or `'…'::regclass`. */
function literalOf(node: Fields): string | undefined {
  if (isFields(node['A_Const'])) return textOf(node['A_Const']);
  const cast = node['TypeCast'];
  return isFields(cast) && isFields(cast['arg']) && TEXTS.has(typeNameOf(cast)) ? literalOf(cast['arg']) : undefined;
}

const TEXTS: ReadonlySet<string> = new Set(['text', 'varchar', 'name', 'oid', ...REG_TYPES.keys()]);

function typeNameOf(cast: Fields): string {
  const type = cast['typeName'];
  return isFields(type) && type['arrayBounds'] === undefined ? (nameParts(type['names'])?.at(-1) ?? '') : '';
}

function setText(node: Fields, text: string): void {
  if (isFields(node['A_Const'])) node['A_Const']['sval'] = { sval: text };
  else if (isFields(node['TypeCast']) && isFields(node['TypeCast']['arg'])) setText(node['TypeCast']['arg'], text);
}

function textOf(constant: Fields): string | undefined {
  const value = constant['sval'];
  if (!isFields(value)) return undefined;
  return typeof value['sval'] === 'string' ? value['sval'] : '';
}

function isNumber(node: Fields): boolean {
  return isFields(node['A_Const']) && isFields(node['A_Const']['ival']);
}

/** A column that by its name holds OIDs. If it does not, PostgreSQL says so. */
function endsInOid(node: Fields): boolean {
  const reference = node['ColumnRef'];
  const last =
    isFields(reference) && Array.isArray(reference['fields']) ? stringOf(reference['fields'].at(-1)) : undefined;
  return last !== undefined && (last.endsWith('oid') || OID_COLUMNS.test(last));
}

const OID_COLUMNS = /relid$|^(?:inhparent|indexrelid|ev_class|reltoastrelid|conindid|refobjid|objid)$/;
