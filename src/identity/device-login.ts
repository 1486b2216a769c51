/** Logging in on another device: a link and a code are shown, the person signs in wherever they have a browser, we wait (RFC 8628). */
import {
  type Configuration,
  type DeviceAuthorizationResponse,
  initiateDeviceAuthorization,
  pollDeviceAuthorizationGrant,
  type TokenEndpointResponse,
} from 'openid-client';
import { wait } from '../base/clock.ts';
import { awake } from './awake.ts';
import { fail } from './errors.ts';
import { type Login, type LoginParts, loginFrom } from './login.ts';
import { audienceParameters, openProvider, scopeParameter, Unreachable } from './oauth.ts';

export interface DevicePrompt {
  readonly verificationUri: string;
  /** With the code in it already. */
  readonly verificationUriComplete?: string;
  readonly userCode: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** By this machine's clock, epoch ms. */
  readonly expiresAt: number;
}

export interface DeviceLoginParts extends LoginParts {
  /** Shows the person where to go. Called once. */
  onPrompt(prompt: DevicePrompt): void;
}

/**
 * @returns the login, once someone signed in
 * @throws HoopError LOGIN_DENIED, LOGIN_EXPIRED, LOGIN_REJECTED, LOGIN_UNSUPPORTED, ISSUER_…; the signal's reason when that was aborted
 */
export async function deviceLogin(parts: DeviceLoginParts): Promise<Login> {
  const { issuer, clock, fetch = globalThis.fetch, signal } = parts;
  const provider = await openProvider(issuer, fetch, signal);
  if (!provider.config.serverMetadata().device_authorization_endpoint) {
    throw fail('LOGIN_UNSUPPORTED', `${issuer.issuer} has no device login`);
  }
  try {
    const started = await initiateDeviceAuthorization(provider.config, {
      scope: scopeParameter(issuer),
      ...audienceParameters(issuer),
    });
    signal?.throwIfAborted();
    parts.onPrompt(promptOf(started, clock.now()));
    return loginFrom(await poll(provider.config, started, parts), issuer, clock);
  } catch (error) {
    throw provider.explain(error, signal);
  }
}

function promptOf(started: DeviceAuthorizationResponse, now: number): DevicePrompt {
  const { verification_uri_complete: complete } = started;
  return {
    verificationUri: started.verification_uri,
    ...(complete === undefined ? {} : { verificationUriComplete: complete }),
    userCode: started.user_code,
    expiresIn: started.expires_in,
    expiresAt: now + started.expires_in * 1000,
  };
}

// openid-client waits the interval before each poll, and longer when told to slow down. What it takes for an error, and is none yet, is that the
// issuer could not be reached for a moment: people switch networks while they reach for their phone (RFC 8628 section 3.5).
async function poll(
  config: Configuration,
  started: DeviceAuthorizationResponse,
  { issuer, clock, signal }: DeviceLoginParts,
): Promise<TokenEndpointResponse> {
  const over = new AbortController();
  const cancel = clock.after(started.expires_in * 1000, () => over.abort());
  const until = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
  let pause = (started.interval ?? 5) * 1000;
  try {
    for (;;) {
      try {
        const polling = pollDeviceAuthorizationGrant(config, started, audienceParameters(issuer), { signal: until });
        // It looks at the signal between its waits only; Ctrl-C shall not take five seconds.
        return await Promise.race([polling, aborted(until)]);
      } catch (error) {
        if (over.signal.aborted) throw fail('LOGIN_EXPIRED', 'the code has expired before anyone signed in with it');
        if (!(error instanceof Unreachable)) throw error;
        pause *= 2;
        await awake(wait(clock, pause, until)).catch(() => {}); // the next round finds out why
      }
    }
  } finally {
    cancel();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
