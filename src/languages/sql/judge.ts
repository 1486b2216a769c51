/** Reads one statement: what it does, what it touches, what is to be sent instead, or why it must not be sent. */
import type { Effect, Span } from '../../domain/command.ts';
import type { SqlBasis, SqlRefusal, StatementAnalysis } from './analysis.ts';
import { type ControlReading, readDiscard, readSet, readSetConfig, readTransaction } from './control.ts';
import { credentialsIn } from './credentials.ts';
import { factsOf } from './fact-reading.ts';
import { copyOf, cursorOf, preparedOf } from './forms.ts';
import { gather } from './gather.ts';
import type { Relation } from './catalog.ts';
import type { Gathered } from './gathered.ts';
import { dependentsOf, emptiesOthers } from './dependents.ts';
import { accessesOf, REWRITABLE, refusalOf } from './guard.ts';
import { lockedRefusal } from './locked.ts';
import type { MaskBook, MaskedRelation } from './masks.ts';
import { effectivePath } from './names.ts';
import { literalSpans, type RawStatement } from './parser.ts';
import { resolve } from './resolve.ts';
import { type HashOutputs, hashPlaces, showHashes } from './hash-outputs.ts';
import { refuse } from './refusing.ts';
import { MOST_LAYERS, openOnce } from './open.ts';
import { maskReturning } from './returning.ts';
import { isStandIn, rewrite } from './rewrite.ts';
import { type Aim, findStruck, namesOf, parametersIn } from './struck.ts';
import { hasDependentsOutside, knowledgeFor, narrow, outsideRefusal, type Scope } from './scope.ts';
import { shownMasks } from './shown.ts';
import { touchedBy } from './touched.ts';
import { eachObject, type Fields, isFields, type Site } from './tree.ts';
import type { Access, Behind, Knowledge, Resolved } from './understanding.ts';
import { watchedColumns } from './watched.ts';

export interface Bench {
  readonly basis: Omit<SqlBasis, 'catalog'>;
  readonly knowledge: Knowledge;
  readonly book: MaskBook;
  readonly scope?: Scope;
}

