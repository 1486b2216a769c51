/** What the gateway says of the caller and of itself: who, which policy, what was switched off, what can be reached. */
import type { GatewayClient } from '../../api/client.ts';
import type { Clock } from '../../base/clock.ts';
import { formatDuration } from '../../base/duration.ts';
import { HoopError } from '../../base/error.ts';
import { findKnown, readKnown } from '../known-gateways.ts';
import { configPlace } from '../../config/index.ts';
import { type LoginPlace, openGateway, openAsStranger } from '../login.ts';
import { type Finding, findingsOf } from './finding.ts';
import { isAboutLogin } from './login.ts';

const { ok, warning, problem, failed } = findingsOf('Gateway');

/** @returns `none` where the gateway says that nothing stands between it and the agents */
export async function* gatewayFindings(
  place: LoginPlace,
  url: string,
  version: string,
  signal: AbortSignal,
): AsyncGenerator<Finding, 'none' | undefined> {
  yield* stranger(place, url, version, signal);
  let client: GatewayClient | undefined;
  try {
    client = (await openGateway(place)).client;
    return yield* asCaller(client, place, signal);
  } catch (error) {
    if (!isAboutLogin(error) || (error as HoopError).code === 'TOKEN_REFUSED') yield failed('you', error);
    return undefined;
  } finally {
    client?.close();
  }
}

/** Before any login: its version and its key. */
async function* stranger(
  place: LoginPlace,
  url: string,
  version: string,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const client = await openAsStranger(place);
  try {
    const config = await client.config(signal);
    const same = config.version.split('.').slice(0, 2).join('.') === version.split('.').slice(0, 2).join('.');
    const what = `version ${config.version}${config.local ? ', local: one person, this machine' : ''}`;
    if (same) yield ok('gateway', what);
    else yield warning('gateway', `${what}; this is ${version}`, 'use the same version here and there');
    const pinned = findKnown(readKnown(configPlace(place.env, place.cwd).folder), url)?.evidenceKey;
    if (pinned === undefined) return;
    if (pinned.pem.trim() === config.evidenceKey.pem.trim()) yield ok('evidence key', `${pinned.id}, as pinned`);
    else
      yield problem(
        'evidence key',
        `it shows ${config.evidenceKey.id}; pinned is ${pinned.id}`,
        `ask who runs it; to pin anew: hoopctl logout, then hoopctl gateways forget ${url}`,
      );
  } catch (error) {
    yield failed('gateway', error);
  } finally {
    client.close();
  }
}

async function* asCaller(
  client: GatewayClient,
  { clock }: LoginPlace,
  signal: AbortSignal,
): AsyncGenerator<Finding, 'none' | undefined> {
  const me = await client.me(signal);
  const until = me.expiresAt === undefined ? Number.NaN : Date.parse(me.expiresAt) - clock.now();
  const roles = me.roles.length > 0 ? `, ${me.roles.join(' and ')}` : '';
  yield ok('you', `${me.name}${roles}${until > 0 ? `; the token is good for ${formatDuration(until)}` : ''}`);
  yield* health(client, clock, signal);
  const targets = await client.targets(signal);
  if (targets.length > 0) yield ok('targets', targets.map(({ name }) => name).join(', '));
  else
    yield warning('targets', 'none is granted to you', 'ask who keeps the policy for an access entry, or for a group');
  return me.isolation;
}

async function* health(client: GatewayClient, clock: Clock, signal: AbortSignal): AsyncGenerator<Finding> {
  const told = await client.health(signal).catch((error: unknown) => {
    if (error instanceof HoopError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  });
  if (told === undefined)
    return yield warning('work', 'this gateway does not tell how it is', 'update it, or ask its /readyz');
  const why = (problems: readonly string[]) => (problems.length > 0 ? `: ${problems.join('; ')}` : '');
  if (told.ok) yield ok('work', 'it records, and lets through what policy allows');
  else
    yield problem(
      'work',
      `it lets nothing through${why(told.problems)}`,
      'look at its log and at /readyz, or tell who runs it',
    );
  const digest = told.policy.digest.slice(0, 12);
  if (told.policy.state === 'inForce') yield ok('policy', `in force, digest ${digest}`);
  else
    yield problem(
      'policy',
      `the files do not load; the last good one is in force (digest ${digest})${why(told.policy.problem === undefined ? [] : [told.policy.problem])}`,
      'mend it on the gateway: hoopctl policy check PATH names every problem',
    );
  // Never more than a moment on the wrong side, whatever the two clocks say.
  const since = (at: string) => formatDuration(Math.max(1_000, Math.abs(clock.now() - Date.parse(at))));
  for (const { target, state, kind, changedAt, nextAt, problem: why } of told.accounts ?? []) {
    if (state === 'failing')
      yield problem(
        `account of ${target}`,
        `${kind === 'rotate' ? 'its password cannot be changed; the one in use stays' : 'accounts of sessions that are over stay at the target'}${why === undefined ? '' : `: ${why}`}`,
        kind === 'rotate'
          ? `mend it, then: hoopctl targets rotate ${target}`
          : 'mend it; the gateway tries again by itself, and its log names them',
      );
    else if (kind === 'dynamic') yield ok(`account of ${target}`, 'one for each session');
    else
      yield ok(
        `account of ${target}`,
        changedAt === undefined
          ? 'its password is about to be changed'
          : `its password was changed ${since(changedAt)} ago${nextAt === undefined ? '' : `, the next time in ${since(nextAt)}`}`,
      );
  }
  if (told.leastPrivilegeOff.length > 0)
    yield warning(
      'least privilege',
      `switched off for ${told.leastPrivilegeOff.join(', ')}: their accounts may do more than masks and scopes can hold`,
      'give the gateway an account that can do less, then remove requireLeastPrivilege: false',
    );
}
