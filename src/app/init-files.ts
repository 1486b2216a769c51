/** The texts `gateway init` writes. They load as they are; comments say what each line is for. */
import type { LocalTarget } from './init-target.ts';

export function gatewayYaml(): string {
  return `# A hoopctl gateway. Check it with: hoopctl gateway check --config gateway.yaml --login
listen: 127.0.0.1:8443                 # other addresses need tls
# tls: { cert: ./tls/cert.pem, key: ./tls/key.pem }
publicUrl: http://127.0.0.1:8443       # what people open and what links name; https://… with tls
admin: { listen: 127.0.0.1:9464 }      # /metrics /healthz /readyz

identity:
  issuers:
    - issuer: https://idp.example      # your identity provider
      audience: hoop-gateway           # the audience its access tokens for this gateway carry
      clientId: hoopctl                # a public client with the device flow
      scopes: [openid, offline_access]
      groupsClaim: groups              # leave out if it sends no groups; then grant by users

store: sqlite:./data/hoop.db
recordings: file:./data/recordings
keys: file:./keys                      # signs recordings; keep a copy, and keep it apart from data
policy: ./policy.yaml

targets:
  orders-db:
    protocol: postgres
    address: db.internal:5432
    database: orders
    tls: verify-full
    # The login the gateway uses. Never the password itself: where to find it.
    account: { user: app_reader, password: { env: ORDERS_DB_PASSWORD } }
    labels: { env: prod }
`;
}

export function policyYaml(): string {
  return `# Who may do what. What no access entry covers is denied; the strictest rule that matches wins.
version: 1
roles:
  admin: { groups: [hoop-admins] }     # revoke, unrevoke, kill; sees everything
  auditor: { groups: [security] }      # reads every session and recording, decides nothing

access:
  - name: agents-read-orders
    subjects: { groups: [data-agents] }
    targets: [orders-db]
    effects: [read, write, delete]
    session: { max: 1h, idle: 15m }

rules:
  - name: no-ddl
    targets: ['*']
    when: { effects: [define, administer] }
    then: deny
    reason: schema changes go through migrations
  - name: deletes-need-a-person
    targets: [orders-db]
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 10m, wait: 60s, self: false, proof: fresh } }

masks:
  - { name: pii-patterns, targets: ['*'], detect: [credit_card, us_ssn, email], with: redact }
`;
}

export function localGatewayYaml(person: string, targets: readonly LocalTarget[]): string {
  return `# A hoopctl gateway for one person on this machine.
# It protects against accidents: gateway, agents and you share one account here, so a hostile agent could read its files.
listen: 127.0.0.1:8443                 # loopback only
publicUrl: http://127.0.0.1:8443

identity:
  local: { user: ${quoted(person)} }    # the built-in sign-in, for this one person; its code is printed where the gateway runs

store: sqlite:./data/hoop.db
recordings: file:./data/recordings
keys: file:./keys
policy: ./policy.yaml

targets:
${targets.map(targetYaml).join('')}`;
}

function targetYaml({ name, host, port, user, database, tls }: LocalTarget): string {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return `  ${name}:
    protocol: postgres
    address: ${quoted(address)}
    database: ${quoted(database)}
    tls: ${tls}
    account: { user: ${quoted(user)}, password: { file: ./secrets/${name}.password } }
`;
}

export function localPolicyYaml(person: string, targets: readonly LocalTarget[]): string {
  const who = `{ users: [${quoted(person)}] }`;
  const names = `[${targets.map(({ name }) => name).join(', ')}]`;
  return `# What you and your agents may do. What no access entry covers is denied; the strictest rule that matches wins.
version: 1
roles:
  admin: ${who}

access:
  - name: read-and-delete
    subjects: ${who}
    targets: ${names}
    effects: [read, delete]            # add write when you need it

rules:
  # Holds a delete until you sign in for it. That stops accidents; it is no control against an agent that acts as you.
  - name: deletes-need-a-sign-in
    targets: ${names}
    when: { effects: [delete] }
    then: { hold: { approvers: ${who}, within: 10m, wait: 60s, self: true, proof: fresh } }

masks:
  - { name: pii-patterns, targets: ['*'], detect: [credit_card, us_ssn, email], with: redact }
`;
}

/** A YAML double-quoted scalar (YAML 1.2 section 7.3.1) is a superset of a JSON string. */
function quoted(text: string): string {
  return /^[A-Za-z][A-Za-z0-9._-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text)
    ? text
    : JSON.stringify(text);
}
