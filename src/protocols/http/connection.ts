/** One client connection, from its first request to its end: who asks is checked for each request, and each is read, submitted and carried out. */
import type { ByteChannel } from '../../base/channel.ts';
import type { SessionEnd } from '../../domain/end.ts';
import type { Permit } from '../../domain/permit.ts';
import type { Refusal } from '../../domain/refusal.ts';
import type { PendingSession, Session } from '../../domain/session.ts';
import { guardBrowser } from '../http-wire/guard.ts';
import { headerOf } from '../http-wire/head.ts';
import { type Exchange, serveHttp } from '../http-wire/server.ts';
import { readTarget } from '../http-wire/target.ts';
import type { ProtocolOptions } from '../options.ts';
import { type ReadBody, readBody } from './body.ts';
import { type Carried, carry, type Fate } from './carry.ts';
import { showsSecret } from './entrance.ts';
import type { Jars } from './jars.ts';
import { answerPreflight, forPage } from './pages.ts';
import { type Read, readRequest, unreadable } from './read-request.ts';
import { type Answer, endAnswer, refusalAnswer, unauthorized } from './refuse.ts';
import type { HttpSettings } from './settings.ts';
import { connectUpstream, type Upstream } from './upstream.ts';

export interface Tools extends ProtocolOptions {
  readonly jars: Jars;
}

type Opened =
  | { readonly kind: 'session'; readonly session: Session<HttpSettings>; readonly upstream: Upstream }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Serves it until it is over. A malformed request ends it; one that is only refused is counted by the gate. */
export async function serveConnection(
  client: ByteChannel,
  pending: PendingSession<HttpSettings>,
  tools: Tools,
): Promise<void> {
  const visit = new Visit(pending, tools);
  const connection = serveHttp(client, (exchange) => void visit.serve(exchange), {
    clock: tools.clock,
    onMalformed: (reason) => visit.malformed(reason),
  });
  visit.hangUp = () => connection.close();
  const late = () => {
    if (!visit.entered) client.abort(undefined);
  };
  pending.signal.addEventListener('abort', late, { once: true });
  if (!client.gone.aborted)
    await new Promise<void>((resolve) => client.gone.addEventListener('abort', () => resolve(), { once: true }));
  pending.signal.removeEventListener('abort', late);
  await visit.leave();
}

class Visit {
  hangUp: () => void = () => {};
  entered = false;
  readonly #pending: PendingSession<HttpSettings>;
  readonly #tools: Tools;
  readonly #waiting = new Set<Exchange>();
  readonly #running = new Set<Carried>();
  readonly #serving = new Set<Promise<void>>();
  #opened: Promise<Opened> | undefined;
  #session: Session<HttpSettings> | undefined;
  #farewell: SessionEnd | undefined;
  #told = false;

  constructor(pending: PendingSession<HttpSettings>, tools: Tools) {
    this.#pending = pending;
    this.#tools = tools;
  }

  serve(exchange: Exchange): Promise<void> {
    this.#waiting.add(exchange);
    const served = this.#serve(exchange)
      .catch(() => tell(exchange, refusalAnswer(INTERNAL)))
      .finally(() => {
        this.#waiting.delete(exchange);
        this.#serving.delete(served);
      });
    this.#serving.add(served);
    return served;
  }

  /** Answered already. Before the login nobody is known who could have said it. */
  malformed(reason: string): void {
    this.#session?.note({ type: 'notice', notice: 'request.malformed', message: reason });
  }

