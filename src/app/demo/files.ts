/** The demo's gateway.yaml and policy.yaml: what a team would write, for the demo's own shop. */

export interface DemoAddresses {
  readonly gatewayPort: number;
  readonly adminPort: number;
  readonly issuer: string;
  readonly postgresPort: number;
}

export function demoGatewayYaml({ gatewayPort, adminPort, issuer, postgresPort }: DemoAddresses): string {
  return `listen: 127.0.0.1:${gatewayPort}
publicUrl: http://127.0.0.1:${gatewayPort}
admin: { listen: 127.0.0.1:${adminPort} }
identity:
  issuers:
    - issuer: ${issuer}
      audience: hoop-gateway
      clientId: hoopctl
      scopes: [openid, offline_access, email, groups]
      groupsClaim: groups
      subjectClaim: email
store: sqlite:./data/hoop.db
recordings: file:./recordings
keys: file:./keys
policy: ./policy.yaml
targets:
  shop:
    protocol: postgres
    address: 127.0.0.1:${postgresPort}
    database: shop
    tls: disable
    account: { user: shop_agent, password: { env: SHOP_PASSWORD } }
    labels: { env: demo }
`;
}

export function demoPolicyYaml(): string {
  return `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: agents-work-on-the-shop
    subjects: { groups: [data-agents] }
    targets: [shop]
    effects: [read, write, delete]
    scope: { schemas: [public] }
    session: { max: 1h, idle: 15m }
rules:
  - name: no-ddl
    targets: ['*']
    when: { effects: [define, administer] }
    then: deny
    reason: schema changes go through migrations
  - name: deletes-need-a-person
    targets: [shop]
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 10m, self: false, proof: fresh } }
masks:
  - { name: pii-columns, targets: [shop], columns: [public.customers.ssn, public.customers.card], with: redact }
  - { name: pii-patterns, targets: ['*'], detect: [email], with: redact }
`;
}

/** What the scripted model decides to do, one after the other. */
export const DEMO_SCRIPT = [
  { sql: 'SELECT id, name, email, ssn, card FROM customers ORDER BY id LIMIT 3' },
  { sql: 'DROP TABLE customers' },
  { sql: "DELETE FROM orders WHERE status = 'cancelled'" },
  { sql: 'SELECT count(*) FROM orders a, orders b, orders c, orders d' },
  { say: 'I could not finish the report.' },
] as const;
