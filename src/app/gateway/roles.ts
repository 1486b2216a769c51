/** Takes away, now and then and after a crash, the accounts that this gateway made for sessions which are over. */
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.ts';
import { dial, type ServedTarget } from '../../gateway/index.ts';
import type { Secrets } from '../../secrets/index.ts';
import { type Chore, startChore } from './chore.ts';
import type { AccountState } from './rotation.ts';

export interface RolesParts {
  readonly targets: Iterable<ServedTarget>;
  readonly secrets: Pick<Secrets, 'resolve'>;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'error' | 'warn'>;
}

export interface Roles {
  states(): readonly AccountState[];
  start(): void;
  stop(): Promise<void>;
}

const EVERY = 60_000;
const SWEEP_MS = 60_000;

export function createRoles({ targets, secrets, clock, log }: RolesParts): Roles {
  const dynamic = [...targets].filter(
    ({ target, protocol }) => protocol.accounts?.plan(target.settings).kind === 'dynamic',
  );
  const chores = new Map<ServedTarget, Chore>();
  /** What could not be taken away, by target. */
  const kept = new Map<ServedTarget, string>();

  async function sweep(served: ServedTarget, over: AbortSignal): Promise<number> {
    const { target, protocol, address } = served;
    const late = new AbortController();
    const stop = clock.after(SWEEP_MS, () => late.abort());
    const signal = AbortSignal.any([over, late.signal]);
    try {
      const swept = await protocol.accounts?.sweep(target.settings, {
        dial: () => dial(address, signal),
        secret: (name) => {
          const ref = served.secrets[name];
          return ref ? secrets.resolve(ref) : Promise.reject(new Error(`no secret "${name}"`));
        },
        signal,
        tell: (statement) =>
          log.info({ target: target.name, by: 'gateway', statement }, 'a statement of its own goes to the target'),
      });
      for (const account of swept?.removed ?? [])
        log.warn({ target: target.name, account }, 'an account that a session had left behind was removed');
      const [first, ...more] = swept?.kept ?? [];
      if (first) {
        kept.set(served, more.length > 0 ? `${first.why} (and ${more.length} more)` : first.why);
        log.error({ target: target.name, kept: swept?.kept }, 'accounts of sessions that are over cannot be removed');
      } else kept.delete(served);
      return EVERY;
    } finally {
      stop();
    }
  }

  return {
    states: () =>
      dynamic.map((served) => {
        const problem = chores.get(served)?.problem ?? kept.get(served);
        const { name, account } = served.target;
        return { target: name, account, kind: 'dynamic', ...(problem === undefined ? {} : { problem }) };
      }),
    start() {
      for (const served of dynamic) {
        chores.set(
          served,
          startChore({
            clock,
            work: (over) => sweep(served, over),
            onFailure: (error, retryMs) =>
              log.error(
                { err: error, target: served.target.name, retryMs },
                'what sessions may have left behind at the target cannot be looked for',
              ),
          }),
        );
      }
    },
    async stop() {
      await Promise.all([...chores.values()].map((chore) => chore.stop()));
    },
  };
}
