/** The demo's database: a small shop, with the values nobody should see. SSNs and card numbers are the well-known test ones. */

/** @param password of the login the gateway uses; letters and digits only */
export function shopSql(password: string): string {
  return `
CREATE DATABASE shop;
CREATE ROLE shop_agent LOGIN PASSWORD '${password}' NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION;
REVOKE TEMP ON DATABASE shop FROM PUBLIC;
GRANT CONNECT ON DATABASE shop TO shop_agent;`;
}

export const SHOP_TABLES = `
CREATE TABLE customers (
  id int PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL,
  ssn text NOT NULL,
  card text NOT NULL
);
CREATE TABLE orders (
  id int PRIMARY KEY,
  customer_id int NOT NULL,
  placed_at date NOT NULL,
  amount numeric(10,2) NOT NULL,
  status text NOT NULL
);
INSERT INTO customers VALUES
  (1, 'Ada Lindqvist',   'ada.lindqvist@example.test',   '219-09-9999', '4111 1111 1111 1111'),
  (2, 'Benedikt Okafor', 'benedikt.okafor@example.test', '457-55-5462', '5555 5555 5555 4444'),
  (3, 'Chiara Moreau',   'chiara.moreau@example.test',   '078-05-1120', '3782 822463 10005'),
  (4, 'Devraj Pillai',   'devraj.pillai@example.test',   '123-45-6789', '6011 1111 1111 1117'),
  (5, 'Elif Sandoval',   'elif.sandoval@example.test',   '321-54-9876', '4012 8888 8888 1881');
INSERT INTO orders
  SELECT n, 1 + n % 5, date '2026-01-01' + n % 300, 10 + (n * 37) % 490, CASE WHEN n % 8 = 0 THEN 'cancelled' ELSE 'paid' END
  FROM generate_series(1, 400) AS n;
ANALYZE;
GRANT USAGE ON SCHEMA public TO shop_agent;
GRANT SELECT, INSERT, UPDATE, DELETE ON customers, orders TO shop_agent;
`;

/** What must never be seen by the agent. */
export const SHOP_SECRETS = ['219-09-9999', '4111 1111 1111 1111', '457-55-5462', '5555 5555 5555 4444'] as const;
