/**
 * A configuration for OpenSSH that stays as it is, for programs that know nothing of hoopctl (VS Code, ansible, git): each host is reached through
 * `hoopctl connect --stdio`, with the key that the tunnel's remembered secret yields. One folder for each target, below one for its gateway.
 */
import { accessSync, constants, existsSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { TargetView } from '../api/shapes.ts';
import { packageRoot } from '../base/entry.ts';
import type { Endpoint, ProtocolClient } from '../domain/protocol.ts';
import { parseTargetName } from '../domain/target.ts';
import { gatewayFolder, writeFiles } from './client-files.ts';
import { newSecret, type Prepared, prepare } from './endpoint.ts';
import type { Gear } from './run-open.ts';
import type { TunnelMemory } from './tunnel-memory.ts';

export interface SshConfigPlace {
  /** The config folder. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface SshConfig {
  /** What ~/.ssh/config includes. */
  readonly path: string;
  /** The line that does. */
  readonly include: string;
  readonly hosts: readonly string[];
}

const FOLDER = 'ssh';
const FILE = 'ssh_config';

/** Those of other gateways stay as they are. @throws what the gateway refuses, SSH_NAME */
export async function writeSshConfig(
  gear: Gear,
  memory: TunnelMemory,
  place: SshConfigPlace,
  signal: AbortSignal,
): Promise<SshConfig> {
  const granted = (await gear.client.targets(signal)).filter(({ protocol }) => protocol === 'ssh');
  const gateway = gear.client.link.origin;
  for (const target of granted) write(place, gateway, await kept(gear, memory, target));
  forgetOthers(join(place.folder, FOLDER, gatewayFolder(gateway)), granted);
  const all = join(place.folder, FOLDER, '*', '*', FILE);
  writeFiles(place.folder, { [FILE]: `# Written by hoopctl targets ssh-config.\n${includeOf(all)}\n` });
  const path = join(place.folder, FILE);
  return { path, include: includeOf(path), hosts: granted.map(({ name }) => name) };
}

/** The target's secret may be another than when its files were written. Where there are none, none are made. */
export function refreshSshConfig(place: SshConfigPlace, gateway: string, prepared: Prepared): void {
  if (parseTargetName(prepared.target.name) === undefined) return;
  if (existsSync(targetFolder(place, gateway, prepared.target.name))) write(place, gateway, prepared);
}

/** Nobody is logged in there any more. */
export function forgetSshConfig(folder: string, gateway: string): void {
  rmSync(join(folder, FOLDER, gatewayFolder(gateway)), { recursive: true, force: true });
}

async function kept(gear: Gear, memory: TunnelMemory, target: TargetView): Promise<Prepared> {
  const remembered = await memory.secret(target.name);
  const secret = remembered ?? newSecret();
  if (remembered === undefined) await memory.keepSecret(target.name, secret);
  return prepare(target, gear.clients, undefined, secret);
}

function write(place: SshConfigPlace, gateway: string, { target, client, secret }: Prepared): void {
  const folder = targetFolder(place, gateway, target.name);
  const endpoint: Endpoint = {
    ...{ target: target.name, host: '', port: 0, user: 'run', secret: secret.expose() },
    ...(target.shown === undefined ? {} : { shown: target.shown }),
    via: [...ourselves(place.env), '--gateway', gateway, 'connect', '--stdio', target.name],
  };
  const given = filesOf(client, endpoint, folder);
  if (given !== undefined) writeFiles(folder, given);
}

function filesOf(client: ProtocolClient, endpoint: Endpoint, folder: string) {
  return client.files?.([endpoint], folder).files;
}

function targetFolder({ folder }: SshConfigPlace, gateway: string, target: string): string {
  return join(folder, FOLDER, gatewayFolder(gateway), target);
}

function forgetOthers(folder: string, granted: readonly TargetView[]): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder))
    if (!granted.some((target) => target.name === name)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** Quoted for ssh_config(5), where a wildcard stays one. */
function includeOf(path: string): string {
  return `Include "${path.replace(/[\\"]/g, '\\$&')}"`;
}

/** By its place: an editor that was not started from a shell has another PATH. */
function ourselves(env: SshConfigPlace['env']): string[] {
  const entry = join(packageRoot(), 'bin', 'hoopctl.js');
  const found = (env['PATH'] ?? '')
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, 'hoopctl'))
    .find((path) => isOurs(path, entry));
  return found === undefined ? [process.execPath, entry] : [found];
}

function isOurs(path: string, entry: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return realpathSync(path) === realpathSync(entry);
  } catch {
    return false;
  }
}
