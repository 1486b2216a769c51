/**
 * Carries one permitted request to the target and the answer back: searched for the credential, decoded, masked, counted, recorded, and passed on as it comes.
 *
 *     target ─▶ decode ─▶ search ─▶ (usage) ─▶ mask ─▶ meter ─▶ record ─▶ client
 *
 * What was passed on cannot be taken back: an answer that turns out to be what may not pass is reset, so that no client takes its beginning for the whole.
 */
import { type Duplex, Readable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { HoopError } from '../../base/error.ts';
import type { LimitReached, Permit } from '../../domain/permit.ts';
import type { OutcomeState, ReplyTiming } from '../../domain/recording.ts';
import type { Session } from '../../domain/session.ts';
import type { Fingerprint } from '../../mask/index.ts';
import type { Exchange } from '../http-wire/exchange.ts';
import { sentOf, type UpstreamResponse } from '../http-wire/client.ts';
import { forwardedTrailers } from '../http-wire/forward.ts';
import type { HeaderList } from '../http-wire/head.ts';
import { createAnswer, isContentTrouble, type Passing } from './answer.ts';
import { chunksOf } from './body.ts';
import { createKeeper } from './kept.ts';
import { type Answer, refusalAnswer, targetAnswer } from './refuse.ts';
import type { Read } from './read-request.ts';
import { reserve } from './spending.ts';
import type { HttpSettings } from './settings.ts';
import type { Upstream } from './upstream.ts';
import { joinSockets } from './websocket.ts';
import { createCollector } from './websocket-flow.ts';
import { brokenHandshake, createHandshake, type Handshake } from './websocket-handshake.ts';

export interface CarryParts {
  readonly exchange: Exchange;
  readonly session: Session<HttpSettings>;
  readonly upstream: Upstream;
  readonly permit: Permit;
  readonly read: Read;
  readonly clock: Clock;
  readonly fingerprint: Fingerprint;
}

export type Fate = 'cancelled' | 'completed' | 'unknown';

export interface Carried {
  /** Resolves when it is over and settled. */
  readonly done: Promise<void>;
  /** Gives it up. @returns what became of it: a target that has been sent a request may have done what it asks */
  cut(): Promise<Fate>;
}

/** How it ended, where it was not the target's own end. */
type Ending =
  | { readonly kind: 'limit'; readonly reached: LimitReached }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'leak' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly code: string };

