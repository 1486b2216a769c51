/** Cookies that a target sets stay here, for the further requests of the same run: no client sees them, and no other run sends them. */
import type { Session } from '../../domain/session.ts';
import { type CookieJar, createCookieJar } from './cookies.ts';
import type { Clock } from '../../base/clock.ts';

export interface Jars {
  of(session: Pick<Session, 'run' | 'target'>): CookieJar;
}

/** The one that was used longest ago goes first. */
const MOST_JARS = 1_000;

export function createJars(clock: Clock): Jars {
  const jars = new Map<string, CookieJar>();
  return {
    of({ run, target }) {
      const key = `${run} ${target.name}`;
      const jar = jars.get(key) ?? createCookieJar(clock);
      jars.delete(key);
      jars.set(key, jar);
      const [oldest] = jars.keys();
      if (jars.size > MOST_JARS && oldest !== undefined) jars.delete(oldest);
      return jar;
    },
  };
}
