/**
 * A login made for one approval request: the proof that a person was there, then, for this.
 *
 * The gateway starts it at the issuer after the request exists and keeps the device code itself, so nothing that lies about on the approver's
 * machine, such as a stored login, can stand in for it. What comes of it is a token of ours that opens nothing but decisions, lives for minutes, and
 * is kept in this process's memory as a digest.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { exhaustive } from '../base/exhaustive.ts';
import type { Token } from '../base/secret.ts';
import type { IssuerConfig } from '../domain/issuer.ts';
import type { Principal } from '../domain/principal.ts';
import type { Asked, Begun } from './device-grant.ts';
import { fail } from './errors.ts';
import type { Identity } from './identity.ts';
import type { Fetch } from './issuer-fetch.ts';
import type { LoginIssuer, Provider } from './oauth.ts';
import { mintToken, tokenDigest } from './run-token.ts';
import { createStartLimit } from './start-limit.ts';

export interface ApprovalLoginsParts {
  readonly identity: Identity;
  readonly issuers: readonly IssuerConfig[];
  readonly clock: Clock;
  readonly fetch?: Fetch;
  readonly limits?: { readonly perMinute?: number; readonly perMinuteFrom?: number; readonly pending?: number };
}

/** The request a login is for. */
export interface LoginPurpose {
  readonly id: string;
  /** ms, where the request's rule says `proof: { fresh: … }`: the token then counts so long, for every rule that takes one so fresh. */
  readonly freshFor?: number;
  /** Which issuer to sign in at, where there are several; default: the first one that people log in at. */
  readonly issuer?: string;
}

export interface StartedLogin {
  /** To poll with. Known to whoever started it alone. */
  readonly id: string;
  readonly verificationUri: string;
  readonly verificationUriComplete?: string;
  readonly userCode: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly interval: number;
}

export type PolledLogin =
  | { readonly state: 'pending'; readonly interval: number }
  /** Said once. */
  | { readonly state: 'done'; readonly token: string; readonly name: string; readonly expiresIn: number }
  | { readonly state: 'failed'; readonly code: string; readonly message: string };

export interface ApprovalProof {
  readonly principal: Principal;
  /** What the desk is shown. `madeAt` is the start of the login, epoch ms. */
  readonly proof: { readonly kind: 'fresh'; readonly request: string; readonly madeAt: number };
  readonly expiresAt: number;
}

export interface ApprovalLogins {
  /**
   * @param from the address it is asked from, for the limit
   * @throws HoopError RATE_LIMITED, ISSUER_…, LOGIN_UNSUPPORTED, LOGIN_REJECTED
   */
  start(purpose: LoginPurpose, from: string): Promise<StartedLogin>;
  /** Never throws for what the person or the issuer does. */
  poll(id: string): Promise<PolledLogin>;
  /** Whom an approval token stands for. */
  check(token: string): ApprovalProof | undefined;
  /** Drops the tokens of revoked people. */
  forget(whose: (principal: Principal) => boolean): void;
}

/** How long a token lives where the rule says nothing, ms: enough to read what is asked. */
const LIFE = 5 * 60_000;

/** Discovery is repeated so often, ms. */
const PROVIDER_LIFE = 5 * 60_000;

interface Pending {
  readonly purpose: LoginPurpose;
  readonly issuer: IssuerConfig;
  readonly begun: Begun;
  readonly startedAt: number;
  readonly expiresAt: number;
  /** Seconds. */
  interval: number;
  nextPollAt: number;
  polling: boolean;
}

