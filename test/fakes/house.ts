/** A gateway in small for tests of one protocol: listens, hands each connection to it, and answers its submissions from a function. Nothing is recorded but in memory. */
import { type AddressInfo, createServer, connect, type Server, type Socket } from 'node:net';
import { timingSafeEqual } from 'node:crypto';
import { type ByteChannel, channelOf } from '../../src/base/channel.ts';
import { Secret } from '../../src/base/secret.ts';
import type { Command } from '../../src/domain/command.ts';
import type { SessionEnd } from '../../src/domain/end.ts';
import { NO_MASK } from '../../src/domain/mask.ts';
import { type LimitReached, type Meter, mintPermit, type Permit } from '../../src/domain/permit.ts';
import type { Protocol } from '../../src/domain/protocol.ts';
import type { Outcome, SessionEvent } from '../../src/domain/recording.ts';
import type { Verifier } from '../../src/domain/run.ts';
import type {
  CancelDesk,
  Claim,
  PendingSession,
  Refusal,
  Session,
  SessionView,
  SubmitOptions,
  Turn,
} from '../../src/domain/session.ts';
import type { Target, TargetName } from '../../src/domain/target.ts';

export type Answer = 'permit' | Refusal;

export interface HouseParts<Settings> {
  readonly protocol: Protocol<Settings>;
  readonly settings: Settings;
  readonly verifier: Verifier;
  /** Answers a turn of the client; everything is permitted without. */
  judge?(turn: Turn, options: SubmitOptions, house: House): Promise<Answer> | Answer;
  authorize?(claim: Claim): Refusal | undefined;
  view?(): Partial<SessionView>;
  /** Budgets of one statement. */
  meter?(command: Command): Meter;
  dial?(): Promise<ByteChannel>;
  readonly address?: { readonly host: string; readonly port: number };
  readonly password?: string;
  readonly loginSignal?: AbortSignal;
}

export interface Settled {
  readonly command: Command;
  readonly outcome: Outcome;
  readonly result: Omit<Extract<SessionEvent, { type: 'result' }>, 'type' | 'command'> | undefined;
}

export interface House {
  readonly port: number;
  /** Turns of clients, as submitted. */
  readonly turns: Turn[];
  /** The gateway's own statements. */
  readonly own: Turn[];
  readonly settled: Settled[];
  readonly notes: SessionEvent[];
  readonly ends: SessionEnd[];
  readonly claims: Claim[];
  readonly dials: { count: number };
  /** Ends every live session, as a revocation does. @returns what each said of its statement in flight */
  cut(end: SessionEnd): Promise<string[]>;
  /** Resolves when `count` sessions have ended. */
  ended(count: number): Promise<void>;
  /** Serves one connection that is not a socket of ours. */
  serve(client: ByteChannel): Promise<void>;
  close(): Promise<void>;
}

