/** The files hoopctl reads: whether they can be read, what was ignored of them, and which gateway they lead to. */
import { existsSync, statSync } from 'node:fs';
import { configPlace, describeOrigin } from '../../config/index.ts';
import { findKnown, gatewayUrl, readKnown } from '../known-gateways.ts';
import { clientConfig, type GatewayAddress, gatewayAddress, type LoginPlace } from '../login.ts';
import { type Finding, findingsOf } from './finding.ts';

const { ok, warning, problem, failed } = findingsOf('Configuration');

export interface Configured {
  /** The gateway to look at, if there is one. */
  readonly address?: GatewayAddress;
  /** Whether the files can be read: if not, nobody knows as whom the gateway would be asked. */
  readonly files: 'read' | 'broken';
}

export async function* configuration(place: LoginPlace): AsyncGenerator<Finding, Configured> {
  const notices: string[] = [];
  const listening: LoginPlace = { ...place, notice: (text) => void notices.push(text) };
  const { folder, file } = configPlace(place.env, place.cwd);
  yield* folderFinding(folder);
  let files: Configured['files'] = 'broken';
  try {
    const { project } = await clientConfig(listening);
    yield ok('your file', existsSync(file) ? file : `none (${file}): the defaults apply`);
    if (project !== undefined)
      yield ok('hoop.yaml', `${project.file}, ${project.trusted ? 'trusted' : 'not trusted: it names no gateway'}`);
    for (const notice of notices)
      yield warning('hoop.yaml', notice, 'trust the folder if it is yours: hoopctl trust; else leave it so');
    files = 'read';
  } catch (error) {
    yield failed('files', error, 'mend the file');
  }
  const found = yield* address(listening, folder);
  return { files, ...(found === undefined ? {} : { address: found }) };
}

function* folderFinding(folder: string): Generator<Finding> {
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return yield ok('folder', `${folder} (not there yet)`);
  const open = process.platform !== 'win32' && (stats.mode & 0o022) !== 0;
  if (open) yield problem('folder', `others can write ${folder}, where your logins are`, `chmod 700 ${folder}`);
  else yield ok('folder', folder);
}

/** Found though a file is broken: the gateway is looked at all the same. */
async function* address(place: LoginPlace, folder: string): AsyncGenerator<Finding, GatewayAddress | undefined> {
  try {
    const found = await gatewayAddress(place).catch((error) => withoutFiles(place, folder, error));
    const config = await clientConfig(place).catch(() => 'broken' as const);
    if (config === 'broken') yield ok('gateway', `${found.url}, whatever the files say`);
    else
      yield ok(
        'gateway',
        `${found.url}, from ${config.gateway === undefined ? 'your last login' : describeOrigin(config.gateway.from)}`,
      );
    return found;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'NO_GATEWAY')
      yield warning('gateway', 'none is chosen', 'run: hoopctl login --gateway URL; to try it out: hoopctl demo');
    // What is wrong with a file stands above already.
    else if (!(error as { code?: string }).code?.startsWith('CONFIG_')) yield failed('gateway', error);
    return undefined;
  }
}

function withoutFiles({ gateway, env }: LoginPlace, folder: string, error: unknown): GatewayAddress {
  const text = gateway ?? (env['HOOPCTL_GATEWAY'] || undefined);
  const known = readKnown(folder);
  const url = text === undefined ? known.current : gatewayUrl(text);
  if (url === undefined || (error as { code?: unknown }).code === 'NO_GATEWAY') throw error;
  const ca = findKnown(known, url)?.ca;
  return { url, ...(ca === undefined ? {} : { ca }) };
}
