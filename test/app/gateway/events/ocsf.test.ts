/** Recorded events in the words of OCSF 1.5: the class, the numbers that follow from it, who, where, and nothing that the recording does not say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OcsfEvent, ocsfOfGap, ocsfOfRevocation } from '../../../../src/app/gateway/events/ocsf.ts';
import { createTelling } from '../../../../src/app/gateway/events/telling.ts';
import type { SessionEvent } from '../../../../src/domain/recording.ts';
import { createSealer, newKey } from '../../../../src/record/sealed-lines.ts';
import { Chain, START } from '../../../../src/record/chain.ts';
import { intent, opened, outcome } from '../../../record/workbench.ts';

const PRODUCT = { version: '1.0.0', gateway: 'gw1' };
const AT = '2026-11-21T18:00:00.000Z';

function told(events: readonly SessionEvent[], chain = new Chain(START)): OcsfEvent[] {
  const lines = Buffer.from(events.map((event) => chain.line(event, AT)).join(''));
  return createTelling(PRODUCT)
    .of('ses_a', lines)
    .map((json) => JSON.parse(json) as OcsfEvent);
}

const DENIED: SessionEvent = {
  ...(intent('c2', 'DROP TABLE orders; -- \u202e\x1b[2J')[0] as Extract<SessionEvent, { type: 'verdict' }>),
  verdict: 'deny',
  effects: ['read', 'define'],
  reason: 'schema changes go through migrations',
  rules: ['no-ddl'],
};
const ALL: readonly SessionEvent[] = [
  { ...opened('ses_a'), client: 'psql 16', purpose: 'a report' },
  ...intent('c1'),
  { type: 'result', command: 'c1', rows: [['a secret']] },
  outcome('c1'),
  DENIED,
  { type: 'approval.requested', command: 'c3', approval: 'apr_1', rule: 'deletes', digest: 'd' },
  {
    type: 'approval.decided',
    command: 'c3',
    approval: 'apr_1',
    decision: 'approved',
    by: 'riley@example.test',
    proof: 'fresh',
  },
  { type: 'command', command: 'g1', by: 'gateway', sent: { text: 'SELECT 1', bytes: 8 }, effects: ['read'] },
  { type: 'notice', notice: 'limit', rows: 10 },
  { type: 'stream', direction: 'out', data: 'typed' },
  { type: 'session.closed', end: { kind: 'revoked', reason: 'left' } },
];

test('each recorded event has its class, its activity and the numbers that follow', () => {
  const numbers = told(ALL).map((event) => [
    event['class_uid'],
    event['activity_id'],
    event['severity_id'],
    event['status_id'],
    (event['metadata'] as { uid: string }).uid,
  ]);
  assert.deepEqual(numbers, [
    [3002, 1, 1, 1, 'ses_a:0'],
    [6005, 7, 1, 1, 'ses_a:1'],
    [6005, 7, 1, 1, 'ses_a:4'],
    [6005, 99, 3, 2, 'ses_a:5'],
    [3005, 99, 2, 99, 'ses_a:6'],
    [3005, 1, 2, 1, 'ses_a:7'],
    [6005, 4, 1, 0, 'ses_a:8'],
    [6005, 99, 1, 0, 'ses_a:9'],
    [3002, 2, 3, 1, 'ses_a:11'],
  ]);
  for (const event of told(ALL)) {
    assert.equal(event['type_uid'], Number(event['class_uid']) * 100 + Number(event['activity_id']));
    assert.equal(event['category_uid'], Math.floor(Number(event['class_uid']) / 1000));
    assert.equal(event['time'], Date.parse(AT));
  }
});

test('a command that was refused is told whole', () => {
  const refused = told(ALL).find((event) => event['status_code'] === 'HOOP_DENIED');
  const {
    type_name,
    status,
    status_detail,
    actor,
    src_endpoint,
    dst_endpoint,
    database,
    table,
    query_info,
    action_id,
    policy,
  } = refused ?? {};
  assert.deepEqual(
    {
      type_name,
      status,
      status_detail,
      actor,
      src_endpoint,
      dst_endpoint,
      database,
      table,
      query_info,
      action_id,
      policy,
    },
    {
      type_name: 'Datastore Activity: Define',
      status: 'Failure',
      status_detail: 'schema changes go through migrations',
      actor: {
        user: { name: 'dana@example.test', uid: 'u-1', domain: 'https://idp.example' },
        session: { uid: 'ses_a' },
        app_name: 'weekly-report',
      },
      src_endpoint: { name: 'psql 16', uid: 'run-1' },
      dst_endpoint: { name: 'orders-db', svc_name: 'postgres' },
      database: { name: 'orders-db', type: 'postgres' },
      table: { name: 'public.orders' },
      query_info: { uid: 'c2', query_string: 'DROP TABLE orders; -- \u202e\x1b[2J' },
      action_id: 2,
      policy: { name: 'no-ddl', uid: 'p'.repeat(64) },
    },
  );
});

test('an outcome says what its command touched, how many rows and how long', () => {
  const done = told(ALL)[2];
  const { table, duration, unmapped } = done ?? {};
  const { rows, bytes, tag } = (unmapped as { hoop: Record<string, unknown> }).hoop;
  assert.deepEqual(
    { table, duration, rows, bytes, tag },
    { table: { name: 'public.orders' }, duration: 2, rows: 1, bytes: 10, tag: 'DELETE 1' },
  );
});

test('rows, and what a terminal showed, do not leave; nothing in a line obeys anybody', () => {
  const lines = createTelling(PRODUCT).of(
    'ses_a',
    Buffer.from(ALL.map((event) => new Chain(START).line(event, AT)).join('')),
  );
  const text = lines.join('\n');
  assert.doesNotMatch(text, /a secret|typed/);
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
});

test('of a session that is sealed for an auditor no text, table or reason leaves', () => {
  const events = told(ALL, new Chain(START, createSealer('ses_a', newKey())));
  assert.equal(events.length, 9);
  const text = JSON.stringify(events);
  assert.doesNotMatch(text, /DROP|DELETE|SELECT|public\.orders|schema changes|a report|riley|psql|left/);
  assert.match(text, /dana@example\.test/);
});

test('a very long text is cut; the recording has the whole', () => {
  const [, event] = told([opened('ses_a'), intent('c1', `SELECT '${'x'.repeat(100_000)}'`)[0] as SessionEvent]);
  const { query_info: query = {} } = event ?? {};
  assert.equal((query as { query_string: string }).query_string.length, 8 * 1024 + 1);
});

test('other protocols are API activity', () => {
  const [, event] = told([{ ...opened('ses_a'), protocol: 'kubernetes' }, intent('c1')[0] as SessionEvent]);
  assert.deepEqual(
    [event?.['type_uid'], event?.['api']],
    [600304, { operation: "DELETE FROM orders WHERE id = 'c1'", service: { name: 'orders-db' } }],
  );
});

test('lines that are none are passed over', () => {
  assert.deepEqual(createTelling(PRODUCT).of('ses_a', Buffer.from('not json\n{"type":5}\nnull\n\n')), []);
});

test('a revocation and its end are changes of privileges; a gap says how much is missing', () => {
  const by = { issuer: 'https://idp.example', subject: 'u-2', name: 'riley@example.test', groups: [], claims: {} };
  const row = {
    id: 'rev_1',
    epoch: 1,
    scope: { kind: 'agent', name: 'weekly-report' } as const,
    reason: 'leaked',
    by,
    at: 5,
  };
  const made = ocsfOfRevocation(row, 'made', PRODUCT);
  assert.deepEqual(
    [made['type_uid'], made['time'], made['status_detail'], (made['user'] as { name: string }).name],
    [300502, 5, 'leaked', 'weekly-report'],
  );
  const lifted = ocsfOfRevocation({ ...row, lifted: { at: 9, by, reason: 'mended' } }, 'lifted', PRODUCT);
  assert.deepEqual([lifted['type_uid'], lifted['time'], lifted['status_detail']], [300501, 9, 'mended']);
  const gap = ocsfOfGap(12, 'siem', 'siem:gap:0', 7, PRODUCT);
  assert.deepEqual([gap['type_uid'], gap['count'], gap['severity_id']], [600801, 12, 4]);
});
