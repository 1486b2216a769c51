/** Makes the names of a tree mean what they were found to mean, wherever the tree is read: every relation, function, operator and type with its schema. */
import type { Relation } from './catalog.ts';
import { isOurs } from './ours.ts';
import { eachChild, eachObject, type Fields, isFields, nameParts, stringNode } from './tree.ts';
import type { Resolved } from './understanding.ts';

type Named = Pick<Relation, 'schema' | 'name'>;

/** Changes the tree that was resolved. */
export function qualify(resolved: Resolved): void {
  for (const { use, meaning } of resolved.relations) {
    delete use.node['catalogname'];
    if (meaning.kind === 'user') use.node['schemaname'] = meaning.relation.schema;
    else if (meaning.kind === 'system') use.node['schemaname'] = meaning.schema;
  }
  for (const { use, meaning } of resolved.functions) {
    if (use.names.length !== 1) continue;
    const schema = meaning.user.length > 0 ? meaning.user[0]?.schema : 'pg_catalog';
    if (schema !== undefined) use.node['funcname'] = [schema, ...use.names].map(stringNode);
  }
  for (const { use, builtin, schema } of resolved.operators) {
    plainLike(use.node);
    if (use.field === undefined || use.names.length !== 1) continue;
    const where = builtin ? 'pg_catalog' : schema;
    if (where !== undefined) use.node[use.field] = [where, ...use.names].map(stringNode);
  }
  for (const { node, meaning } of resolved.types) {
    const names = nameParts(node['names']);
    if (names?.length !== 1) continue;
    const schema = meaning.kind === 'user' ? meaning.type.schema : 'pg_catalog';
    node['names'] = [schema, ...names].map(stringNode);
  }
}

// LIKE, ILIKE and SIMILAR TO are other spellings of operators; only as operators can they be qualified.
function plainLike(node: Fields): void {
  if (!LIKES.has(String(node['kind']))) return;
  node['kind'] = 'AEXPR_OP';
  node['name'] = ['pg_catalog', ...(nameParts(node['name']) ?? [])].map(stringNode);
}

const LIKES: ReadonlySet<string> = new Set(['AEXPR_LIKE', 'AEXPR_ILIKE', 'AEXPR_SIMILAR']);

/**
 * Whether shortening would make a reference mean something else: some other part of the statement goes by the table's name too.
 *
 * @param replaced what would come to be sub-queries of their names
 */
export function shortensToOther(root: Fields, replaced: readonly Named[]): boolean {
  const long = new Set<Named>();
  const names = new Set<unknown>();
  eachObject(root, (node) => {
    const { ColumnRef: reference, alias, ctename } = node;
    const fields = isFields(reference) && Array.isArray(reference['fields']) ? reference['fields'] : [];
    const [schema, table] = fields.length < 3 ? [] : (nameParts(fields.slice(0, -1)) ?? []).slice(-2);
    for (const one of replaced) if (one.schema === schema && one.name === table) long.add(one);
    if (isFields(alias)) names.add(alias['aliasname']);
    if (ctename !== undefined) names.add(ctename);
    for (const one of replaced)
      if (node['relname'] === one.name && (node['schemaname'] ?? one.schema) !== one.schema) names.add(one.name);
  });
  return [...long].some(({ name }) => names.has(name));
}

// `public.customers.id` cannot name a column of a sub-query; `customers.id` can, for the sub-query keeps the table's name.
export function shortenReferences(node: Fields, replaced: readonly Named[]): void {
  eachChild('', node, (site) => {
    if (site.kind !== 'ColumnRef') {
      if (!isOurs(site.node)) shortenReferences(site.node, replaced);
      return;
    }
    const fields = site.node['fields'];
    if (!Array.isArray(fields) || fields.length < 3) return;
    const names = nameParts(fields.slice(0, -1)) ?? [];
    const [schema, table] = names.slice(-2);
    if (replaced.some((relation) => relation.schema === schema && relation.name === table))
      site.node['fields'] = fields.slice(-2);
  });
}
