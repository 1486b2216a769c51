/**
 * What was recorded, as the Open Cybersecurity Schema Framework (schema.ocsf.io, 1.5) says it, so that a SIEM reads it without being taught.
 *
 * Made from the recorded lines: what was struck there, or sealed for an auditor, is not here either. Rows, parameters and what a terminal showed are
 * left out altogether. `metadata.uid` is the session and the line's `seq`: the same for every delivery, and the place in the recording.
 */
import type { Effect, Resource } from '../../../domain/command.ts';
import { describeEnd } from '../../../domain/end.ts';
import type { RecordedText, SessionEvent } from '../../../domain/recording.ts';
import type { RevocationRow } from '../../../domain/store.ts';

type Of<T extends SessionEvent['type']> = Extract<SessionEvent, { type: T }>;
export type Opened = Of<'session.opened'>;
/** With its place; where lines are sealed, without what is. */
export type Line = SessionEvent & { readonly seq: number; readonly at: string };

export type OcsfEvent = Readonly<Record<string, unknown>>;

export interface Product {
  readonly version: string;
  readonly gateway: string;
}

/** What later lines of a session are told with: its first line, and the verdicts of commands that are not over. */
export interface SessionContext {
  readonly opened: Partial<Opened> & Pick<Opened, 'session'>;
  readonly verdicts: Map<string, Partial<Of<'verdict'>>>;
}

export const OCSF_VERSION = '1.5.0';

// Classes, and what of their category is in front: class_uid = category_uid * 1000 + the class.
const AUTHENTICATION = { class_uid: 3002, class_name: 'Authentication' };
const USER_ACCESS = { class_uid: 3005, class_name: 'User Access Management' };
const API = { class_uid: 6003, class_name: 'API Activity' };
const DATASTORE = { class_uid: 6005, class_name: 'Datastore Activity' };
const APPLICATION_ERROR = { class_uid: 6008, class_name: 'Application Error' };
type Class = { readonly class_uid: number; readonly class_name: string };
const CATEGORIES = new Map([
  [3, 'Identity & Access Management'],
  [6, 'Application Activity'],
]);

interface Activity {
  readonly activity_id: number;
  readonly activity_name: string;
}

const OTHER = (activity_name: string): Activity => ({ activity_id: 99, activity_name });

/** Of a command the gravest effect counts; the first that it has. */
const GRAVEST: readonly (readonly [Effect, { readonly datastore: Activity; readonly api: Activity }])[] = [
  ['administer', { datastore: OTHER('Administer'), api: OTHER('Administer') }],
  ['define', { datastore: OTHER('Define'), api: OTHER('Define') }],
  ['execute', { datastore: OTHER('Execute'), api: OTHER('Execute') }],
  [
    'delete',
    {
      datastore: { activity_id: 7, activity_name: 'Delete' },
      api: { activity_id: 4, activity_name: 'Delete' },
    },
  ],
  [
    'write',
    {
      datastore: { activity_id: 5, activity_name: 'Write' },
      api: { activity_id: 3, activity_name: 'Update' },
    },
  ],
  [
    'read',
    {
      datastore: { activity_id: 4, activity_name: 'Query' },
      api: { activity_id: 2, activity_name: 'Read' },
    },
  ],
];

const SEVERITIES = { info: [1, 'Informational'], low: [2, 'Low'], medium: [3, 'Medium'], high: [4, 'High'] } as const;
const STATUSES = {
  unknown: [0, 'Unknown'],
  success: [1, 'Success'],
  failure: [2, 'Failure'],
  other: [99, 'Other'],
} as const;
type Severity = keyof typeof SEVERITIES;
type Status = keyof typeof STATUSES;

/** Of a text so many characters are sent; the whole is in the recording. */
const LONGEST_TEXT = 8 * 1024;
const MOST_RESOURCES = 50;

const DATASTORES = new Set(['postgres', 'mysql', 'redis']);
const TABLES = new Set(['table', 'view', 'materialized view', 'foreign table']);

/** @returns undefined for lines that are not sent: results, terminals, checkpoints, and intents whose verdict and outcome say the same */
export function ocsfOf(line: Line, context: SessionContext, product: Product): OcsfEvent | undefined {
  switch (line.type) {
    case 'session.opened':
      return opened(line, context, product);
    case 'session.closed':
      return closed(line, context, product);
    case 'verdict':
      return judged(line, context, product);
    case 'approval.requested':
      return requested(line, context, product);
    case 'approval.decided':
      return decided(line, context, product);
    case 'command':
      // The gateway's own statements have no verdict.
      return line.by === 'gateway' ? ownStatement(line, context, product) : undefined;
    case 'outcome':
      return over(line, context, product);
    case 'notice':
      return noticed(line, context, product);
    default:
      return undefined;
  }
}

