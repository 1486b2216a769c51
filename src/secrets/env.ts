/** A secret in the gateway's own environment. Read once per use; the environment of a running process does not change. */
import { fail } from './errors.ts';

// POSIX, "Environment Variables": what a shell can set. Anything else is a slip of the pen, or an attempt to be clever.
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function readVariable(name: string, env: Readonly<Record<string, string | undefined>>): string {
  if (!NAME.test(name)) throw fail('SECRET_REFERENCE', `"${name}" cannot be the name of an environment variable`);
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (value === undefined) {
    throw fail('SECRET_MISSING', `the environment variable ${name} is not set`, {
      hint: `set ${name} where the gateway is started`,
    });
  }
  if (value === '') {
    throw fail('SECRET_EMPTY', `the environment variable ${name} is empty`, {
      hint: `set ${name} where the gateway is started`,
    });
  }
  return value;
}