export function createApprovalLogins(parts: ApprovalLoginsParts): ApprovalLogins {
  const { identity, clock, fetch = globalThis.fetch } = parts;
  const limit = createStartLimit(clock, parts.limits);
  const pending = new Map<string, Pending>();
  const proofs = new Map<string, ApprovalProof>();
  const providers = new Map<string, { opened: Promise<Provider>; at: number }>();

  async function start(purpose: LoginPurpose, from: string): Promise<StartedLogin> {
    sweep();
    limit.take(from, pending.size);
    const issuer = issuerFor(parts.issuers, purpose.issuer);
    const provider = await providerOf(issuer);
    const { beginDeviceGrant } = await import('./device-grant.ts');
    const startedAt = clock.now(); // before the issuer is asked: no sign-in for it can be earlier
    const begun = await beginDeviceGrant(issuer, provider);
    const { ask: _, ...told } = begun;
    const id = randomBytes(32).toString('base64url');
    pending.set(id, {
      purpose,
      issuer,
      begun,
      startedAt,
      expiresAt: startedAt + begun.expiresIn * 1000,
      interval: begun.interval,
      nextPollAt: startedAt + begun.interval * 1000,
      polling: false,
    });
    return { id, ...told };
  }

  // Metadata that is a little old does no harm here; what counts is verified with the issuer's keys.
  function providerOf(issuer: LoginIssuer): Promise<Provider> {
    const known = providers.get(issuer.issuer);
    if (known && clock.monotonic() - known.at < PROVIDER_LIFE) return known.opened;
    const opened = import('./device-grant.ts').then((grant) => grant.openProvider(issuer, fetch));
    providers.set(issuer.issuer, { opened, at: clock.monotonic() });
    opened.catch(() => providers.delete(issuer.issuer));
    return opened;
  }

  // The issuer is asked when we are, and no more often than it wants to be: a login that nobody waits for costs it nothing.
  async function poll(id: string): Promise<PolledLogin> {
    sweep();
    const login = pending.get(id);
    if (!login) return failed('LOGIN_UNKNOWN', 'this login is over or was never begun');
    if (login.polling || clock.now() < login.nextPollAt) return { state: 'pending', interval: login.interval };
    login.polling = true;
    const asked = await login.begun.ask();
    login.polling = false;
    return await after(id, login, asked);
  }

  async function after(id: string, login: Pending, asked: Asked): Promise<PolledLogin> {
    switch (asked.kind) {
      case 'slowDown':
        login.interval += 5; // RFC 8628 section 3.5
        return later(login);
      case 'pending':
        return later(login);
      case 'failed':
        pending.delete(id);
        return failed(asked.code, asked.message);
      case 'tokens':
        pending.delete(id);
        return await prove(login, asked);
      default:
        return exhaustive(asked);
    }
  }

  function later(login: Pending): PolledLogin {
    login.nextPollAt = clock.now() + login.interval * 1000;
    return { state: 'pending', interval: login.interval };
  }

  async function prove(
    login: Pending,
    { token: theirs, idToken }: Extract<Asked, { kind: 'tokens' }>,
  ): Promise<PolledLogin> {
    const { issuer, purpose, startedAt } = login;
    const who = await identity.authenticate(theirs);
    if (who.kind === 'refused') return failed(who.code, who.message);
    const signIn = idToken === undefined ? undefined : await identity.signIn(issuer.issuer, idToken);
    if (signIn?.kind === 'refused') return failed(signIn.code, signIn.message);
    const stale = staleness(signIn?.authTime ?? who.authTime, startedAt, issuer);
    if (stale) return stale;
    const { token, digest } = mintToken();
    const expiresAt = clock.now() + Math.max(LIFE, purpose.freshFor ?? 0);
    proofs.set(digest, {
      principal: who.principal,
      proof: { kind: 'fresh', request: purpose.id, madeAt: startedAt },
      expiresAt,
    });
    return done(token, who.principal, expiresAt - clock.now());
  }

  function sweep(): void {
    const now = clock.now();
    for (const [id, login] of pending) if (login.expiresAt <= now) pending.delete(id);
    for (const [digest, proof] of proofs) if (proof.expiresAt <= now) proofs.delete(digest);
  }

  return {
    start,
    poll,
    check(token) {
      sweep();
      return proofs.get(tokenDigest(token));
    },
    forget(whose) {
      for (const [digest, { principal }] of proofs) if (whose(principal)) proofs.delete(digest);
    },
  };
}

function issuerFor(issuers: readonly IssuerConfig[], wanted: string | undefined): IssuerConfig & LoginIssuer {
  const found = issuers.find((each) => each.clientId !== undefined && (wanted === undefined || each.issuer === wanted));
  if (found?.clientId === undefined) throw fail('ISSUER_CLIENT', 'there is no issuer that people can log in at');
  return { ...found, clientId: found.clientId };
}

/** `auth_time` is in whole seconds (OpenID Connect Core 1.0, section 2), so the start is taken down to one. */
function staleness(
  authTime: number | undefined,
  startedAt: number,
  { issuer, requireAuthTime }: IssuerConfig,
): PolledLogin | undefined {
  if (authTime === undefined) {
    if (!requireAuthTime) return undefined;
    return failed('SIGN_IN_UNDATED', `${issuer} does not say when you signed in, and the gateway requires that`);
  }
  if (authTime >= Math.floor(startedAt / 1000) * 1000) return undefined;
  return failed(
    'SIGN_IN_STALE',
    `${issuer} let you in by an earlier sign-in; sign out there, and sign in anew for this request`,
  );
}

function done(token: Token, { name }: Principal, life: number): PolledLogin {
  return { state: 'done', token: token.expose(), name, expiresIn: Math.floor(life / 1000) };
}

function failed(code: string, message: string): PolledLogin {
  return { state: 'failed', code, message };
}
