/** What the end-to-end tests say to a stack again and again. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { auditVerify } from '../../src/app/audit.ts';
import type { ApprovalView } from '../../src/api/shapes.ts';
import { Token } from '../../src/base/secret.ts';
import { findRecording, type RecordedEvent, readEvents } from '../../src/record/index.ts';
import type { Stack, StackRun, Who } from '../fakes/stack.ts';
import { until } from '../fakes/until.ts';

export { until };

/** A client that heard `notices`, and closes with the test. */
export interface Connected extends pg.Client, AsyncDisposable {
  readonly notices: { message: string; hint: string | undefined }[];
  /** Why the connection ended, once it did. */
  readonly ended: Promise<Error | undefined>;
}

export async function connected(run: { connection: pg.ClientConfig }): Promise<Connected> {
  const client = new pg.Client(run.connection);
  const notices: Connected['notices'] = [];
  client.on('notice', ({ message, hint }) => void notices.push({ message: message ?? '', hint }));
  const ended = new Promise<Error | undefined>((resolve) => {
    client.on('error', resolve);
    client.once('end', () => resolve(undefined));
  });
  await client.connect();
  return Object.assign(client, { notices, ended, [Symbol.asyncDispose]: () => client.end().catch(() => {}) });
}

/** What a statement was refused with. */
export interface Told {
  readonly code: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

export async function refused(answer: Promise<unknown>): Promise<Told> {
  try {
    await answer;
  } catch (error) {
    const { code, message, hint } = error as { code?: string; message: string; hint?: string };
    return { code, message, hint };
  }
  assert.fail('it was not refused');
}

/** Nothing is thrown away: the answer may come when nobody looks at it any more. */
export function later<T>(answer: Promise<T>): Promise<{ ok: true; value: T } | { ok: false; told: Told }> {
  return answer.then(
    (value) => ({ ok: true as const, value }),
    async (error) => ({ ok: false as const, told: await refused(Promise.reject(error)) }),
  );
}

/** How often PostgreSQL was asked to run something with this in it, by the gateway. */
export async function ran(stack: Stack, text: string): Promise<number> {
  const log = await stack.postgres.log();
  // The statement of an error is told again, as STATEMENT. What stands in front of it, process and session, may hold any digits by chance.
  return log.split('\n').filter((line) => / hoopctl ses_\w+ (LOG|DETAIL):(.*)/.exec(line)?.[2]?.includes(text)).length;
}

/** Calls off what a connection waits for, as Ctrl-C in psql does. Resolves when the other side closed. */
export function cancel(run: StackRun, client: pg.Client): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  for (const [i, value] of [16, 80_877_102, processID, secretKey].entries()) request.writeInt32BE(value, 4 * i);
  return new Promise((resolve, reject) => {
    const socket = connect(run.connection.port, run.connection.host, () => socket.end(request));
    socket
      .on('error', reject)
      .on('close', () => resolve())
      .resume();
  });
}

/** Breaks the connection without a word, as a killed client does. */
export function hangUp(client: pg.Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

/** The open request for the held command with this in its text. */
export async function openRequest(
  stack: Stack,
  run: StackRun,
  text = '',
  seen: readonly string[] = [],
): Promise<ApprovalView> {
  const riley = await stack.client('riley');
  const { approval } = await run.event('held', ({ approval }) => !seen.includes(approval));
  const view = await riley.approval(approval);
  assert.ok(view.text.includes(text), view.text);
  return view;
}

export async function decide(
  stack: Stack,
  id: string,
  who: Who,
  decision: 'approve' | 'deny' = 'approve',
  reason?: string,
): Promise<ApprovalView> {
  const token = Token.of(await stack.approvalToken(id, who));
  const client = await stack.client(who);
  const { digest } = await client.approval(id, { token });
  return client.decide(id, { decision, digest, ...(reason === undefined ? {} : { reason }) }, { token });
}

/** Grades of every recording, with the gateway's public key alone. */
export async function verified(
  stack: Stack,
  { allow }: { allow?: string } = {},
): Promise<Readonly<Record<string, number>>> {
  const problems: string[] = [];
  const keyFiles = [join(stack.gatewayFolder, 'keys', 'recording.pub')];
  const { grades } = await auditVerify({ path: stack.recordings, keyFiles, strict: true, allow }, (report) => {
    if (report.fails)
      problems.push(
        `${report.kind === 'log' ? report.gateway : report.session}: ${report.grade} ${report.remarks.join(', ')}`,
      );
  });
  assert.deepEqual(problems, []);
  return grades;
}

export async function recorded(stack: Stack, session: string): Promise<RecordedEvent[]> {
  const path = findRecording(stack.recordings, session);
  assert.ok(path, `no recording of ${session}`);
  const events: RecordedEvent[] = [];
  for await (const event of readEvents(path)) events.push(event);
  return events;
}

/** The session of a client's connection: the gateway names it in what it sets at the target. */
export async function sessionOf(stack: Stack, client: pg.Client): Promise<string> {
  const { rows } = await client.query("SELECT 'who am i' AS q");
  assert.equal(rows.length, 1);
  const log = await stack.postgres.log();
  const found = [...log.matchAll(/hoopctl (ses_\w+) LOG: {2}.*'who am i'/g)].at(-1)?.[1];
  assert.ok(found, 'the session did not reach the log');
  return found;
}

/** Keeps everyone waiting who reads the table `slow`: statements that run until somebody stops them, and cost nothing meanwhile. */
export async function holdUp(stack: Stack): Promise<AsyncDisposable & { waiting(count: number): Promise<void> }> {
  const holder = new pg.Client({ connectionString: stack.postgres.superuser.replace(/postgres$/, 'shop') });
  holder.on('error', () => {});
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query('LOCK TABLE slow IN ACCESS EXCLUSIVE MODE');
  return {
    async waiting(count) {
      const waits =
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'hoopctl ses_%'";
      await until(
        `${count} statements wait for the table`,
        async () => (await holder.query(waits)).rows[0].n === count,
      );
    },
    [Symbol.asyncDispose]: () => holder.end(),
  };
}

export const SLOW = `
CREATE TABLE slow (id int);
GRANT SELECT ON slow TO shop_agent;`;
