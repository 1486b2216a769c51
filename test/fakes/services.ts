/** The API's services as a table of what each call answers; calls are remembered. */
import type { Authentication, Services } from '../../src/api/services.ts';
import { dana, riley } from './gate.ts';

export interface FakeServices {
  readonly services: Services;
  readonly calls: { name: string; args: unknown[] }[];
}

/** Tokens: `dana`, `riley` (users), `run-1` (a run), `approval` (riley's, for one request). */
export function fakeServices(answers: Partial<Services> = {}): FakeServices {
  const calls: { name: string; args: unknown[] }[] = [];
  const table: Partial<Services> = { authenticate: async (token) => authenticate(token), ...answers };
  const services = new Proxy({} as Services, {
    get(_target, name: string) {
      return (...args: unknown[]) => {
        calls.push({ name, args });
        const answer = (table as Record<string, ((...args: unknown[]) => unknown) | undefined>)[name];
        if (!answer) throw new Error(`no answer for ${name}`);
        return answer(...args);
      };
    },
  });
  return { services, calls };
}

function authenticate(token: string): Authentication {
  const user = (principal: typeof dana) =>
    ({ ok: true, caller: { kind: 'user', principal, issuedAt: 0, expiresAt: 0, roles: [] } }) as const;
  if (token === 'dana') return user(dana);
  if (token === 'riley') return user(riley);
  if (token === 'run-1') return { ok: true, caller: { kind: 'run', run: 'run_1' } };
  if (token === 'approval') return { ok: true, caller: { kind: 'approval', principal: riley, token } };
  return { ok: false, code: 'TOKEN_UNKNOWN', message: 'this token is not accepted' };
}
