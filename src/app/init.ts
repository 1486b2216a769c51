/**
 * Writes the files a gateway starts from, each explaining itself.
 *
 * Nothing that exists is overwritten, and no credential is written into gateway.yaml: a database password goes to a file of its own that only its
 * owner can read.
 */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorTable } from '../base/error.ts';
import type { Secret } from '../base/secret.ts';
import type { TargetName } from '../domain/target.ts';
import { writeSecret } from '../secrets/index.ts';
import { gatewayYaml, localGatewayYaml, localPolicyYaml, policyYaml } from './init-files.ts';
import type { LocalTarget } from './init-target.ts';

const fail = errorTable({
  FILE_EXISTS: { exit: 2, hint: 'choose another folder: hoopctl gateway init DIR' },
});

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
  ];
  const secrets = [...passwords].map(([name, password]) => ({ path: `secrets/${name}.password`, password }));
  const first = targets[0]?.name ?? 'NAME';
  return {
    dir,
    files: write(dir, files, secrets),
    next: [
      `hoopctl gateway start --config ${join(dir, 'gateway.yaml')}`,
      'hoopctl login --gateway http://127.0.0.1:8443     (in another terminal; the code is printed on the first)',
      `hoopctl exec ${first} -- 'select 1'`,
    ],
  };
}

interface File {
  readonly path: string;
  readonly text: string;
}

interface SecretFile {
  readonly path: string;
  readonly password: Secret;
}

/** All or, when one is in the way, none. Folders that hold data, keys or passwords are for the owner alone. */
function write(dir: string, files: readonly File[], secrets: readonly SecretFile[] = []): string[] {
  for (const { path } of [...files, ...secrets]) {
    if (existsSync(join(dir, path))) throw fail('FILE_EXISTS', `${join(dir, path)} exists already`);
  }
  mkdirSync(dir, { recursive: true });
  const ours = ['data', 'keys', ...(secrets.length > 0 ? ['secrets'] : [])];
  for (const folder of ours) {
    mkdirSync(join(dir, folder), { recursive: true });
    chmodSync(join(dir, folder), 0o700);
  }
  const ignore: File = { path: '.gitignore', text: ours.map((folder) => `/${folder}/\n`).join('') };
  const all = existsSync(join(dir, ignore.path)) ? files : [...files, ignore];
  for (const { path, text } of all) writeFileSync(join(dir, path), text, { flag: 'wx' });
  for (const { path, password } of secrets) writeSecret(join(dir, path), password);
  return [...all, ...secrets].map(({ path }) => path).concat(ours.map((folder) => `${folder}/`));
}
