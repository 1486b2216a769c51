/**
 * Two databases that differ only in what is masked or out of scope, behind one gateway: whatever a client sends, both must answer with the same bytes.
 * Whoever could tell them apart by any channel (values, counts, order, errors) has learnt something of what is hidden.
 */
import { Socket } from 'node:net';
import pg from 'pg';
import { DATABASE_PASSWORD, type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import type { RunningPostgres } from '../fakes/postgres.ts';

/** Hidden values: in the shop, and in its twin. No text of a test holds one of them. */
export const HIDDEN = [
  ...[
    '219-09-9999',
    '457-55-5462',
    '078-05-1120',
    '123-45-6789',
    '321-54-9876',
    '4111 1111 1111 1111',
    '5555 5555 5555 4444',
  ],
  ...[
    '3782 822463 10005',
    '6011 1111 1111 1117',
    '4012 8888 8888 1881',
    '911-22-3344',
    '822-33-4455',
    '733-44-5566',
    '644-55-6677',
  ],
  ...[
    '555-66-7788',
    '4222 2222 2222 2',
    '5105 1051 0510 5100',
    '3714 496353 98431',
    '6011 0009 9013 9424',
    '4000 0566 5566 5556',
  ],
  ...['98765432', '12345678'],
];

/** Everything that a hidden value could come through. */
const OBJECTS = `
CREATE TABLE plain (id int, ssn text);
INSERT INTO plain VALUES (1, 'not-hidden');
CREATE TABLE audit_copy (id int, note text);
INSERT INTO audit_copy VALUES (1, 'nothing');

CREATE VIEW v_customers AS SELECT * FROM customers;
CREATE VIEW v_renamed AS SELECT id, ssn AS title FROM customers;
CREATE VIEW v_nested AS SELECT id, upper(title) AS shout FROM v_renamed;
CREATE MATERIALIZED VIEW mv_customers AS SELECT id, ssn AS title FROM customers;

CREATE TABLE measured (id int, ssn text) PARTITION BY RANGE (id);
CREATE TABLE measured_1 PARTITION OF measured FOR VALUES FROM (0) TO (100);
INSERT INTO measured SELECT id, ssn FROM customers;
CREATE TABLE parent_t (id int, ssn text);
CREATE TABLE child_t (extra text) INHERITS (parent_t);
INSERT INTO child_t SELECT id, ssn, 'x' FROM customers;

CREATE TABLE members (id int PRIMARY KEY, ssn text UNIQUE NOT NULL, age int CHECK (age > 0), CHECK (length(ssn) > 3));
INSERT INTO members SELECT id, ssn, 30 FROM customers;
CREATE TABLE badges (id int PRIMARY KEY, ssn text REFERENCES members (ssn));
INSERT INTO badges SELECT id, ssn FROM members WHERE id = 1;
CREATE TABLE numbers (id int, salary int);
INSERT INTO numbers SELECT id, replace(left(ssn, 3), '-', '')::int FROM customers;

CREATE FUNCTION get_ssn() RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM customers WHERE id = 1';
CREATE FUNCTION first_ssn(customers) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.ssn';
CREATE FUNCTION raise_ssn() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM customers LIMIT 1); RETURN 1; END $$;
CREATE FUNCTION imm() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM customers LIMIT 1); RETURN 1; END $$;
CREATE FUNCTION op_ssn(int, int) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM customers WHERE id = $1';
CREATE OPERATOR !## (LEFTARG = int, RIGHTARG = int, FUNCTION = op_ssn);
CREATE AGGREGATE gather(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
CREATE FUNCTION on_order() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO audit_copy SELECT 2, ssn FROM customers WHERE id = 1; RAISE NOTICE '%', (SELECT ssn FROM customers LIMIT 1); RETURN NEW; END $$;
CREATE TABLE watched (id int);
CREATE TRIGGER watch BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION on_order();
CREATE TYPE pair AS (a int, b text);

CREATE SCHEMA hr;
CREATE TABLE hr.employees (id int, salary int, name text);
INSERT INTO hr.employees VALUES (1, 98765432, 'Fay Osei');
CREATE VIEW v_hr AS SELECT * FROM hr.employees;
CREATE TABLE dept (id int, pay int) PARTITION BY LIST (id);
CREATE TABLE hr.dept_1 PARTITION OF dept FOR VALUES IN (1);
INSERT INTO dept VALUES (1, 98765432);

GRANT USAGE ON SCHEMA hr TO shop_agent;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, hr TO shop_agent;
GRANT CREATE ON SCHEMA public TO shop_agent;
ANALYZE;`;

const MASKED = [
  'customers.ssn',
  'customers.card',
  'measured.ssn',
  'parent_t.ssn',
  'members.ssn',
  'badges.ssn',
  'numbers.salary',
];

/** In both databases alike, so that rows lie in the same places; only the values differ. */
function values(ssn: string, card: string, salary: string): string {
  return `
ALTER TABLE badges DROP CONSTRAINT badges_ssn_fkey;
UPDATE customers SET ssn = ${ssn}, card = ${card};
UPDATE measured SET ssn = ${ssn};
UPDATE parent_t SET ssn = ${ssn};
UPDATE members SET ssn = ${ssn};
UPDATE badges SET ssn = ${ssn};
UPDATE numbers SET salary = ${salary};
ALTER TABLE badges ADD CONSTRAINT badges_ssn_fkey FOREIGN KEY (ssn) REFERENCES members (ssn);
UPDATE hr.employees SET salary = ${salary};
UPDATE dept SET pay = ${salary};
REFRESH MATERIALIZED VIEW mv_customers;
ANALYZE;`;
}

const chosen = (list: readonly string[]) => `(ARRAY[${list.map((one) => `'${one}'`).join(',')}])[id]`;
const TWIN = values(chosen(HIDDEN.slice(10, 15)), chosen(HIDDEN.slice(15, 20)), '12345678');

async function twin(postgres: RunningPostgres): Promise<void> {
  await postgres.sql('GRANT TEMP ON DATABASE shop TO shop_agent');
  await postgres.sql('CREATE DATABASE twin TEMPLATE shop');
  await postgres.sql('GRANT CONNECT, TEMP ON DATABASE twin TO shop_agent');
  await postgres.sql(values('ssn', 'card', '98765432'), 'shop');
  await postgres.sql(TWIN, 'twin');
}

// As wide as a policy can be: what is held back is held back by masks and scope alone.
const POLICY = `version: 1
access:
  - name: wide
    subjects: { groups: [data-agents] }
    targets: ['*']
    effects: [read, write, delete, define, execute, administer, transfer, unknown]
    scope: { schemas: [public] }
  - { name: open, subjects: { groups: [db-owners] }, targets: ['*'], effects: [read] }
rules:
  - { name: whatever, targets: ['*'], when: { effects: [execute, administer, transfer, unknown] }, then: allow }
masks:
  - name: hidden
    targets: ['*']
    columns: [${MASKED.map((column) => `public.${column}`).join(', ')}]
    with: redact
    subjects: { groups: [data-agents] }
`;

export interface Twins extends AsyncDisposable {
  readonly stack: Stack;
  /** Sends the same to both, through the gateway. @returns all bytes that came back, of each */
  ask(statements: readonly Statement[]): Promise<readonly [Buffer, Buffer]>;
  /** The same without a gateway, as the account it uses; undone afterwards. */
  askDirectly(statements: readonly Statement[]): Promise<readonly [Buffer, Buffer]>;
}

export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly name?: string;
  readonly binary?: boolean;
  /** The extended protocol even without values. */
  readonly extended?: boolean;
}

