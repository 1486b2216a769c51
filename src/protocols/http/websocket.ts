/** Two ends of a WebSocket joined: both directions message by message (websocket-way.ts), until one closes, is gone, or may not go on. */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { exhaustive } from '../../base/exhaustive.ts';
import { describeEnd, type SessionEnd } from '../../domain/end.ts';
import type { MaskPlan } from '../../domain/mask.ts';
import type { Session } from '../../domain/session.ts';
import type { Fingerprint } from '../../mask/index.ts';
import { closeFrame } from '../http-wire/websocket.ts';
import type { LeakSearch } from './leak.ts';
import type { Content } from './settings.ts';
import { createMessageFlow, type Piece } from './websocket-flow.ts';
import { createMessageLog, type Direction } from './websocket-log.ts';
import { startWay, type Stop } from './websocket-way.ts';

export interface SocketParts {
  readonly client: Duplex;
  readonly target: Duplex;
  readonly session: Pick<Session, 'signal' | 'note' | 'view' | 'end'>;
  readonly plan: MaskPlan;
  readonly content: Content;
  /** A new search for the credential. */
  readonly search: () => LeakSearch;
  readonly command: string;
  readonly clock: Clock;
  readonly fingerprint: Fingerprint;
  /** Aborted when it is given up from outside. */
  readonly signal: AbortSignal;
  /** Before bytes go to the client: a piece of a message, or what a control frame holds. @returns the words it is cut with where they may not */
  pass(bytes: Buffer, piece: Piece | undefined): string | undefined | Promise<string | undefined>;
}

/** How it ended, where neither side closed it. */
export type SocketEnd =
  | { readonly kind: 'closed' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unmaskable' }
  | { readonly kind: 'leak' }
  | { readonly kind: 'client'; readonly why: string }
  | { readonly kind: 'target'; readonly why: string };

export interface SocketOver {
  readonly end: SocketEnd;
  readonly masked: number;
  readonly wouldBe: readonly string[];
}

/** After a close was said to a side, it has so long to end the connection. */
const LINGER_MS = 2_000;

/** Resolves when nothing more passes; what is left of the connections ends by itself. */
export function joinSockets(parts: SocketParts): Promise<SocketOver> {
  const { client, target, session, plan, fingerprint, clock, search, command } = parts;
  const { promise, resolve } = Promise.withResolvers<SocketOver>();
  const log = createMessageLog({ ...parts, note: (event) => session.note(event) });
  const flows = {
    in: createMessageFlow({ direction: 'request', plan, fingerprint }),
    out: createMessageFlow({ direction: 'response', plan, fingerprint, search }),
  };
  let over = false;
  let heard = clock.monotonic();
  /** What the client hears when a limit is reached. */
  let refusal = '';
  const closedBy = new Set<Direction>();

  const ways = {
    in: startWay({
      ...{ from: 'client', source: client, sink: target, flow: flows.in, clock },
      pass(piece) {
        if (piece === 'aside') return true;
        heard = clock.monotonic();
        log.take('in', piece);
        return true;
      },
      onStop: (stop) => stopped('in', stop),
    }),
    out: startWay({
      ...{ from: 'server', source: target, sink: client, flow: flows.out, clock },
      pass(piece, bytes) {
        if (piece !== 'aside') heard = clock.monotonic();
        const counted = parts.pass(bytes, piece === 'aside' ? undefined : piece);
        const told = (words: string | undefined): boolean => {
          if (words === undefined && piece !== 'aside') log.take('out', piece);
          refusal = words ?? '';
          return words === undefined;
        };
        return counted instanceof Promise ? counted.then(told) : told(counted);
      },
      onStop: (stop) => stopped('out', stop),
    }),
  };
  const { idle } = session.view().grant;
  let silence: (() => void) | undefined;
  if (idle !== undefined) watchSilence(idle);
  const cut = () => {
    const { aborted, reason } = session.signal;
    const words = aborted ? describeEnd(reason as SessionEnd) : 'the connection was given up';
    finish({ kind: 'cut' }, { client: [1008, words], target: [1001, ''] });
  };
  parts.signal.addEventListener('abort', cut, { once: true });
  if (parts.signal.aborted) cut();

  /** Nothing of what was said: pings alone keep nothing alive. */
  function watchSilence(most: number): void {
    const left = most - (clock.monotonic() - heard);
    if (left <= 0) return session.end({ kind: 'idle' });
    silence = clock.after(left, () => watchSilence(most));
  }

  function stopped(way: Direction, stop: Stop): void {
    const by = way === 'in' ? 'client' : 'target';
    switch (stop.kind) {
      case 'closed':
        closedBy.add(way);
        if (closedBy.size === 2) return finish({ kind: 'closed' }, {});
        return void clock.after(LINGER_MS, () => finish({ kind: 'closed' }, {}));
      case 'gone':
        if (closedBy.size > 0) return finish({ kind: 'closed' }, {});
        return by === 'client'
          ? finish({ kind: 'client', why: 'it went away' }, { target: [1001, ''] })
          : finish({ kind: 'target', why: 'it went away' }, { client: [1011, 'the target went away'] });
      case 'malformed':
        return finish(
          { kind: by, why: stop.why },
          by === 'client'
            ? { client: [stop.code, stop.why], target: [1001, ''] }
            : { client: [1011, `the target broke the protocol: ${stop.why}`], target: [stop.code, stop.why] },
        );
      case 'unmaskable': {
        session.note({ type: 'notice', notice: 'mask.failed', command, direction: way, message: stop.why });
        const words = `HOOP_DENIED: a message cannot be masked: ${stop.why}`;
        return finish({ kind: 'unmaskable' }, { client: [stop.code, words], target: [1001, ''] });
      }
      case 'leak':
        return finish({ kind: 'leak' }, { client: [1008, LEAKED], target: [1001, ''] });
      case 'refused':
        return finish({ kind: 'refused' }, { client: [1008, refusal], target: [1001, ''] });
      default:
        return exhaustive(stop);
    }
  }

  function finish(end: SocketEnd, say: { readonly [To in 'client' | 'target']?: readonly [number, string] }): void {
    if (over) return;
    over = true;
    silence?.();
    parts.signal.removeEventListener('abort', cut);
    ways.in.stop();
    ways.out.stop();
    part(client, say.client && closeFrame(...say.client), closedBy.has('out'));
    part(target, say.target && closeFrame(...say.target, { mask: randomBytes(4) }), closedBy.has('in'));
    log.end({ end: end.kind });
    resolve({
      end,
      masked: flows.in.masked + flows.out.masked,
      wouldBe: [...new Set([...flows.in.wouldBe(), ...flows.out.wouldBe()])],
    });
  }

  /** Ends a connection after its last words; one that does not go along is cut. */
  function part(stream: Duplex, close: Buffer | undefined, told: boolean): void {
    if (stream.writable && close && !told) stream.write(close);
    stream.end();
    const cancel = clock.after(LINGER_MS, () => stream.destroy(new Error('the WebSocket is over')));
    stream.once('close', cancel);
  }

  return promise;
}

const LEAKED = 'the target returned the credential of its account; it was not passed on';