export function judgeStatement(text: string, raw: RawStatement, whole: Bench): StatementAnalysis {
  const bench = { ...whole, knowledge: knowledgeFor(raw.kind, whole.scope, whole.knowledge) };
  const { basis, knowledge, book, scope } = bench;
  const path = effectivePath(basis.searchPath);
  const site: Site = { kind: raw.kind, node: raw.node, field: 'stmt' };
  if (book.masked.size > 0) maskReturning(site, knowledge, book, path);
  const gathered = gather(raw.kind, raw.node);
  const resolved = resolve(knowledge, gathered, path);
  const own = ownControl(raw, basis);
  const calls = settingCalls(raw, gathered, basis);
  const touched = touchedBy(raw, gathered, resolved, knowledge, path, scope !== undefined);
  const watched = watchedColumns(resolved, knowledge, basis.watched ?? []);
  const functionsDo = functionEffects(gathered, resolved, calls);
  // What it names is known from how it was written; what it would show, from how it looks with views opened.
  const opened = basis.guarded ? openAll(raw, { gathered, resolved }, bench, path) : { gathered, resolved };
  const behind = basis.guarded ? behindOf(raw, opened.resolved, knowledge) : [];
  const masked = maskedUses(opened.resolved, book);

  const effects = new Set<Effect>([...gathered.effects, ...functionsDo]);
  if (own !== undefined) effects.add(own.effect);
  for (const call of calls) effects.add(call.effect);
  for (const one of behind) for (const effect of one.effects) effects.add(effect);
  for (const { access } of touched.resources) if (access === 'transfer' || access === 'administer') effects.add(access);
  for (const effect of viewEffects(resolved, knowledge)) effects.add(effect);

  const control = [...(own?.control ?? []), ...calls.flatMap((call) => call.control)];
  const shown = shownMasks(raw.kind, raw.node, masked);
  const behindWall = namesUnfollowed(opened.resolved, knowledge, book);
  const aim = masked.length === 0 && !behindWall ? undefined : { ...aimOf(raw, masked, book), everything: behindWall };
  const credentials = credentialsIn(text, raw);
  const struck = findStruck(site, aim);
  const struckSpans = [...literalSpans(text, struck.starts), ...credentials.spans];
  const prepared = preparedOf(raw, effects, text);
  const facts = factsOf({ raw, gathered, resolved, touched, masked: masked.map(({ hit }) => hit), own });

  const namesOutside = scope !== undefined && hasDependentsOutside(resolved, raw, scope);

  // Everything that needs the tree as it was written is done: the rewrite changes it.
  const locked = lockedRefusal(resolved, knowledge, basis.guarded);
  const guarded = locked
    ? { refused: locked }
    : basis.guarded
      ? guard(raw, opened, bench, behind, own, calls, path)
      : {};
  const hashed = shown === undefined ? undefined : hashPlaces(raw);
  return {
    kind: raw.kind,
    start: raw.start,
    length: raw.length,
    effects: [...effects],
    resources: touched.resources,
    facts,
    schemas: touched.schemas,
    objects: touched.objects,
    ...guarded,
    touchesMasked: masked.length > 0,
    ...(namesOutside ? { namesOutside } : {}),
    ...(shown === undefined ? {} : { shown: hashed === undefined ? shown : { ...shown, hashed } }),
    ...(watched.length === 0 ? {} : { watched }),
    ranUserCode: opened.resolved.reached.length > 0 || behind.some((one) => one.reached.length > 0),
    struck: struckSpans,
    struckParameters: credentials.withParameters ? parametersIn(site) : struck.parameters,
    parameters: gathered.parameters,
    control,
    ...(prepared === undefined ? {} : { prepared }),
    ...cursorOf(raw),
    ...copyOf(
      raw,
      masked.find(({ use }) => use.role === 'target'),
    ),
  };
}

interface Looked {
  readonly gathered: Gathered;
  readonly resolved: Resolved;
}

/** Changes the tree where a view, or the form of the statement, stands before a masked table. */
function openAll(raw: RawStatement, looked: Looked, { knowledge, book }: Bench, path: readonly string[]): Looked {
  if (book.masked.size === 0) return looked;
  let now = looked;
  for (let layer = 0; layer < MOST_LAYERS && openOnce(raw, now.resolved, knowledge, book); layer++) {
    const gathered = gather(raw.kind, raw.node);
    now = { gathered, resolved: resolve(knowledge, gathered, path) };
  }
  return now;
}

interface MaskedUse {
  readonly use: Resolved['relations'][number]['use'];
  readonly hit: MaskedRelation;
}

function maskedUses(resolved: Resolved, book: MaskBook): MaskedUse[] {
  if (book.masked.size === 0) return [];
  return resolved.relations.flatMap(({ use, meaning }) => {
    const hit = meaning.kind === 'user' ? book.masked.get(meaning.relation.oid) : undefined;
    return hit === undefined ? [] : [{ use, hit }];
  });
}

function ownControl(raw: RawStatement, basis: Bench['basis']): ControlReading | undefined {
  switch (raw.kind) {
    case 'TransactionStmt':
      return readTransaction(raw.node);
    case 'VariableSetStmt':
      return readSet(raw.node, basis.pinned ?? {});
    case 'DiscardStmt':
      return readDiscard(raw.node);
    case 'ConstraintsSetStmt':
      return { effect: 'control', control: [{ op: 'constraints' }], name: 'set constraints' };
    default:
      return undefined;
  }
}

/** Calls of set_config, each judged as the SET it is. */
function settingCalls(raw: RawStatement, gathered: Gathered, basis: Bench['basis']): ControlReading[] {
  return gathered.functions
    .filter(({ names }) => names.at(-1) === 'set_config')
    .map(({ node }) => readSetConfig(node, runsOnce(raw, node), basis.pinned ?? {}));
}

