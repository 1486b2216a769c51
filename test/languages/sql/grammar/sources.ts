/** The tables and views of the shop as made-up statements see them, and the ways to put two of them together. */
import fc from 'fast-check';

/** What a column holds, as far as an expression must know. */
type Kind = 'text' | 'number' | 'other';

interface Table {
  readonly name: string;
  readonly columns: Readonly<Record<string, Kind>>;
}

/** A column as it is written, with its table's alias or, where a join merged two, by itself. */
interface Column {
  readonly written: string;
  readonly name: string;
  readonly kind: Kind;
}

/** What can be named in a statement. */
export interface Scope {
  readonly columns: readonly Column[];
  /** Of tables whose whole row is a value. */
  readonly aliases: readonly string[];
}

export interface Source {
  readonly from: string;
  readonly scope: Scope;
}

type Columns = Table['columns'];

const person: Columns = {
  ...({ id: 'number', name: 'text', email: 'text', ssn: 'text', card: 'text', born: 'other' } as const),
  ...({ score: 'number', mood: 'other', tags: 'other', grp: 'number', hint: 'text' } as const),
};
const hidden: Columns = { id: 'number', secret: 'text' };

/** With masked columns, or over such. Those that come oftener stand here twice. */
const MASKED: readonly Table[] = [
  ...['customers', 'customers', 'customers', 'v_all', 'legs', 'legs_1', 'legs_2'].map((name) => ({
    name,
    columns: person,
  })),
  ...['parts', 'parts_1', 'moved', 'moved_1', 'moved_2', 'sorted', 'sorted_1', 'parent'].map((name) => ({
    name,
    columns: hidden,
  })),
  { name: 'child', columns: { ...hidden, extra: 'text' } },
  { name: 'unique_secret', columns: { ...hidden, label: 'text' } },
  ...['secret_ref', 'leaf'].map((name) => ({ name, columns: { id: 'number', secret: 'number' } as const })),
  { name: 'mixed', columns: { id: 'number', secret: 'number', label: 'number', ratio: 'number' } },
  { name: 'late', columns: hidden },
  { name: 'points_at_secret', columns: hidden },
  { name: 'members', columns: { id: 'number', tenant: 'number', email: 'text' } },
  { name: 'members', columns: { id: 'number', tenant: 'number', email: 'text' } },
  ...['grown', 'grown_child'].map((name) => ({
    name,
    columns: { id: 'number', shown: 'text', kept: 'text' } as const,
  })),
  {
    name: 'odd',
    columns: { id: 'number', doc: 'other', marks: 'other', label: 'text', raw: 'other' },
  },
  { name: 'expiring', columns: { id: 'number', until: 'other', label: 'text' } },
  { name: 'v_customers', columns: { id: 'number', harmless: 'text' } },
  { name: 'v_nested', columns: { x: 'text' } },
  { name: 'v_shapes', columns: { id: 'number', shown: 'text', total: 'number', last: 'text' } },
  { name: 'v_groups', columns: { id: 'number', name: 'text', n: 'number', top: 'text' } },
  { name: 'v_first', columns: { grp: 'number', id: 'number', last: 'text' } },
  { name: 'v_ranked', columns: { id: 'number', place: 'number', shown: 'text' } },
  { name: 'v_down', columns: { n: 'number', card: 'text' } },
];

const CLEAR: readonly Table[] = [
  { name: 'plain', columns: { id: 'number', ssn: 'text', name: 'text' } },
  { name: 'plain', columns: { id: 'number', ssn: 'text', name: 'text' } },
  {
    name: 'orders',
    columns: { id: 'number', customer_id: 'number', amount: 'number', note: 'text', at: 'other' },
  },
  { name: 'watched', columns: { id: 'number', owner_ref: 'number', label: 'text' } },
  { name: 'refs', columns: { id: 'number', customer_ssn: 'text', customer_id: 'number' } },
  { name: 'hr.customers', columns: { id: 'number', ssn: 'text' } },
  { name: 'v_orders', columns: { id: 'number', amount: 'number' } },
  { name: 'branch', columns: { id: 'number', stem_id: 'number' } },
  // A client's own guesses, to be joined with what is masked.
  {
    name: "(VALUES (1, '919-01-0011', '***', 'name1'), (2, '52', '***1112', '***'), (3, '***', '***', NULL))",
    columns: { id: 'number', ssn: 'text', secret: 'text', email: 'text' },
  },
];

/** Those that nobody may read: their refusal is what is looked at. */
const CLOSED: readonly Table[] = [
  { name: 'v_barrier', columns: { id: 'number', ssn: 'text' } },
  ...['by_secret', 'by_secret_1', 'guarded_rows'].map((name) => ({ name, columns: hidden })),
  { name: 'mv_customers', columns: { id: 'number', ssn: 'text' } },
  { name: 'v_policies', columns: { id: 'number', ssn: 'text' } },
  { name: 'via_policy', columns: { id: 'number' } },
  { name: 'keyless', columns: { code: 'number', email: 'text' } },
];

export const table: fc.Arbitrary<Table> = fc.oneof(
  { weight: 60, arbitrary: fc.constantFrom(...MASKED) },
  { weight: 18, arbitrary: fc.constantFrom(...CLEAR) },
  { weight: 1, arbitrary: fc.constantFrom(...CLOSED) },
);