function opened(line: Of<'session.opened'> & Line, context: SessionContext, product: Product): OcsfEvent {
  return event(line, context, product, {
    of: AUTHENTICATION,
    does: { activity_id: 1, activity_name: 'Logon' },
    status: 'success',
    message: `${whoOf(context)} opened a session on ${line.target}`,
    also: logon(context),
    ours: { purpose: line.purpose, policy: line.policy, trace: line.trace, isolation: line.isolation },
  });
}

const ENDS: Readonly<Record<string, Severity>> = {
  revoked: 'medium',
  killed: 'medium',
  limit: 'medium',
  unwatched: 'medium',
  policyChanged: 'low',
  protocolError: 'low',
  recorderFailed: 'high',
  unconfirmed: 'high',
  crashed: 'high',
};

function closed({ end, ...line }: Of<'session.closed'> & Line, context: SessionContext, product: Product): OcsfEvent {
  return event(line as Line, context, product, {
    of: AUTHENTICATION,
    does: { activity_id: 2, activity_name: 'Logoff' },
    status: 'success',
    detail: end.kind,
    severity: ENDS[end.kind],
    message: `the session of ${whoOf(context)} on ${context.opened.target} ended: ${endOf(end)}`,
    also: logon(context),
    ours: { end },
  });
}

// Of a sealed end only the kind is there.
function endOf(end: Of<'session.closed'>['end']): string {
  return Object.keys(end).length === 1 ? end.kind : describeEnd(end);
}

function logon({ opened }: SessionContext): Record<string, unknown> {
  return {
    user: userOf(opened),
    session: { uid: opened.session },
    service: { name: opened.target },
    is_remote: true,
  };
}

function judged(line: Of<'verdict'> & Line, context: SessionContext, product: Product): OcsfEvent {
  const { verdict, code, reason, rules } = line;
  const denied = verdict === 'deny';
  return event(line, context, product, {
    ...activityOf(context, line.effects),
    status: denied ? 'failure' : verdict === 'hold' ? 'other' : 'success',
    ...(denied ? { code: code ?? 'HOOP_DENIED', detail: reason } : {}),
    severity: denied ? 'medium' : verdict === 'hold' ? 'low' : 'info',
    message: `${VERDICTS[verdict]}: ${line.effects?.join(', ') ?? 'a command'} on ${context.opened.target}`,
    also: {
      // `Allowed`, `Denied`; of what waits nothing is known yet.
      action_id: denied ? 2 : verdict === 'hold' ? 0 : 1,
      action: denied ? 'Denied' : verdict === 'hold' ? 'Unknown' : 'Allowed',
      disposition_id: denied ? 2 : verdict === 'hold' ? 99 : 1,
      disposition: denied ? 'Blocked' : verdict === 'hold' ? 'Held' : 'Allowed',
      ...(rules?.[0] === undefined ? {} : { policy: { name: rules[0], uid: line.policy } }),
      ...concerns(line, context),
    },
    ours: {
      verdict,
      part: line.part,
      effects: line.effects,
      resources: touchedBy(line.resources),
      rules,
      policy: line.policy,
      wouldBe: line.wouldBe,
    },
  });
}

const VERDICTS = { allow: 'allowed', hold: 'held for approval', deny: 'denied' } as const;

function ownStatement(line: Of<'command'> & Line, context: SessionContext, product: Product): OcsfEvent {
  return event(line, context, product, {
    ...activityOf(context, line.effects),
    status: 'unknown',
    message: `the gateway's own statement on ${context.opened.target}`,
    also: concerns({ command: line.command, text: line.sent }, context),
    ours: { by: line.by, effects: line.effects },
  });
}

const OUTCOMES: Readonly<Record<Of<'outcome'>['state'], Status>> = {
  completed: 'success',
  failed: 'failure',
  notForwarded: 'failure',
  cancelled: 'failure',
  unknown: 'unknown',
};

function over(line: Of<'outcome'> & Line, context: SessionContext, product: Product): OcsfEvent {
  const { command, state, rows, bytes, maskedCells, code, tag, durationMs } = line;
  const verdict: Partial<Of<'verdict'>> = context.verdicts.get(command) ?? {};
  return event(line, context, product, {
    ...activityOf(context, verdict.effects),
    status: OUTCOMES[state],
    code,
    detail: state,
    message: `${state}: ${verdict.effects?.join(', ') ?? 'a command'} on ${context.opened.target}${rows === undefined ? '' : `, ${rows} rows`}`,
    also: {
      ...(durationMs === undefined ? {} : { duration: Math.round(durationMs) }),
      ...concerns({ command, text: verdict.text, resources: verdict.resources, bytes }, context),
    },
    ours: {
      outcome: state,
      rows,
      bytes,
      maskedCells,
      tag,
      effects: verdict.effects,
      resources: touchedBy(verdict.resources),
    },
  });
}

