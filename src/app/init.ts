/**
 * Writes what a new user starts from: a template, or a gateway's files.
 *
 * Nothing that exists is overwritten, and no credential is written into gateway.yaml: a database password goes to a file of its own that only its
 * owner can read.
 */
import { isAbsolute, join, relative } from 'node:path';
import type { Secret } from '../base/secret.ts';
import type { TargetName } from '../domain/target.ts';
import { fillLocal } from './init-local.ts';
import type { LocalTarget } from './init-target.ts';
import { findTemplate, templateFiles } from './init-templates.ts';
import { writeNew } from './init-write.ts';

export { TEMPLATES } from './init-templates.ts';

export interface Written {
  readonly dir: string;
  /** Relative to `dir`. */
  readonly files: readonly string[];
  /** What to do next, in order. */
  readonly next: readonly string[];
}

/**
 * @param cwd where the user is: what to do next is told from there
 * @throws HoopError TEMPLATE_UNKNOWN, FILE_EXISTS, FILE_UNWRITABLE
 */
export function initTemplate(name: string, dir: string, cwd: string): Written {
  const { folders = [], next } = findTemplate(name);
  const files = writeNew(dir, { files: templateFiles(name), folders });
  const way = relative(cwd, dir);
  return { dir, files, next: way === '' ? next : [`cd ${shellWord(isAbsolute(way) ? dir : way)}`, ...next] };
}

/** A gateway for one person on one machine: built-in sign-in, loopback only, ready to start. */
export function initLocalGateway(
  dir: string,
  person: string,
  targets: readonly LocalTarget[],
  passwords: ReadonlyMap<TargetName, Secret>,
): Written {
  const secrets = [...passwords].map(([name, secret]) => ({ path: `secrets/${name}.password`, secret }));
  const files = fillLocal(templateFiles('gateway-local'), person, targets);
  return {
    dir,
    files: writeNew(dir, { files, secrets, folders: ['data', 'keys', 'secrets'] }),
    next: [
      `hoopctl gateway start --config ${shellWord(join(dir, 'gateway.yaml'))}`,
      'hoopctl login --gateway http://127.0.0.1:8443     (in another terminal; the code is printed on the first)',
      `hoopctl exec ${targets[0]?.name ?? 'NAME'} -- 'select 1'`,
    ],
  };
}

/** One word of a POSIX shell's command line. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