export function carry(parts: CarryParts): Carried {
  const { exchange, session, upstream, permit, read, clock, fingerprint } = parts;
  const { settings } = session.target;
  const began = clock.monotonic();
  const command = permit.commands[0]?.id ?? '';
  const giveUp = new AbortController();
  // Not `AbortSignal.any`: Node keeps what listens to one of those for ever.
  const { signal } = giveUp;
  if (exchange.gone.aborted) giveUp.abort();
  else exchange.gone.addEventListener('abort', () => giveUp.abort(), { once: true });
  let keeper = createKeeper(settings.content, fingerprint);
  const handshake = read.upgrade === undefined ? undefined : createHandshake(exchange.headers);
  /** The client's connection is no HTTP any more. */
  let switched = false;
  const spending = reserve(settings, read.command, permit.commands[0]?.meter);
  let sent: 'nothing' | 'part' | 'whole' = 'nothing';
  let ending: Ending | undefined;
  let masked = read.masked;
  let response: UpstreamResponse | undefined;
  /** Bytes that flowed because nothing came for a while: counted with the next ones. */
  let unmetered = 0;
  const done = run();

  async function run(): Promise<void> {
    if (spending.refused) {
      ending = { kind: 'limit', reached: spending.refused };
      tell(refusalAnswer(limitRefusal(spending.refused)));
      return settle('notForwarded');
    }
    try {
      const answered = await upstream.send(outgoing());
      response = answered;
      sent = 'part';
      if (answered.upgraded && handshake) {
        await goOn(answered.upgraded, answered.headers, handshake);
      } else {
        const stop = () => answered.body.destroy(new Error('given up'));
        signal.addEventListener('abort', stop, { once: true });
        if (signal.aborted) stop();
        await passOn(answered);
      }
    } catch (error) {
      failed(error);
    } finally {
      if (response?.sentWhole) sent = 'whole';
      response?.body.destroy();
    }
    settle(stateOf());
  }

  function outgoing(): Parameters<Upstream['send']>[0] {
    const { method } = exchange;
    const { target, headers, body, upgrade } = read;
    return {
      ...{ method, target: target.raw, headers: [...headers, ...(handshake?.headers ?? [])], signal },
      body: body.kind === 'none' ? undefined : body.kind === 'whole' ? body.bytes : Readable.from(streamed()),
      ...(body.kind === 'streamed' && {
        // A masked body has another length.
        ...(read.masker === undefined && body.length !== undefined ? { length: body.length } : {}),
        trailers,
      }),
      ...(upgrade === undefined ? {} : { upgrade }),
    };
  }

  /** They were not judged, and nothing looks into them: what a header may not say they may not either. */
  function trailers(): HeaderList {
    return read.masker ? [] : forwardedTrailers(exchange.trailers(), settings.headers);
  }

  async function* streamed(): AsyncGenerator<Buffer> {
    const { body, masker } = read;
    if (body.kind !== 'streamed') return;
    for await (const chunk of chunksOf(body)) {
      const part = masker ? masker.push(chunk) : chunk;
      if (masker?.failed !== undefined) throw new Error(`its body cannot be masked: ${masker.failed}`);
      if (part.length > 0) yield part;
    }
    if (!masker) return;
    const rest = masker.end();
    if (masker.failed !== undefined) throw new Error(`its body cannot be masked: ${masker.failed}`);
    masked += masker.masked;
    if (rest.length > 0) yield rest;
  }

  async function passOn(from: UpstreamResponse): Promise<void> {
    const begun = createAnswer({
      ...{ response: from, settings, fingerprint },
      method: exchange.method,
      plan: session.view().masks,
      search: upstream.search(),
    });
    if (begun.kind === 'leak') return leaked();
    // Where nothing comes there is nothing to be looked into.
    if (begun.kind === 'refused' && !(await isEmpty(from.body))) {
      ending = { kind: 'refused', code: 'HOOP_DENIED' };
      return tell(refusalAnswer(begun.refusal, { status: 502 }));
    }
    const answer = begun.kind === 'refused' ? begun.empty : begun;
    spending.begins(answer.type);
    keeper.head(answer.status, answer.headers);
    exchange.head(answer.status, answer.headers);
    if (!answer.bodiless) await passBody(answer);
    const trailers = answer.trailers();
    if (trailers === 'leak') return leaked();
    masked += answer.flow.masked;
    noteWouldBe(answer.flow.wouldBe());
    if (ending) return exchange.abort();
    keeper.trailers(trailers);
    exchange.end(trailers);
  }

  /** As a WebSocket. The client is told of it only once the target has answered our handshake. */
  async function goOn(target: Duplex, said: HeaderList, { check, answer }: Handshake): Promise<void> {
    const leaks = upstream.search();
    const leak = said.some(([name, value]) => leaks.text(name) || leaks.text(value));
    const wrong = check(said);
    if (leak || wrong !== undefined) target.destroy();
    if (leak) return leaked();
    if (wrong !== undefined) throw brokenHandshake(wrong);
    const headers = answer(said);
    const whole = createCollector();
    // Messages are recorded one by one, not as a body.
    keeper = createKeeper('none', fingerprint);
    keeper.head(101, headers);
    switched = true;
    const over = await joinSockets({
      ...{ client: exchange.upgrade!.accept(headers), target, session, command, clock, fingerprint, signal },
      ...{ plan: session.view().masks, content: settings.content, search: upstream.search },
      async pass(bytes, piece) {
        const words = await countedMessage(bytes);
        const message = spending.message && piece?.type === 'text' ? whole.push(piece) : undefined;
        const spent = Buffer.isBuffer(message) ? spending.message?.(message) : undefined;
        if (!spent || words !== undefined) return words;
        ending ??= { kind: 'limit', reached: spent };
        return limitRefusal(spent).message;
      },
    });
    masked += over.masked;
    noteWouldBe(over.wouldBe);
    const { end } = over;
    if (end.kind === 'leak') leaked();
    if (end.kind === 'unmaskable') ending ??= { kind: 'refused', code: 'HOOP_DENIED' };
    if (end.kind === 'client') ending ??= { kind: 'gone' };
    if (end.kind !== 'target') return;
    ending ??= { kind: 'failed', code: 'TARGET_PROTOCOL' };
    session.note({ type: 'notice', notice: 'target.failed', command, code: 'TARGET_PROTOCOL', message: end.why });
  }

  /** @returns what the client is told where no more may flow */
  async function countedMessage(bytes: Buffer): Promise<string | undefined> {
    const reached = permit.commands[0]?.meter.take(0, bytes.length);
    if (reached && (reached.ask === undefined || !(await moreGiven(reached)))) {
      ending ??= { kind: 'limit', reached };
      return limitRefusal(reached).message;
    }
    keeper.take(bytes);
    return undefined;
  }

  async function passBody(answer: Passing): Promise<void> {
    // What may be the beginning of a value waits for its end, but not for ever.
    let idle: (() => void) | undefined;
    const later = (before?: number) => {
      idle?.();
      idle = clock.after(PATIENCE_MS, () => {
        if (ending) return;
        const part = answer.flow.idle();
        // What cannot be masked shows with the next bytes, or at the end.
        if (typeof part !== 'string') {
          unmetered += part.length;
          write(part);
        }
        if (answer.flow.held > 0 && answer.flow.held !== before) later(answer.flow.held);
      });
    };
    try {
      for await (const chunk of answer.body) {
        if (ending) break;
        spending.heard(chunk as Buffer);
        const part = answer.flow.push(chunk as Buffer);
        if (part === 'leak') return leaked();
        if (part === 'unmaskable') return unmaskable(answer);
        if (await writeLimited(part)) break;
        if (answer.flow.held > 0) later();
        else idle?.();
      }
      idle?.();
      const rest = answer.flow.end();
      if (rest === 'leak') return leaked();
      if (rest === 'unmaskable') return unmaskable(answer);
      if (!ending) await writeLimited(rest);
    } finally {
      idle?.();
    }
  }

  function write(part: Buffer): boolean {
    if (part.length === 0) return true;
    keeper.take(part);
    return exchange.write(part);
  }

  /** @returns whether it is over */
  async function writeLimited(part: Buffer): Promise<boolean> {
    if (part.length === 0 && unmetered === 0) return false;
    const bytes = part.length + unmetered;
    unmetered = 0;
    const reached = permit.commands[0]?.meter.take(0, bytes);
    if (reached && (reached.ask === undefined || !(await moreGiven(reached)))) {
      ending ??= { kind: 'limit', reached };
      exchange.abort();
      return true;
    }
    if (!write(part)) await exchange.drained();
    return ending !== undefined;
  }

  /** People are asked while the answer waits. */
  async function moreGiven(reached: LimitReached): Promise<boolean> {
    const wanted = { reached, rows: 0, bytes: keeper.bytes };
    const refused = await permit.more?.(0, wanted, { gone: exchange.gone });
    return permit.more !== undefined && refused === undefined;
  }

  /** The target gave back what only the gateway may know. */
  function leaked(): void {
    ending = { kind: 'leak' };
    session.note({ type: 'notice', notice: 'credential.returned', command });
    tell(targetAnswer('the target returned the credential of its account; the answer was not passed on'));
    session.end({
      ...{ kind: 'protocolError', side: 'target' },
      message: 'it returned the credential of its account',
    });
  }

  function unmaskable({ flow: { why } }: Passing): void {
    ending = { kind: 'refused', code: 'HOOP_DENIED' };
    const message = why() ?? 'it is not what it says it is';
    session.note({ type: 'notice', notice: 'mask.failed', command, message });
    tell(refusalAnswer(unmaskableRefusal(message), { status: 502 }));
  }

  function failed(error: unknown): void {
    if (isContentTrouble(error)) {
      ending ??= { kind: 'refused', code: 'HOOP_DENIED' };
      session.note({ type: 'notice', notice: 'content.undecodable', command, message: error.message });
      return exchange.abort();
    }
    sent = sentOf(error) ?? sent;
    if (exchange.gone.aborted) ending ??= { kind: 'gone' };
    if (ending) return exchange.abort();
    const known = error instanceof HoopError ? error : undefined;
    ending = { kind: 'failed', code: known?.code ?? 'TARGET_ERROR' };
    session.note({ type: 'notice', notice: 'target.failed', command, code: ending.code, message: messageOf(error) });
    if (session.signal.aborted) return;
    const message = known ? known.message : 'the answer of the target broke off';
    const status = known?.code === 'TARGET_TIMEOUT' ? 504 : 502;
    tell(refusalAnswer(unavailable(message), { status, once: sent !== 'nothing' }));
  }

  function tell(answer: Answer): void {
    if (switched) return;
    if (exchange.started) exchange.abort();
    else exchange.respond(answer.status, answer.headers, answer.body);
  }

  function noteWouldBe(rules: readonly string[]): void {
    if (rules.length > 0) session.note({ type: 'notice', notice: 'wouldBe', kind: 'mask', command, rules });
  }

  function stateOf(): OutcomeState {
    if (!ending) return response && response.status < 500 ? 'completed' : 'failed';
    switch (ending.kind) {
      case 'limit':
      case 'refused':
      case 'leak':
        return 'failed';
      case 'gone':
      case 'failed':
        // A head that came says that it was carried out, however it went on; without one nobody knows.
        return sent === 'nothing' ? 'notForwarded' : response ? 'cancelled' : 'unknown';
    }
  }

  function settle(state: OutcomeState): void {
    const usage = spending.settle(ending === undefined);
    const { dialMs, firstByteMs = 0 } = response?.timing ?? {};
    const timing: ReplyTiming = {
      ...(dialMs === undefined ? {} : { dialMs: round(dialMs) }),
      ...{ firstByteMs: round(firstByteMs), durationMs: round(clock.monotonic() - began) },
    };
    const kept = keeper.reply(timing);
    const code = codeOf();
    permit.settle(
      0,
      {
        ...{ state, bytes: keeper.bytes, durationMs: timing.durationMs },
        ...(masked > 0 ? { maskedCells: masked } : {}),
        ...(code === undefined ? {} : { code }),
        ...(response ? { tag: `HTTP ${response.status}` } : {}),
      },
      kept || usage ? { ...kept, ...(usage && { usage }) } : undefined,
    );
  }

  function codeOf(): string | undefined {
    if (ending?.kind === 'limit') return 'HOOP_LIMIT';
    if (ending?.kind === 'refused' || ending?.kind === 'failed') return ending.code;
    if (ending?.kind === 'leak') return 'HOOP_DENIED';
    return response && response.status >= 400 ? String(response.status) : undefined;
  }

  return {
    done,
    async cut() {
      const open = response === undefined || ending === undefined;
      ending ??= { kind: 'gone' };
      giveUp.abort();
      await done;
      if (!open) return 'completed';
      return sent === 'nothing' ? 'cancelled' : 'unknown';
    },
  };
}