// SELECT set_config(…), … with nothing that could leave the row out or multiply it.
function runsOnce(raw: RawStatement, call: Fields): boolean {
  if (raw.kind !== 'SelectStmt') return false;
  const extra = Object.keys(raw.node).filter((field) => !['targetList', 'limitOption', 'op'].includes(field));
  const outputs = Array.isArray(raw.node['targetList']) ? raw.node['targetList'] : [];
  return (
    extra.length === 0 &&
    outputs.some(
      (item) =>
        isFields(item) &&
        isFields(item['ResTarget']) &&
        isFields(item['ResTarget']['val']) &&
        item['ResTarget']['val']['FuncCall'] === call,
    )
  );
}

// A set_config whose arguments are literals is what its setting is, not `unknown` by name.
function functionEffects(gathered: Gathered, resolved: Resolved, calls: readonly ControlReading[]): Effect[] {
  if (calls.length === 0) return [...resolved.effects];
  const others = gathered.functions.some(
    ({ names }, index) =>
      names.at(-1) !== 'set_config' &&
      (resolved.functions[index]?.meaning.builtin === 'unknown' ||
        resolved.functions[index]?.meaning.builtin === undefined),
  );
  return [...resolved.effects].filter((effect) => effect !== 'unknown' || others || resolved.missing.length > 0);
}

function viewEffects(resolved: Resolved, knowledge: Knowledge): Effect[] {
  return resolved.relations.flatMap(({ meaning }) => {
    if (meaning.kind !== 'user' || (meaning.relation.kind !== 'v' && meaning.relation.kind !== 'm')) return [];
    const view = knowledge.view(meaning.relation);
    return meaning.relation.kind === 'm' ? [] : view ? [...view.resolved.effects] : ['unknown'];
  });
}

/** What the definitions of the touched relations run, those below views too. */
function behindOf(raw: RawStatement, resolved: Resolved, knowledge: Knowledge): Behind[] {
  return resolved.relations.flatMap(({ use, meaning }) => {
    if (meaning.kind !== 'user') return [];
    const own = accessesOf(use, use.modifies ?? raw.node);
    // An UPDATE may move rows from one partition to another.
    const moves = meaning.relation.kind === 'p' && own.includes('update');
    const accesses: readonly Access[] = moves ? ['read', 'insert', 'update', 'delete'] : own;
    const behindView = meaning.relation.kind === 'v' ? (knowledge.view(meaning.relation)?.relations ?? []) : [];
    const named = [meaning.relation, ...behindView].flatMap((relation) => [relation, ...knowledge.below(relation)]);
    const touched = emptiesOthers(raw) ? [...named, ...dependentsOf(named, knowledge)] : named;
    return touched.flatMap((relation) => accesses.map((access) => knowledge.ofRelation(relation, access)));
  });
}

function guard(
  raw: RawStatement,
  looked: Looked,
  bench: Bench,
  behind: readonly Behind[],
  own: ControlReading | undefined,
  calls: readonly ControlReading[],
  path: readonly string[],
): Partial<Pick<StatementAnalysis, 'refused' | 'rewrite'>> {
  const { knowledge, book, scope } = bench;
  const outside = scope && outsideRefusal(raw, looked.gathered, scope);
  if (outside !== undefined) return { refused: outside };
  const changed = [...(own === undefined ? [] : [own]), ...calls].find((reading) => reading.effect === 'unknown');
  if (changed !== undefined) return { refused: settingRefusal(changed) };
  const { hashes, gathered, resolved } = hashesIn(raw, looked, bench, path);
  const refused = refusalOf({ raw, gathered, resolved, knowledge, book, behind, hashes });
  if (refused !== undefined) return { refused };
  const narrowed = scope && narrow({ raw, resolved, scope, book, path });
  if (narrowed !== undefined) return { refused: narrowed };
  if (!REWRITABLE.has(raw.kind)) return {};
  const aimed = maskedUses(resolved, book);
  const rewritten = rewrite(raw, resolved, book, hashes?.wanted);
  if (rewritten.kind === 'failed')
    return { refused: refuse('NOT_REWRITABLE', rewritten.reason, 'write it in a plainer form', '0A000') };
  return { rewrite: { text: rewritten.text, struck: struckAgain(rewritten.text, rewritten.statement, aimed, book) } };
}