function requested(line: Of<'approval.requested'> & Line, context: SessionContext, product: Product): OcsfEvent {
  const { approval, rule, digest, command } = line;
  return event(line, context, product, {
    of: USER_ACCESS,
    does: OTHER('Request'),
    status: 'other',
    severity: 'low',
    message: `${whoOf(context)} waits for approval of a command on ${context.opened.target}`,
    also: granted(context, rule),
    ours: { approval, digest, command },
  });
}

function decided(line: Of<'approval.decided'> & Line, context: SessionContext, product: Product): OcsfEvent {
  const { approval, decision, by, reason, proof, command } = line;
  return event(line, context, product, {
    of: USER_ACCESS,
    does: { activity_id: 1, activity_name: 'Assign Privileges' },
    status: decision === 'approved' ? 'success' : 'failure',
    detail: reason ?? decision,
    severity: 'low',
    message: `a command of ${whoOf(context)} on ${context.opened.target} was ${decision}${by === undefined ? '' : ` by ${by}`}`,
    also: { ...granted(context, undefined), ...(by === undefined ? {} : { actor: { user: { name: by } } }) },
    ours: { approval, decision, proof, command },
  });
}

function granted({ opened }: SessionContext, rule: string | undefined): Record<string, unknown> {
  return {
    user: userOf(opened),
    resources: [{ name: opened.target, type: 'target' }],
    privileges: [rule ?? `one command on ${opened.target}`],
  };
}

function noticed(line: Of<'notice'> & Line, context: SessionContext, product: Product): OcsfEvent {
  const { seq: _, at: __, type: ___, notice, prev: ____, sealed: _____, ...details } = line;
  return event(line, context, product, {
    of: classOf(context),
    does: OTHER('Notice'),
    status: 'unknown',
    message: `${notice} on ${context.opened.target}`,
    also: concerns({}, context),
    ours: { notice, ...details },
  });
}

/** A revocation that was made, or lifted. */
export function ocsfOfRevocation(row: RevocationRow, what: 'made' | 'lifted', product: Product): OcsfEvent {
  const { scope, lifted } = row;
  const by = what === 'lifted' && lifted ? lifted.by : row.by;
  const at = what === 'lifted' && lifted ? lifted.at : row.at;
  const reason = what === 'lifted' ? lifted?.reason : row.reason;
  const whom =
    scope.kind === 'user' ? scope.who : scope.kind === 'agent' ? scope.name : scope.kind === 'all' ? '*' : scope.id;
  const does = what === 'made' ? 'Revoke Privileges' : 'Assign Privileges';
  return {
    ...classified(USER_ACCESS, { activity_id: what === 'made' ? 2 : 1, activity_name: does }),
    ...severityOf('high'),
    ...statusOf('success'),
    ...(reason === undefined ? {} : { status_detail: reason }),
    time: at,
    message: `${by.name} ${what === 'made' ? 'revoked' : 'lifted the revocation of'} ${scope.kind} ${whom}`,
    metadata: metadataOf(product, `${row.id}:${what}`, row.id, `revocation.${what}`),
    actor: { user: { name: by.name, uid: by.subject, domain: by.issuer } },
    user: { name: whom, type_id: 99, type: scope.kind },
    privileges: ['access'],
    unmapped: { hoop: { revocation: row.id, scope, ...(row.until === undefined ? {} : { until: row.until }) } },
  };
}

/** Of some events nobody will hear: `dropped` is how many, `uid` names this gap. */
export function ocsfOfGap(dropped: number, sink: string, uid: string, at: number, product: Product): OcsfEvent {
  return {
    ...classified(APPLICATION_ERROR, { activity_id: 1, activity_name: 'General Error' }),
    ...severityOf('high'),
    ...statusOf('failure'),
    status_code: 'EVENTS_DROPPED',
    time: at,
    count: dropped,
    message: `${dropped} events before this one were dropped: what waited for "${sink}" was more than its queue holds. The recordings have them`,
    metadata: metadataOf(product, uid, uid, 'events.dropped'),
    unmapped: { hoop: { dropped, sink } },
  };
}

interface Said {
  readonly of: Class;
  readonly does: Activity;
  readonly status: Status;
  readonly code?: string | undefined;
  readonly detail?: string | undefined;
  readonly severity?: Severity | undefined;
  readonly message: string;
  readonly also: Readonly<Record<string, unknown>>;
  readonly ours: Readonly<Record<string, unknown>>;
}