export async function startHouse<Settings>(parts: HouseParts<Settings>): Promise<House> {
  const sockets = new Set<Socket>();
  const live = new Set<{ end(end: SessionEnd): void; cut(): Promise<string> }>();
  const desk = createDesk();
  const waiting: { count: number; resolve: () => void }[] = [];
  const state = {
    turns: [] as Turn[],
    own: [] as Turn[],
    settled: [] as Settled[],
    notes: [] as SessionEvent[],
    ends: [] as SessionEnd[],
    claims: [] as Claim[],
    dials: { count: 0 },
  };
  let sessions = 0;

  function pendingSession(): PendingSession<Settings> {
    return {
      verifier: parts.verifier,
      target: target(parts),
      signal: parts.loginSignal ?? new AbortController().signal,
      cancels: desk,
      async authorize(claim) {
        state.claims.push(claim);
        return parts.authorize?.(claim) ?? session();
      },
    };
  }

  function session(): Session<Settings> {
    const controller = new AbortController();
    const id = `session-${++sessions}`;
    let cancel: () => Promise<string> = () => Promise.resolve('completed');
    const entry = {
      end: (end: SessionEnd) => controller.abort(end),
      cut: () => cancel(),
    };
    live.add(entry);
    return {
      id,
      run: 'run-1',
      principal: {
        issuer: 'https://idp.test',
        subject: 'dana',
        name: 'dana@example.test',
        groups: [],
      } as unknown as Session['principal'],
      target: target(parts),
      signal: controller.signal,
      view: () => viewOf(parts),
      async dial() {
        state.dials.count++;
        return parts.dial ? parts.dial() : dialTcp(parts.address ?? { host: '127.0.0.1', port: 1 });
      },
      secret: async () => Secret.of(parts.password ?? ''),
      async submit(turn, options = {}) {
        if (turn.by === 'gateway') {
          state.own.push(turn);
          return permit(turn);
        }
        state.turns.push(turn);
        const impossible = turn.commands.find((command) => command.impossible)?.impossible;
        if (impossible) return refusalOf(impossible);
        if (turn.basis !== viewOf(parts).basis)
          return { kind: 'refusal', code: 'HOOP_STALE', message: 'HOOP_STALE: policy changed' };
        const answer = (await parts.judge?.(turn, options, house)) ?? 'permit';
        return answer === 'permit' ? permit(turn) : answer;
      },
      note: (event) => void state.notes.push(event),
      onCut(next) {
        cancel = next;
      },
      end(end) {
        live.delete(entry);
        state.ends.push(end);
        if (!controller.signal.aborted) controller.abort(end);
        for (const { count, resolve } of waiting) if (state.ends.length >= count) resolve();
      },
    };
  }

  function permit(turn: Turn): Permit {
    return mintPermit({
      commands: turn.commands.map((command, i) => ({ id: `c${i}`, meter: parts.meter?.(command) ?? UNLIMITED })),
      settle(index, outcome, result) {
        const command = turn.commands[index];
        if (command && turn.by !== 'gateway') state.settled.push({ command, outcome, result });
      },
    });
  }

  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    void parts.protocol.serve(channelOf(socket), pendingSession());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const house: House = {
    ...state,
    port: (server.address() as AddressInfo).port,
    async cut(end) {
      const entries = [...live];
      for (const entry of entries) entry.end(end);
      return Promise.all(entries.map((entry) => entry.cut()));
    },
    ended: (count) =>
      state.ends.length >= count ? Promise.resolve() : new Promise((resolve) => waiting.push({ count, resolve })),
    serve: (client) => parts.protocol.serve(client, pendingSession()),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return house;
}

function refusalOf({ code, reason, hint, protocolCode }: NonNullable<Command['impossible']>): Refusal {
  return {
    ...{ kind: 'refusal', code, message: `${code}: ${reason}` },
    ...(hint === undefined ? {} : { hint }),
    ...(protocolCode === undefined ? {} : { protocolCode }),
  };
}

function viewOf<Settings>(parts: HouseParts<Settings>): SessionView {
  const base: SessionView = {
    basis: 'policy-1',
    grant: { entries: ['all'], effects: ['read', 'write', 'delete', 'define', 'control'], guarded: false },
    masks: NO_MASK,
    trustedFunctions: [],
  };
  return { ...base, ...parts.view?.() };
}

function target<Settings>({ settings, protocol }: HouseParts<Settings>): Target<Settings> {
  return { name: 'shop' as TargetName, protocol: protocol.name, labels: {}, account: 'app_reader', settings };
}

export const UNLIMITED: Meter = {
  take: () => undefined,
  reached: () => undefined,
  count: () => undefined,
  rowsLeft: Infinity,
  bytesLeft: Infinity,
};

/** A meter of one statement alone. */
export function meterOf(rowsAllowed: number, bytesAllowed = Infinity): Meter {
  let rows = 0;
  let bytes = 0;
  const reached = (moreRows: number, moreBytes: number): LimitReached | undefined => {
    if (rows + moreRows > rowsAllowed) return { rule: 'small', limit: 'rowsPerStatement', allowed: rowsAllowed };
    return bytes + moreBytes > bytesAllowed
      ? { rule: 'small', limit: 'bytesPerStatement', allowed: bytesAllowed }
      : undefined;
  };
  return {
    take(moreRows, moreBytes) {
      const over = reached(moreRows, moreBytes);
      rows += moreRows;
      bytes += moreBytes;
      return over;
    },
    reached,
    count: () => undefined,
    get rowsLeft() {
      return Math.max(0, rowsAllowed - rows);
    },
    get bytesLeft() {
      return Math.max(0, bytesAllowed - bytes);
    },
  };
}

export function dialTcp(address: { readonly host: string; readonly port: number }): Promise<ByteChannel> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...address, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(channelOf(socket));
    });
  });
}

function createDesk(): CancelDesk {
  const keys = new Map<Uint8Array, () => void>();
  return {
    register(key, cancel) {
      keys.set(key, cancel);
      return () => void keys.delete(key);
    },
    request(key) {
      for (const [known, cancel] of keys) if (known.length === key.length && timingSafeEqual(known, key)) cancel();
    },
  };
}
