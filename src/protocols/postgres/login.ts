/**
 * The gateway's end of a client's login: what a client may ask for before it has shown the run's secret, in which order, and how often.
 *
 *     client                         gateway
 *       │ SSLRequest ──────────────────▶ N            (the tunnel is the encryption)
 *       │ StartupMessage ──────────────▶ SASL: SCRAM-SHA-256
 *       │ client-first ────────────────▶ server-first
 *       │ client-final ────────────────▶ server-final, AuthenticationOk
 *       │                                authorize, dial the target, log in there
 *       │                              ◀─ ParameterStatus…, BackendKeyData, ReadyForQuery
 *
 * Nothing is dialled before the proof is right. A wrong user and a wrong secret fail at the same place with the same words.
 */
import type { ByteChannel } from '../../base/channel.ts';
import { describeEnd, type SessionEnd } from '../../domain/end.ts';
import type { ScramVerifier } from '../../domain/run.ts';
import type { PendingSession } from '../../domain/session.ts';
import { type Inbox, isSilence, leave, openInbox, type Silence } from './inbox.ts';
import { isProblem, loginLimits } from './frames.ts';
import { int32, message } from './messages.ts';
import { fatal, unknownTarget } from './refuse.ts';
import { readClientFirst, serverExchange } from './scram.ts';
import type { PostgresSettings } from './settings.ts';
import { LONGEST_STARTUP, readFirstPacket, type Startup } from './startup.ts';

/** The user name of every tunnel's endpoint: who really asks is the run. */
export const TUNNEL_USER = 'run';

export interface LoggedIn {
  readonly startup: Startup;
  readonly inbox: Inbox;
}

/** @returns undefined when the connection is over: it was a cancel request, or it was refused and the client told why. */
export async function login(
  client: ByteChannel,
  pending: PendingSession<PostgresSettings>,
): Promise<LoggedIn | undefined> {
  const inbox = openInbox(client, pending.signal);
  const asked = await readStartup(client, inbox, pending);
  if (asked.kind === 'startup') {
    const refusal = await authenticate(client, inbox, asked.startup, pending);
    if (!refusal) return { startup: asked.startup, inbox };
    return close(client, inbox, refusal);
  }
  return close(client, inbox, asked);
}

/** How a connection ends before it became a session: told, or without a word. */
type Over = { readonly kind: 'over'; readonly told?: Buffer };

function close(client: ByteChannel, inbox: Inbox, { told }: Over): undefined {
  inbox.release();
  leave(client, told);
}

async function readStartup(
  client: ByteChannel,
  inbox: Inbox,
  pending: PendingSession<PostgresSettings>,
): Promise<Over | { readonly kind: 'startup'; readonly startup: Startup }> {
  const asked = new Set<string>();
  for (;;) {
    const packet = await readPacket(inbox);
    if ('kind' in packet) return over(pending.signal, packet);
    const first = readFirstPacket(packet);
    switch (first.kind) {
      case 'startup':
        return first;
      case 'cancel':
        // A cancel request is never answered, whatever became of it (PostgreSQL, "Canceling Requests in Progress").
        pending.cancels.request(first.key);
        return { kind: 'over' };
      case 'refused':
        return { kind: 'over', told: fatal(first.code, first.message, first.hint) };
      case 'encryption':
        if (asked.has(first.what)) return { kind: 'over', told: fatal('08P01', `${first.what} was asked for twice`) };
        asked.add(first.what);
        // Whatever was sent on before the answer was meant for the other side of a handshake (CVE-2021-23214).
        if (inbox.waiting)
          return {
            kind: 'over',
            told: fatal('08P01', `received unencrypted data after ${first.what.toUpperCase()} request`),
          };
        client.write(NO_ENCRYPTION);
    }
  }
}

const NO_ENCRYPTION = Buffer.from('N');

async function readPacket(inbox: Inbox): Promise<Buffer | Silence | { readonly kind: 'malformed' }> {
  const header = await inbox.bytes(4);
  if (isSilence(header)) return header;
  const length = header.readUInt32BE(0);
  if (length < 8 || length > LONGEST_STARTUP) return { kind: 'malformed' };
  return inbox.bytes(length - 4);
}

function over(signal: AbortSignal, why: Silence | { readonly kind: 'malformed' }): Over {
  if (why.kind === 'malformed') return { kind: 'over', told: fatal('08P01', 'invalid length of startup packet') };
  return why.kind === 'aborted' ? { kind: 'over', told: endOfLogin(signal) } : { kind: 'over' };
}

/** What a client is told whose login was cut short. */
export function endOfLogin(signal: AbortSignal): Buffer {
  const end = signal.reason as Partial<SessionEnd> | undefined;
  return fatal('57P01', typeof end?.kind === 'string' ? describeEnd(end as SessionEnd) : 'the login took too long');
}

async function authenticate(
  client: ByteChannel,
  inbox: Inbox,
  startup: Startup,
  pending: PendingSession<PostgresSettings>,
): Promise<Over | undefined> {
  if (startup.negotiate) client.write(negotiation(startup.negotiate.unknown));
  client.write(message('R', int32(10), 'SCRAM-SHA-256', Buffer.from([0])));
  const refusal = await proveSecret(client, inbox, startup, pending);
  if (refusal) return refusal;
  const { database } = pending.target.settings;
  if (startup.database !== undefined && startup.database !== database)
    return { kind: 'over', told: unknownTarget(startup.database) };
  return undefined;
}

/** We speak 3.0 whatever was asked; options of later protocols are named as not known. */
function negotiation(unknown: readonly string[]): Buffer {
  return message('v', int32(3 << 16), int32(unknown.length), ...unknown);
}

async function proveSecret(
  client: ByteChannel,
  inbox: Inbox,
  startup: Startup,
  pending: PendingSession<PostgresSettings>,
): Promise<Over | undefined> {
  const initial = await readAnswer(inbox, pending.signal);
  if ('kind' in initial) return initial;
  const first = readInitial(initial);
  if (!first) return { kind: 'over', told: fatal('08P01', 'malformed SCRAM message') };
  const exchange = serverExchange(pending.verifier as ScramVerifier, first);
  client.write(message('R', int32(11), Buffer.from(exchange.serverFirst)));
  const final = await readAnswer(inbox, pending.signal);
  if ('kind' in final) return final;
  const signature = exchange.finish(final.toString('latin1'));
  // After the proof, so that a wrong name costs and says the same as a wrong secret.
  if (signature === undefined || startup.user !== TUNNEL_USER) {
    return {
      kind: 'over',
      told: fatal('28P01', 'password authentication failed', "use the user and password of the run's endpoint"),
    };
  }
  client.write(Buffer.concat([message('R', int32(12), Buffer.from(signature)), message('R', int32(0))]));
  return undefined;
}

async function readAnswer(inbox: Inbox, signal: AbortSignal): Promise<Buffer | Over> {
  const frame = await inbox.frame(loginLimits);
  if (isSilence(frame)) return over(signal, frame);
  if (isProblem(frame)) return { kind: 'over', told: fatal(frame.code, frame.problem) };
  return frame.body;
}

/** SASLInitialResponse: the mechanism, the length of what follows, and it. */
function readInitial(body: Buffer): ReturnType<typeof readClientFirst> {
  const end = body.indexOf(0);
  if (end < 0 || body.toString('latin1', 0, end) !== 'SCRAM-SHA-256' || body.length < end + 5) return undefined;
  const length = body.readInt32BE(end + 1);
  return length === body.length - end - 5 ? readClientFirst(body.toString('latin1', end + 5)) : undefined;
}