function event({ seq, at, type, ...line }: Line, { opened }: SessionContext, product: Product, said: Said): OcsfEvent {
  const { session, run, agent, principal, account, via } = opened;
  const { of, does, status, code, detail, severity = 'info', message, also, ours } = said;
  const command = 'command' in line ? line.command : undefined;
  const where = {
    session,
    seq,
    run,
    account,
    via,
    ...(agent === undefined ? {} : { agent: agent.name, agentKind: agent.kind }),
  };
  return {
    ...classified(of, does),
    ...severityOf(severity),
    ...statusOf(status),
    ...(code === undefined ? {} : { status_code: code }),
    ...(detail === undefined ? {} : { status_detail: detail }),
    time: Date.parse(at),
    message,
    metadata: {
      ...metadataOf(product, `${session}:${seq}`, command === undefined ? session : `${session}:${command}`, type),
      ...('action_id' in also ? { profiles: ['security_control'] } : {}),
    },
    ...(principal === undefined
      ? {}
      : {
          actor: {
            user: userOf(opened),
            session: { uid: session },
            ...(agent === undefined ? {} : { app_name: agent.name }),
          },
        }),
    src_endpoint: { name: opened.client ?? agent?.name ?? 'unknown', uid: run },
    // Where privileges change the schema has no such place.
    ...(of === USER_ACCESS ? {} : { dst_endpoint: { name: opened.target, svc_name: opened.protocol } }),
    ...also,
    unmapped: { hoop: { ...where, ...(command === undefined ? {} : { command }), ...ours } },
  };
}

function classified({ class_uid, class_name }: Class, { activity_id, activity_name }: Activity): OcsfEvent {
  const category_uid = Math.floor(class_uid / 1000);
  return {
    category_uid,
    category_name: CATEGORIES.get(category_uid),
    class_uid,
    class_name,
    activity_id,
    activity_name,
    type_uid: class_uid * 100 + activity_id,
    type_name: `${class_name}: ${activity_name}`,
  };
}

function severityOf(severity: Severity): OcsfEvent {
  const [severity_id, name] = SEVERITIES[severity];
  return { severity_id, severity: name };
}

function statusOf(status: Status): OcsfEvent {
  const [status_id, name] = STATUSES[status];
  return { status_id, status: name };
}

function metadataOf({ version, gateway }: Product, uid: string, correlation: string, code: string): OcsfEvent {
  return {
    version: OCSF_VERSION,
    product: { name: 'hoopctl', vendor_name: 'hoopctl', version, uid: gateway },
    uid,
    correlation_uid: correlation,
    event_code: code,
    log_name: 'sessions',
  };
}

function userOf({ principal }: SessionContext['opened']): OcsfEvent {
  return { name: principal?.name, uid: principal?.subject, domain: principal?.issuer };
}

function whoOf({ opened: { agent, principal } }: SessionContext): string {
  return agent === undefined ? (principal?.name ?? 'somebody') : `${agent.name} (of ${principal?.name})`;
}

function classOf({ opened }: SessionContext): Class {
  return DATASTORES.has(opened.protocol ?? '') ? DATASTORE : API;
}

function activityOf(context: SessionContext, effects: readonly Effect[] | undefined): { of: Class; does: Activity } {
  const of = classOf(context);
  const found = GRAVEST.find(([effect]) => effects?.includes(effect));
  const unknown: Activity = { activity_id: 0, activity_name: 'Unknown' };
  return { of, does: found ? found[1][of === DATASTORE ? 'datastore' : 'api'] : unknown };
}

interface Concerned {
  readonly command?: string;
  readonly text?: RecordedText | undefined;
  readonly resources?: readonly Resource[] | undefined;
  readonly bytes?: number | undefined;
}

/** What was touched, in the words of the class. */
function concerns({ command, text, resources = [], bytes }: Concerned, context: SessionContext): OcsfEvent {
  const { opened } = context;
  const said = text === undefined ? undefined : textOf(text);
  if (classOf(context) === API) {
    const touched = touchedBy(resources);
    return {
      api: { operation: said ?? 'unknown', service: { name: opened.target } },
      ...(touched === undefined ? {} : { resources: touched }),
    };
  }
  const table = resources.find(({ kind }) => TABLES.has(kind))?.name;
  return {
    type_id: 1,
    type: 'Database',
    database: { name: opened.target, type: opened.protocol },
    ...(table === undefined ? {} : { table: { name: table } }),
    // Of one without its text, as where lines are sealed, the schema has no room for the rest.
    ...(said === undefined
      ? {}
      : { query_info: { uid: command, query_string: said, ...(bytes === undefined ? {} : { bytes }) } }),
  };
}

function touchedBy(resources: readonly Resource[] | undefined): { name: string; type: string }[] | undefined {
  if (resources === undefined || resources.length === 0) return undefined;
  return resources.slice(0, MOST_RESOURCES).map(({ kind, name }) => ({ name, type: kind }));
}

function textOf({ text }: RecordedText): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
