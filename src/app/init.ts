/**
 * Writes the files a gateway starts from, each explaining itself.
 *
 * Nothing that exists is overwritten, and no credential is written into gateway.yaml: a database password goes to a file of its own that only its
 * owner can read.
 */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { errorTable } from '../base/error.ts';
import type { Secret } from '../base/secret.ts';
import { parseTargetName, type TargetName } from '../domain/target.ts';
import { gatewayYaml, localGatewayYaml, localPolicyYaml, policyYaml } from './init-files.ts';

const fail = errorTable({
  FILE_EXISTS: { exit: 2, hint: 'choose another folder: hoopctl gateway init DIR' },
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

export interface Written {
  readonly dir: string;
  /** Relative to `dir`. */
  readonly files: readonly string[];
  /** Commands to run next, in order. */
  readonly next: readonly string[];
}

/** A gateway for a team: to be edited before it starts. */
export function initGateway(dir: string): Written {
  const files: File[] = [
    { path: 'gateway.yaml', text: gatewayYaml() },
    { path: 'policy.yaml', text: policyYaml() },
  ];
  return {
    dir,
    files: write(dir, files),
    next: [
      `edit ${join(dir, 'gateway.yaml')}: your identity provider and your targets`,
      `hoopctl gateway check --config ${join(dir, 'gateway.yaml')} --login`,
      `hoopctl gateway start --config ${join(dir, 'gateway.yaml')}`,
    ],
  };
}

/** A gateway for one person on one machine: built-in sign-in, loopback only, ready to start. */
export function initLocalGateway(
  dir: string,
  person: string,
  targets: readonly LocalTarget[],
  passwords: ReadonlyMap<TargetName, Secret>,
): Written {
  const files: File[] = [
    { path: 'gateway.yaml', text: localGatewayYaml(person, targets) },
    { path: 'policy.yaml', text: localPolicyYaml(person, targets) },
    ...[...passwords].map(
      ([name, password]): File => ({ path: passwordFile(name), text: password.reveal(), mode: 0o600 }),
    ),
  ];
  const first = targets[0]?.name ?? 'NAME';
  return {
    dir,
    files: write(dir, files),
    next: [
      `hoopctl gateway start --config ${join(dir, 'gateway.yaml')}`,
      'hoopctl login --gateway http://127.0.0.1:8443     (in another terminal; the code is printed on the first)',
      `hoopctl exec ${first} -- 'select 1'`,
    ],
  };
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

/** Where the password of a target lies, relative to gateway.yaml. */
export function passwordFile(name: TargetName): string {
  return `./secrets/${name}.password`;
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

interface File {
  readonly path: string;
  readonly text: string;
  readonly mode?: number;
}

/** All or, when one is in the way, none. Folders that hold data or keys are for the owner alone. */
function write(dir: string, files: readonly File[]): string[] {
  for (const { path } of files) {
    if (existsSync(join(dir, path))) throw fail('FILE_EXISTS', `${join(dir, path)} exists already`);
  }
  mkdirSync(dir, { recursive: true });
  const private_ = ['data', 'keys', ...(files.some(({ path }) => path.startsWith('./secrets/')) ? ['secrets'] : [])];
  for (const folder of private_) {
    mkdirSync(join(dir, folder), { recursive: true, mode: 0o700 });
    chmodSync(join(dir, folder), 0o700);
  }
  const ignored = existsSync(join(dir, '.gitignore'))
    ? []
    : [{ path: '.gitignore', text: `${private_.map((each) => `/${each}/`).join('\n')}\n` }];
  for (const { path, text, mode } of [...files, ...ignored] as File[])
    writeFileSync(join(dir, path), text, { flag: 'wx', mode: mode ?? 0o644 });
  return [...files, ...ignored]
    .map(({ path }) => path.replace(/^\.\//, ''))
    .concat(private_.map((folder) => `${folder}/`));
}