/** Changes the tree where a column that is masked by its hash is an output. */
function hashesIn(
  raw: RawStatement,
  looked: Looked,
  { knowledge, book }: Bench,
  path: readonly string[],
): Looked & { readonly hashes: HashOutputs | undefined } {
  const any = maskedUses(looked.resolved, book).some(({ hit }) =>
    [...hit.columns.values()].some((column) => column.with === 'hash'),
  );
  if (!any) return { ...looked, hashes: undefined };
  const hashes = showHashes(raw, looked.resolved, book);
  const gathered = gather(raw.kind, raw.node);
  return { gathered, resolved: resolve(knowledge, gathered, path), hashes };
}

function settingRefusal(reading: ControlReading): SqlRefusal {
  const what = reading.setting === undefined ? reading.name.toUpperCase() : `setting ${reading.setting}`;
  return refuse(
    'NOT_SUPPORTED',
    `${what} would change what statements mean or who runs them`,
    'leave it out: the gateway sets up the session',
  );
}

function struckAgain(
  text: string,
  statement: RawStatement,
  masked: readonly MaskedUse[],
  book: MaskBook,
): readonly Span[] {
  if (masked.length === 0) return [];
  const site: Site = { kind: statement.kind, node: statement.node, field: 'stmt' };
  return literalSpans(text, findStruck(site, aimOf(statement, masked, book)).starts);
}

function aimOf(raw: RawStatement, masked: readonly MaskedUse[], book: MaskBook): Aim {
  const columns = new Set(masked.flatMap(({ hit }) => [...hit.columns.keys()]));
  const names = namesOf({ kind: raw.kind, node: raw.node, field: 'stmt' }, [
    ...columns,
    ...masked.map(({ use }) => use.alias),
  ]);
  const positions = new Set<number>();
  const targets = new Set<Fields>();
  for (const { use, hit } of masked) {
    if (use.role !== 'target') continue;
    const writable = hit.relation.columns;
    writable.forEach((column, index) => {
      if (hit.columns.has(column.name)) positions.add(index);
    });
  }
  // Told by name: after a rewrite the nodes are others.
  const aimed = new Set(masked.filter(({ use }) => use.role === 'target').map(({ hit }) => hit.relation.name));
  if (aimed.size > 0) {
    eachObject(raw.node, (node) => {
      if (isFields(node['relation']) && aimed.has(String(node['relation']['relname']))) targets.add(node);
    });
  }
  return { columns, names, positions, targets, everything: false, skip: (site) => isStandIn(site, book) };
}

/** A view that was not opened has masked columns under names of its own, and a table whose mask was lost under unknown ones. */
function namesUnfollowed(resolved: Resolved, knowledge: Knowledge, book: MaskBook): boolean {
  const lost = (relation: Relation) => book.closed.has(relation.oid) && !book.masked.has(relation.oid);
  const hides = (relation: Relation) => book.closed.has(relation.oid) || book.masked.has(relation.oid);
  return resolved.relations.some(({ meaning }) => {
    if (meaning.kind !== 'user') return false;
    const { relation } = meaning;
    const isView = relation.kind === 'v' || relation.kind === 'm';
    return lost(relation) || (isView && (knowledge.view(relation)?.relations.some(hides) ?? book.masked.size > 0));
  });
}
