/** Local doors to a run's targets: which targets, their secrets, where they listen, and what a client is told while the gateway is away. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { errorTable, type HoopError } from '../base/error.ts';
import type { Http2Link } from '../base/http2-link.ts';
import { nearest } from '../base/nearest.ts';
import { Token } from '../base/secret.ts';
import type { TargetView } from '../api/shapes.ts';
import type { Endpoint, Parting, ProtocolClient, Unavailable } from '../domain/protocol.ts';
import { type Leave, type Listener, type ListenPlace, listen, openTunnel } from '../tunnel/index.ts';

export const fail = errorTable({
  TARGET_UNKNOWN: { exit: 4, hint: 'list them with: hoopctl targets' },
  NO_TARGETS: { exit: 4, hint: 'ask for access, or see: hoopctl targets' },
  PROTOCOL_UNKNOWN: { exit: 2, hint: 'update hoopctl' },
  PLACE_UNKNOWN: { exit: 2 },
});

/** Loads the command-line side of a protocol; undefined for one that this version does not have. */
export type ProtocolClients = (protocol: string) => Promise<ProtocolClient | undefined>;

/** Where a target's door shall be: a port, or a folder for a Unix socket. */
export type DoorWish = { readonly port: number } | { readonly folder: string };

/** One target of a run, before its door is open. */
export interface Prepared {
  readonly target: TargetView;
  readonly client: ProtocolClient;
  readonly secret: Token;
  readonly wish: DoorWish;
}

export interface OpenDoor extends Prepared {
  readonly endpoint: Endpoint;
  readonly listener: Listener;
}

/** The targets by these names; all that are granted, where none is named. @throws TARGET_UNKNOWN, NO_TARGETS */
export function chooseTargets(granted: readonly TargetView[], names: readonly string[]): TargetView[] {
  if (names.length === 0 && granted.length === 0) throw fail('NO_TARGETS', 'no target is granted to you');
  if (names.length === 0) return [...granted];
  return [...new Set(names)].map((name) => {
    const target = granted.find((one) => one.name === name);
    if (target !== undefined) return target;
    const meant = nearest(
      name,
      granted.map((one) => one.name),
    );
    throw fail('TARGET_UNKNOWN', `there is no target "${name}", or it is not granted to you`, {
      hint: meant === undefined ? undefined : `did you mean "${meant}"?`,
    });
  });
}

/** 256 random bits for this run and target, unless one is remembered. @throws PROTOCOL_UNKNOWN */
export async function prepare(
  target: TargetView,
  clients: ProtocolClients,
  wish: DoorWish = { port: 0 },
  secret: Token = newSecret(),
): Promise<Prepared> {
  const client = await clients(target.protocol);
  if (client === undefined)
    throw fail('PROTOCOL_UNKNOWN', `target "${target.name}" speaks ${target.protocol}, which this version does not`);
  return { target, client, secret, wish };
}

export function newSecret(): Token {
  return Token.of(randomBytes(32).toString('base64url'));
}

export interface DoorKeeper {
  readonly link: Http2Link;
  readonly run: { readonly id: string; readonly token: Token };
  /** Why no connection can be opened, where the lease knows better than the connection's own error. */
  problem(): HoopError | undefined;
  /** The gateway no longer takes the run's token: is it over? */
  doubt?(): void;
  /** A client could not be connected. */
  onRefused?(target: string, error: HoopError): void;
}

export async function openDoor(prepared: Prepared, keeper: DoorKeeper): Promise<OpenDoor> {
  const { target, client, secret, wish } = prepared;
  const { unavailable } = client;
  const tell = (error: HoopError) => {
    if (error.exit === 3) keeper.doubt?.();
    return unavailableFor(error, keeper.problem());
  };
  const listener = await listen({
    place: placeOf(prepared),
    open: () => openTunnel(keeper.link, { run: keeper.run.id, target: target.name, token: keeper.run.token }),
    onRefused: (error) => keeper.onRefused?.(target.name, error),
    unavailable: unavailable && ((error, received) => unavailable.call(client, tell(error), received)),
    parting: client.parting && (() => partingOf(client.parting?.(), keeper)),
  });
  const endpoint: Endpoint = {
    target: target.name,
    host: 'folder' in wish ? wish.folder : '127.0.0.1',
    port: 'folder' in wish ? (client.defaultPort ?? 0) : listener.port,
    user: 'run',
    secret: secret.expose(),
    ...(target.database === undefined ? {} : { database: target.database }),
    ...(target.shown === undefined ? {} : { shown: target.shown }),
  };
  return { ...prepared, endpoint, listener };
}

function placeOf({ wish, client, target }: Prepared): ListenPlace {
  if (!('folder' in wish)) return { kind: 'port', port: wish.port };
  if (client.socketName === undefined || client.defaultPort === undefined)
    throw fail('PLACE_UNKNOWN', `${target.protocol} clients know no Unix sockets`, {
      hint: `use a port: ${target.name}=0`,
    });
  return { kind: 'socket', path: join(wish.folder, client.socketName(client.defaultPort)) };
}

/** What was heard at the door, or what the lease knows of it: that the gateway is away, or the login has run out. */
function unavailableFor(error: HoopError, known: HoopError | undefined): Unavailable {
  if (known !== undefined && AWAY.has(error.exit)) return said(known, known.exit === 3 ? 'login' : 'unreachable');
  // Only the run's own token was shown: no login would help.
  if (error.exit === 3) return { kind: 'refused', message: 'the gateway does not know this run any more' };
  return said(error, error.exit === 6 || error.code.includes('SUSPENDED') ? 'unreachable' : 'refused');
}

const AWAY: ReadonlySet<number> = new Set([3, 6]);

function said({ message, hint }: HoopError, kind: Unavailable['kind']): Unavailable {
  return { kind, message: hint === undefined ? message : `${message} (${hint})` };
}

/** What a client hears whose open connection was cut without a word of the gateway. */
function partingOf(parting: Parting | undefined, keeper: DoorKeeper): Leave | undefined {
  return (
    parting && {
      heard: (chunk) => parting.heard(chunk),
      words: () => parting.words({ kind: 'unreachable', message: `${CUT}${because(keeper.problem())}; ${UNKNOWN}` }),
    }
  );
}

const CUT = 'the connection to the gateway was cut';
const UNKNOWN = 'a statement that was under way is not sent again, and may or may not have been carried out';

function because(known: HoopError | undefined): string {
  const why = known?.details?.['why'];
  return typeof why === 'string' ? `: ${why}` : '';
}
