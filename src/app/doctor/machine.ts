/** The machine hoopctl runs on: its Node, its code, the programs it starts, the tunnels that are open. */
import { accessSync, constants, readdirSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { packageRoot } from '../../base/entry.ts';
import { configPlace } from '../../config/index.ts';
import type { LoginPlace } from '../login.ts';
import { controlFolder, holders } from '../tunnel-control.ts';
import { type Finding, findingsOf } from './finding.ts';

const NEEDED_MAJOR = 24;

export function* machine({ env }: Pick<LoginPlace, 'env'>, version: string): Generator<Finding> {
  const { ok, warning, problem } = findingsOf('Machine');
  const node = `Node ${process.versions.node} (${process.execPath})`;
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) yield ok('node', node);
  else yield problem('node', node, `install Node ${NEEDED_MAJOR} or newer`);
  const root = packageRoot();
  const code = import.meta.url.endsWith('.ts') ? 'from its sources' : 'built';
  yield ok('hoopctl', `hoopctl ${version}, ${code} (${root})`);
  const first = programOnPath('hoopctl', env['PATH']);
  if (first !== undefined && realpathSync(first) !== join(root, 'bin', 'hoopctl.js'))
    yield warning(
      'hoopctl on the PATH',
      `${first} is another hoopctl, and comes first`,
      'remove one of the two, or put the folder of the right one first',
    );
}

/** What `connect` starts, and the Debian package that brings it. */
const NATIVE: readonly (readonly [protocol: string, program: string, debian: string])[] = [
  ['postgres', 'psql', 'postgresql-client'],
  ['ssh', 'ssh', 'openssh-client'],
];

export async function* tools({ env, cwd }: LoginPlace): AsyncGenerator<Finding> {
  const { ok, warning } = findingsOf('Tools');
  for (const [protocol, program, debian] of NATIVE) {
    const path = programOnPath(program, env['PATH']);
    if (path !== undefined) yield ok(program, `${path}, for ${protocol} targets`);
    else
      yield warning(
        program,
        `not on the PATH: hoopctl connect needs it for ${protocol} targets`,
        `install it (Debian: apt-get install ${debian}), or use hoopctl exec and hoopctl tunnel`,
      );
  }
  const folder = controlFolder(env, configPlace(env, cwd).folder);
  const before = sockets(folder);
  const open = await holders(folder);
  // Asking them has removed the sockets that nobody answers any more.
  const stale = before - sockets(folder);
  if (stale > 0)
    yield warning(
      'tunnels',
      `${stale} left by a hoopctl that was killed; cleared away now`,
      'open them again with: hoopctl tunnel TARGET --background',
    );
  for (const { pid, gateway, state, tunnels } of open) {
    const what = `${tunnels.map(({ target }) => target).join(', ')} at ${gateway}, held by process ${pid}`;
    if (state === 'live') yield ok('tunnels', what);
    else if (state === 'loginRequired') yield warning('tunnels', `${what}: it waits for a login`, 'run: hoopctl login');
    else
      yield warning(
        'tunnels',
        `${what}: out of touch with the gateway`,
        'it goes on by itself when the gateway answers',
      );
  }
  if (open.length === 0 && stale === 0) yield ok('tunnels', 'none is open');
}

/** As a shell would find it. */
export function programOnPath(name: string, path: string | undefined): string | undefined {
  return (path ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function sockets(folder: string): number {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.sock')).length;
  } catch {
    return 0;
  }
}