const PATIENCE_MS = 100;

function limitRefusal({ rule, limit, allowed }: LimitReached) {
  const message = `HOOP_LIMIT: limit "${rule}": ${limit} is ${allowed}`;
  const hint = 'ask for less, or ask the owner of the target for more';
  return { kind: 'refusal', code: 'HOOP_LIMIT', message, hint, rule } as const;
}

function unavailable(message: string) {
  const hint = "tell the gateway's administrator; the request itself was let through";
  return { kind: 'refusal', code: 'HOOP_UNAVAILABLE', message: `HOOP_UNAVAILABLE: ${message}`, hint } as const;
}

function unmaskableRefusal(why: string) {
  return { kind: 'refusal', code: 'HOOP_DENIED', message: `HOOP_DENIED: the answer cannot be masked: ${why}` } as const;
}

/** Whether a body ends before it begins. Nothing of it is lost. */
function isEmpty(body: Readable): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const chunk = body.read() as Buffer | null;
      if (chunk === null) return;
      done();
      body.unshift(chunk);
      resolve(false);
    };
    const over = () => {
      done();
      resolve(true);
    };
    const failed = (error: Error) => {
      done();
      reject(error);
    };
    const done = () => void body.off('readable', look).off('end', over).off('error', failed);
    body.on('readable', look).once('end', over).once('error', failed);
  });
}

/** Nothing that a target sent is in the words of our own errors. */
function messageOf(error: unknown): string {
  return error instanceof HoopError ? error.message : 'the connection broke off';
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
