/**
 * Tokens that stand in for the stored login: from the environment, a file, or a command.
 *
 * They are for machines without a person: CI, workloads. A file is read anew each time and a command is run anew when its token runs out, because
 * both rotate while we run.
 */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Clock } from '../base/clock.ts';
import { errorTable } from '../base/error.ts';
import { exhaustive } from '../base/exhaustive.ts';
import { Token } from '../base/secret.ts';
import type { TokenPlace } from '../config/index.ts';

const fail = errorTable({
  TOKEN_UNREADABLE: { exit: 3 },
  TOKEN_EMPTY: { exit: 3 },
});

export interface TokenSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clock: Clock;
}

/** @param from how the place is named in errors: `HOOPCTL_TOKEN_FILE`, `config.yaml:3` */
export function tokenSource(
  place: TokenPlace,
  from: string,
  around: TokenSurroundings,
): (signal?: AbortSignal) => Promise<Token> {
  switch (place.kind) {
    case 'variable':
      return async () => checked(around.env['HOOPCTL_TOKEN'] ?? '', from);
    case 'file':
      return (signal) => fromFile(place.path, from, signal);
    case 'command':
      return fromCommand(place.command, from, around);
    default:
      return exhaustive(place);
  }
}

async function fromFile(path: string, from: string, signal: AbortSignal | undefined): Promise<Token> {
  const text = await readFile(path, { encoding: 'utf8', signal }).catch((error: NodeJS.ErrnoException) => {
    throw fail('TOKEN_UNREADABLE', `the token file of ${from} can not be read: ${error.code ?? error.message}`, {
      hint: `write a token to ${path}, or name another file`,
    });
  });
  return checked(text, from);
}

const COMMAND_TIME = 30_000;
const EARLY = 30_000;

function fromCommand(
  command: string,
  from: string,
  { env, cwd, clock }: TokenSurroundings,
): (signal?: AbortSignal) => Promise<Token> {
  let kept: { token: Token; until: number } | undefined;
  return async (signal) => {
    if (kept !== undefined && clock.now() < kept.until) return kept.token;
    const { execFile } = await import('node:child_process');
    const run = promisify(execFile)('/bin/sh', ['-c', command], {
      cwd,
      env: env as NodeJS.ProcessEnv,
      timeout: COMMAND_TIME,
      maxBuffer: 1 << 20,
      ...(signal === undefined ? {} : { signal }),
    });
    const { stdout } = await run.catch((error: { code?: unknown; killed?: boolean }) => {
      signal?.throwIfAborted();
      const how = error.killed ? 'took longer than 30 s' : `ended with ${String(error.code)}`;
      // Its own output is not repeated: it may hold part of a token.
      throw fail('TOKEN_UNREADABLE', `the command of ${from} ${how}`, { hint: 'run it by hand to see why' });
    });
    const token = checked(stdout, from);
    kept = { token, until: expiryOf(token) - EARLY };
    return token;
  };
}

function checked(text: string, from: string): Token {
  const value = text.trim();
  if (value === '')
    throw fail('TOKEN_EMPTY', `${from} gives no token`, { hint: `unset ${from}, or see to it that it gives one` });
  // RFC 6750 section 2.1: what a bearer token may consist of. Anything else could break out of its header.
  if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(value))
    throw fail('TOKEN_UNREADABLE', `${from} gives something that is no bearer token`, {
      hint: 'it has to be one token and nothing else',
    });
  return Token.of(value);
}

/** `exp` of a JWT in ms, only to know when to ask anew; 0 for what is no JWT, so that it is asked for each time. */
export function expiryOf(token: Token): number {
  try {
    const { exp } = JSON.parse(Buffer.from(token.expose().split('.')[1] ?? '', 'base64url').toString('utf8'));
    return typeof exp === 'number' ? exp * 1000 : 0;
  } catch {
    return 0;
  }
}