  /** The client hung up. */
  async leave(): Promise<void> {
    await this.#cut();
    await Promise.all(this.#serving);
    const opened = await this.#opened?.catch(() => undefined);
    if (opened?.kind !== 'session') return;
    opened.upstream.close();
    opened.session.end({ kind: 'closed' });
  }

  async #serve(given: Exchange): Promise<void> {
    const { verifier, target } = this.#pending;
    const page = guardBrowser(given.headers, target.settings.origins);
    if (page !== undefined) return stop(given, refusalAnswer(denied(page, PAGE_HINT)));
    if (answerPreflight(given)) return;
    const exchange = forPage(given);
    if (!showsSecret(exchange.headers, verifier)) return stop(exchange, unauthorized(SECRET_HINT));
    if (this.#pending.signal.aborted && !this.entered) return exchange.abort();
    this.entered = true;
    this.#opened ??= this.#open(headerOf(exchange.headers, 'user-agent'));
    const opened = await this.#opened;
    if (this.#farewell) return stop(exchange, endAnswer(this.#farewell));
    if (opened.kind === 'refused') return stop(exchange, refusalAnswer(opened.refusal));
    await this.#judge(exchange, opened);
  }

  async #open(client: string | undefined): Promise<Opened> {
    const answer = await this.#pending.authorize(client === undefined ? {} : { client: client.slice(0, 100) });
    if ('kind' in answer) return { kind: 'refused', refusal: answer };
    const session = answer;
    this.#session = session;
    const jar = this.#tools.jars.of(session);
    const upstream = connectUpstream({ session, settings: session.target.settings, clock: this.#tools.clock, jar });
    session.onCut(() => this.#cut());
    const farewell = () => this.#part(session.signal.reason as SessionEnd);
    session.signal.addEventListener('abort', farewell, { once: true });
    if (session.signal.aborted) farewell();
    return { kind: 'session', session, upstream };
  }

  async #judge(exchange: Exchange, { session, upstream }: Extract<Opened, { kind: 'session' }>): Promise<void> {
    const { settings } = session.target;
    const target = readTarget(exchange.target);
    if (!target.ok) {
      // Recorded and counted like every other refusal: who tries spellings of a path is probing.
      const refusal = await this.#submit(session, exchange, () => unreadable(exchange, target));
      return stop(exchange, refusalAnswer(asRefusal(refusal), { status: 400 }));
    }
    const body = await readBody(exchange, settings.body);
    if (body.kind === 'gone') return exchange.abort();
    const asked = { exchange, target: target.target, body, settings, fingerprint: this.#tools.fingerprint };
    let read: Read | undefined;
    // Masks of what goes to the target are of the policy by which it is judged.
    const permit = await this.#submit(session, exchange, () => {
      read = readRequest(asked, session.view().masks);
      return read.command;
    });
    if (permit.kind === 'refusal') {
      discard(body);
      if (this.#farewell) return stop(exchange, endAnswer(this.#farewell));
      return tell(exchange, refusalAnswer(permit, { async: prefersAsync(exchange) }));
    }
    await this.#carryOut(exchange, { session, upstream, permit, read: read as Read });
  }

  async #carryOut(
    exchange: Exchange,
    parts: { session: Session<HttpSettings>; upstream: Upstream; permit: Permit; read: Read },
  ): Promise<void> {
    const carried = carry({ exchange, clock: this.#tools.clock, fingerprint: this.#tools.fingerprint, ...parts });
    this.#running.add(carried);
    if (this.#farewell) void carried.cut();
    await carried.done;
    this.#running.delete(carried);
    if (!parts.upstream.unsearched() || this.#told) return;
    this.#told = true;
    parts.session.note({ type: 'notice', notice: 'credential.unsearched', message: TOO_SHORT });
  }

  /** As long as policy changes while it is read, it is read again. */
  async #submit(session: Session, exchange: Exchange, read: () => Read['command']): Promise<Permit | Refusal> {
    const wait = prefersAsync(exchange) ? { wait: 0 } : {};
    for (let tries = 0; ; tries++) {
      const { basis } = session.view();
      const answer = await session.submit({ commands: [read()], basis }, { gone: exchange.gone, ...wait });
      if (answer.kind !== 'refusal' || answer.code !== 'HOOP_STALE' || tries === 3) return answer;
    }
  }

  /** Everything that is under way is given up. */
  async #cut(): Promise<Fate> {
    const fates = await Promise.all([...this.#running].map((one) => one.cut()));
    return fates.find((fate) => fate === 'unknown') ?? fates.find((fate) => fate === 'cancelled') ?? 'completed';
  }

  /** Every client that waits for an answer hears why there is none; an answer that has begun is cut off. */
  #part(end: SessionEnd): void {
    this.#farewell = end;
    void this.#cut();
    for (const exchange of this.#waiting) stop(exchange, endAnswer(end));
    // The goodbye is written before the connection ends.
    this.#tools.clock.after(50, () => this.hangUp());
  }
}

const TOO_SHORT = 'the credential is shorter than 8 bytes: it was not looked for in what the target says';

const PAGE_HINT = 'web pages have no business here; ask from a program, by the address in its environment';
const SECRET_HINT =
  'send the run’s secret for this target (HOOP_<NAME>_TOKEN) as a bearer token, as the password of basic, or as x-api-key';

const INTERNAL: Refusal = {
  kind: 'refusal',
  code: 'HOOP_UNAVAILABLE',
  message: 'HOOP_UNAVAILABLE: an internal error',
  hint: "tell the gateway's administrator",
};

function denied(reason: string, hint: string): Refusal {
  return { kind: 'refusal', code: 'HOOP_DENIED', message: `HOOP_DENIED: ${reason}`, hint };
}

function asRefusal(answer: Permit | Refusal): Refusal {
  return answer.kind === 'refusal' ? answer : INTERNAL;
}

/** RFC 7240, section 4.1. */
function prefersAsync({ headers }: Exchange): boolean {
  return (headerOf(headers, 'prefer') ?? '')
    .split(',')
    .some((preference) => preference.trim().toLowerCase() === 'respond-async');
}

/** An answer that had begun is cut off instead. */
function tell(exchange: Exchange, { status, headers, body }: Answer): void {
  if (exchange.started) return exchange.abort();
  exchange.respond(status, headers, body);
}

/** The last answer on this connection. */
function stop(exchange: Exchange, answer: Answer): void {
  exchange.close();
  tell(exchange, answer);
}

function discard(body: ReadBody): void {
  if (body.kind === 'streamed') body.rest.destroy();
}
