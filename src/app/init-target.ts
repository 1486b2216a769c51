/** A target as `gateway init --local` is told it: `shop=postgres://me@host:5432/db?sslmode=require`. */
import { isIP } from 'node:net';
import { errorTable } from '../base/error.ts';
import { parseTargetName, type TargetName } from '../domain/target.ts';

const fail = errorTable({
  TARGET_WRONG: { exit: 2, hint: 'write it as NAME=postgres://USER@HOST/DATABASE' },
  PASSWORD_IN_URL: { exit: 2, hint: 'leave it out of the URL: it is asked for, or read with --password-file FILE' },
});

/** A target named on the command line: `shop=postgres://me@host:5432/db?sslmode=disable`. */
export interface LocalTarget {
  readonly name: TargetName;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly tls: 'verify-full' | 'verify-ca' | 'require' | 'disable';
}

/** @throws TARGET_WRONG, PASSWORD_IN_URL */
export function parseLocalTarget(text: string): LocalTarget {
  const [, given = '', link = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const name = parseTargetName(given);
  if (name === undefined)
    throw fail(
      'TARGET_WRONG',
      `"${given}" is no name for a target: lower case letters, digits and dashes, a letter first`,
    );
  const url = URL.parse(link);
  // The URL itself is not repeated in what is said: it may hold a password.
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol))
    throw fail('TARGET_WRONG', `target "${name}" has no postgres:// URL`);
  if (url.password !== '')
    throw fail(
      'PASSWORD_IN_URL',
      `the URL of target "${name}" carries a password, which others can see in the process list`,
    );
  const host = decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '');
  const database = decodeURIComponent(url.pathname.slice(1));
  const user = decodeURIComponent(url.username);
  if (host === '' || database === '' || user === '')
    throw fail('TARGET_WRONG', `the URL of target "${name}" does not name user, host and database`);
  return { name, host, port: url.port === '' ? 5432 : Number(url.port), user, database, tls: tlsOf(name, host, url) };
}

const TLS_MODES = ['verify-full', 'verify-ca', 'require', 'disable'] as const;

function tlsOf(name: TargetName, host: string, url: URL): LocalTarget['tls'] {
  const unknown = [...url.searchParams.keys()].find((key) => key !== 'sslmode');
  if (unknown !== undefined)
    throw fail(
      'TARGET_WRONG',
      `the URL of target "${name}" has the parameter "${unknown}", which is not understood here`,
      {
        hint: 'leave it out; sslmode is the only one',
      },
    );
  const asked = url.searchParams.get('sslmode');
  if (asked === null) return isLoopback(host) ? 'disable' : 'verify-full';
  const mode = TLS_MODES.find((each) => each === asked);
  if (mode === undefined)
    throw fail('TARGET_WRONG', `the URL of target "${name}" has sslmode=${asked}`, {
      hint: `use one of: ${TLS_MODES.join(', ')}`,
    });
  if (mode === 'disable' && !isLoopback(host))
    throw fail('TARGET_WRONG', `target "${name}" is not on this machine, so its connection has to be encrypted`, {
      hint: 'leave sslmode=disable out',
    });
  return mode;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