export async function startTwins(): Promise<Twins> {
  const stack = await startStack({
    policy: POLICY,
    sql: OBJECTS,
    prepare: twin,
    gatewayYaml: (yaml) =>
      yaml +
      yaml.slice(yaml.indexOf('  shop:')).replace('  shop:', '  twin:').replace('database: shop', 'database: twin'),
  });
  const runs: readonly [StackRun, StackRun] = [await stack.run('dana'), await stack.run('dana', { target: 'twin' })];
  const { host, port } = stack.postgres;
  const direct = { host, port, user: 'shop_agent', password: DATABASE_PASSWORD };
  return {
    stack,
    ask: (statements) =>
      both(
        runs.map(({ connection }) => connection),
        statements,
        false,
      ),
    askDirectly: (statements) =>
      both(
        ['shop', 'twin'].map((database) => ({ ...direct, database })),
        statements,
        true,
      ),
    async [Symbol.asyncDispose]() {
      for (const run of runs) await run[Symbol.asyncDispose]();
      await stack[Symbol.asyncDispose]();
    },
  };
}

async function both(
  connections: readonly pg.ClientConfig[],
  statements: readonly Statement[],
  undo: boolean,
): Promise<readonly [Buffer, Buffer]> {
  const [one, two] = await Promise.all(connections.map((connection) => said(connection, statements, undo)));
  return [one as Buffer, two as Buffer];
}

async function said(connection: pg.ClientConfig, statements: readonly Statement[], undo: boolean): Promise<Buffer> {
  const socket = new Socket();
  const client = new pg.Client({ ...connection, stream: () => socket } as pg.ClientConfig);
  client.on('error', () => {});
  await client.connect();
  const chunks: Buffer[] = [];
  if (undo) await client.query('BEGIN');
  socket.on('data', (chunk) => void chunks.push(chunk));
  for (const { extended, ...query } of statements) {
    const config = { ...query, ...(extended ? { queryMode: 'extended' } : {}) } as pg.QueryConfig;
    const handled = { ...config, values: query.values === undefined ? undefined : [...query.values] } as pg.QueryConfig;
    await client.query(handled).catch(() => {});
  }
  // Node-postgres hands an error on before it has read what ends its turn: another answer comes only behind that.
  await client.query('').catch(() => {});
  const bytes = Buffer.concat(chunks);
  await client.end().catch(() => {});
  return bytes;
}
