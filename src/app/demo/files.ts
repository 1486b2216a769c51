/** The demo's gateway.yaml and policy.yaml: what a team would write, for the demo's own shop and host. */
import type { HostAddress } from './host-parts.ts';

/** The words of the two commands that the demo's host takes. */
export const LIST = ['ls', '-l'] as const;
export const RESTART = ['sh', './restart'] as const;

export interface DemoAddresses {
  readonly gatewayPort: number;
  readonly adminPort: number;
  readonly issuer: string;
  readonly postgresPort: number;
  readonly host?: HostAddress | undefined;
  /** Of the model's API, without the path. */
  readonly modelUrl?: string | undefined;
}

export function demoGatewayYaml({
  gatewayPort,
  adminPort,
  issuer,
  postgresPort,
  host,
  modelUrl,
}: DemoAddresses): string {
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
${host === undefined ? '' : hostYaml(host)}${modelUrl === undefined ? '' : modelYaml(modelUrl)}`;
}

function hostYaml({ port, user, hostKey, keyFile }: HostAddress): string {
  return `  web:
    protocol: ssh
    address: 127.0.0.1:${port}
    hostKey: ${hostKey}
    account: { user: ${JSON.stringify(user)}, key: { file: ${JSON.stringify(keyFile)} } }
    modes: [operations, argv]
    operations:
      restart-web: { argv: ${JSON.stringify(RESTART)}, effects: [administer] }
    labels: { env: demo }
`;
}

function modelYaml(url: string): string {
  return `  openai:
    protocol: http
    address: ${url}
    preset: openai
    account: { bearer: { env: MODEL_KEY } }
    labels: { env: demo }
`;
}

/** @param host with what an agent may do there; @param model with what it may ask a model */
export function demoPolicyYaml({ host = false, model = false } = {}): string {
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
${host ? HOST_ACCESS : ''}${model ? MODEL_ACCESS : ''}rules:
  - name: no-ddl
    targets: ['${host || model ? 'shop' : '*'}']
    when: { effects: [define, administer] }
    then: deny
    reason: schema changes go through migrations
  - name: deletes-need-a-person
    targets: [shop]
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 10m, self: false, proof: fresh } }
${host ? HOST_RULES : ''}masks:
  - { name: pii-columns, targets: [shop], columns: [public.customers.ssn, public.customers.card], with: redact }
  - { name: pii-patterns, targets: ['*'], detect: [email], with: redact }
`;
}

const HOST_ACCESS = `  - name: agents-look-after-the-host
    subjects: { groups: [data-agents] }
    targets: [web]
    effects: [read, delete, administer]
`;

// Answers are kept at the provider unless the agent says otherwise: that is a write.
const MODEL_ACCESS = `  - name: agents-ask-a-model
    subjects: { groups: [data-agents] }
    targets: [openai]
    effects: [read, write]
`;

const HOST_RULES = `  - name: nothing-at-the-root
    targets: [web]
    when: { effects: [delete], resources: ['/'] }
    then: deny
    reason: nobody empties a host
  - name: operations
    targets: [web]
    when: { effects: [administer], ssh.operation: restart-web }
    then: allow
  - name: restarts-need-a-person
    targets: [web]
    when: { effects: [administer] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 10m, self: false, proof: fresh } }
`;

/** What the scripted model decides to do, one after the other. */
export const DEMO_SCRIPT = [
  { sql: 'SELECT id, name, email, ssn, card FROM customers ORDER BY id LIMIT 3' },
  { sql: 'DROP TABLE customers' },
  { sql: "DELETE FROM orders WHERE status = 'cancelled'" },
  { sql: 'SELECT count(*) FROM orders a, orders b, orders c, orders d' },
  { say: 'I could not finish the report.' },
] as const;