const VALUES = /^\(/;
const VIEW = /^v_|^mv_|^\(/;

/** @param bare as its alias is all there is to it */
export function scopeOf(one: Table, alias: string, bare = false): Scope {
  const columns = Object.entries(one.columns).map(([name, kind]) => ({
    written: bare ? name : `${alias}.${name}`,
    name,
    kind,
  }));
  return { columns, aliases: [alias] };
}

function together(a: Scope, b: Scope, merged: readonly Column[] = []): Scope {
  return { columns: [...a.columns, ...b.columns, ...merged], aliases: [...a.aliases, ...b.aliases] };
}

/** How one table is written where a table may stand. */
type Manner = 'plain' | 'only' | 'select' | 'renamed' | 'schema';

const single = fc
  .tuple(
    table,
    fc.constantFrom<Manner>('plain', 'plain', 'plain', 'plain', 'only', 'select', 'select', 'renamed', 'schema'),
  )
  .map(
    ([one, manner]) =>
      (alias: string) =>
        written(one, alias, manner),
  );

interface Written {
  readonly text: string;
  readonly scope: Scope;
}

function written(one: Table, alias: string, manner: Manner): Written {
  const scope = scopeOf(one, alias);
  const names = Object.keys(one.columns);
  if (VALUES.test(one.name)) return { text: `${one.name} AS ${alias} (${names.join(', ')})`, scope };
  const simple = { text: `${one.name} ${alias}`, scope };
  switch (manner) {
    case 'only':
      return VIEW.test(one.name) ? simple : { text: `ONLY ${one.name} ${alias}`, scope };
    case 'select':
      return { text: `(SELECT * FROM ${one.name}) ${alias}`, scope };
    case 'schema':
      return one.name.includes('.') ? simple : { text: `public.${one.name} AS ${alias}`, scope };
    case 'renamed': {
      // By the places of the table's own columns.
      const columns = Object.values(one.columns).map((kind, place) => ({
        written: `${alias}.k${place}`,
        name: `k${place}`,
        kind,
      }));
      const list = columns.map(({ name }) => name).join(', ');
      return one.name.startsWith('moved')
        ? simple
        : { text: `${one.name} AS ${alias} (${list})`, scope: { columns, aliases: [alias] } };
    }
    default:
      return simple;
  }
}

const on = fc.constantFrom('INNER', 'LEFT', 'RIGHT', 'FULL');
const JOINS = [
  ...['cross', 'on', 'on', 'using', 'using', 'natural', 'lateral', 'json', 'unnest', 'single', 'single'],
] as const;

/** One or two tables, called a and b. */
export const source: fc.Arbitrary<Source> = fc
  .tuple(single, single, fc.constantFrom(...JOINS), on, fc.nat(999), fc.nat(999))
  .map(([one, other, how, kind, m, n]) => joined(one('a'), other('b'), how, kind, m, n));

function joined(a: Written, b: Written, how: (typeof JOINS)[number], kind: string, m: number, n: number): Source {
  const both = together(a.scope, b.scope);
  const left = pick(a.scope.columns, m);
  const right = pick(b.scope.columns, n);
  const equal = `${textOf(left)} = ${textOf(right)}`;
  const common = commonOf(a.scope, b.scope);
  switch (how) {
    case 'on':
      return { from: `${a.text} ${kind} JOIN ${b.text} ON ${equal}`, scope: both };
    case 'using': {
      const shared = common.filter((_, index) => (m >> index) % 2 === 0);
      if (shared.length === 0) return { from: `${a.text} JOIN ${b.text} ON ${equal}`, scope: both };
      const names = shared.map(({ name }) => name).join(', ');
      return { from: `${a.text} ${kind} JOIN ${b.text} USING (${names})`, scope: together(a.scope, b.scope, shared) };
    }
    case 'natural':
      return common.length === 0 || clashes(a.scope, b.scope)
        ? { from: `${a.text}, ${b.text}`, scope: both }
        : { from: `${a.text} NATURAL ${kind} JOIN ${b.text}`, scope: together(a.scope, b.scope, common) };
    case 'lateral': {
      const inside = right.written.replace(/^b\./, 'y.');
      const text = `${a.text} ${n % 2 === 0 ? 'CROSS' : 'LEFT'} JOIN LATERAL (SELECT * FROM ${b.text.replace(/ b\b/, ' y')} WHERE ${inside}::text >= ${textOf(left)}) b`;
      return { from: n % 2 === 0 ? text : `${text} ON true`, scope: both };
    }
    case 'json':
      return {
        from: `${a.text}, jsonb_each_text(to_jsonb(a)) b`,
        scope: together(a.scope, scopeOf({ name: '', columns: { key: 'text', value: 'text' } }, 'b')),
      };
    case 'unnest':
      return {
        from: `${a.text}, unnest(ARRAY[${textOf(left)}, ${textOf(pick(a.scope.columns, n))}]) WITH ORDINALITY b (v, n)`,
        scope: together(a.scope, scopeOf({ name: '', columns: { v: 'text', n: 'number' } }, 'b')),
      };
    case 'single':
      return { from: a.text, scope: a.scope };
    default:
      return { from: `${a.text}, ${b.text}`, scope: both };
  }
}

/** Columns of the same name and kind, as a join merges them. */
function commonOf(a: Scope, b: Scope): readonly Column[] {
  return a.columns
    .filter((one) => b.columns.some((other) => other.name === one.name && other.kind === one.kind))
    .map(({ name, kind }) => ({ written: name, name, kind }));
}

function clashes(a: Scope, b: Scope): boolean {
  return a.columns.some((one) => b.columns.some((other) => other.name === one.name && other.kind !== one.kind));
}

export function pick<T>(list: readonly T[], n: number): T {
  return list[n % list.length] as T;
}

export function textOf({ written: name, kind }: Column): string {
  return kind === 'text' ? name : `${name}::text`;
}
