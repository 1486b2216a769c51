/** Reads `NAME=VALUE` files, and notices a project's own that holds what an agent was not to have. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { fail } from './errors.ts';

export interface EnvFile {
  readonly path: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** `--env-file F`. @throws ENV_FILE */
export function readEnvFile(path: string, cwd: string): EnvFile {
  const file = resolve(cwd, path);
  try {
    const variables = Object.entries(parseEnv(readFileSync(file, 'utf8'))).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    return { path, variables: Object.fromEntries(variables) };
  } catch (cause) {
    throw fail(
      'ENV_FILE',
      `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'it is no NAME=VALUE file'}`,
      { cause },
    );
  }
}

/** Names in a project's `.env` that look like a target's credential: many programs load that file by themselves. */
export function credentialsInDotenv(folder: string): string[] {
  try {
    const variables = parseEnv(readFileSync(resolve(folder, '.env'), 'utf8'));
    return Object.entries(variables).flatMap(([name, value]) => (isCredential(name, value ?? '') ? [name] : []));
  } catch {
    return [];
  }
}

const PASSWORDS =
  /^(PGPASSWORD|PGPASSFILE|MYSQL_PWD|MYSQL_PASSWORD|MYSQL_ROOT_PASSWORD|POSTGRES_PASSWORD|REDIS_PASSWORD|REDISCLI_AUTH|(DB|DATABASE)_PASS(WORD)?)$/i;
const DATABASE_URL =
  /^(postgres(ql)?|mysql|mariadb|redis|rediss|mongodb(\+srv)?|sqlserver|amqps?|ssh)(\+\w+)?:\/\/[^/?#\s]*:[^/?#\s@]+@/i;

/** Whether a variable looks like a target's credential, by its name or by what it holds. */
export function isCredential(name: string, value: string): boolean {
  return value !== '' && (PASSWORDS.test(name) || DATABASE_URL.test(value));
}
