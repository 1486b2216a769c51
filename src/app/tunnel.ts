/** `hoopctl tunnel`: local doors to targets, held open for a person's own tools. The same port and secret as last time, so that saved connections work. */
import { join, resolve } from 'node:path';
import { timestamp } from '../base/clock.ts';
import type { HoopError } from '../base/error.ts';
import { exhaustive } from '../base/exhaustive.ts';
import { parseTargetName } from '../domain/target.ts';
import type { TargetView } from '../api/shapes.ts';
import { type Files, gatewayFolder, removeFiles, writeFiles } from './client-files.ts';
import { chooseTargets, type DoorWish, fail, newSecret, type OpenDoor, type Prepared, prepare } from './endpoint.ts';
import { type Gear, leaseError, type OpenRun, openRun, type RunHappening, type RunOptions } from './run-open.ts';
import { sentence } from './run-sentences.ts';
import { type HeldEndpoint, type Holder, openControl } from './tunnel-control.ts';
import type { TunnelMemory } from './tunnel-memory.ts';

export interface TunnelWish {
  readonly target: string;
  readonly place:
    | { readonly kind: 'remembered' }
    | { readonly kind: 'port'; readonly port: number }
    | { readonly kind: 'folder'; readonly path: string };
}

export interface TunnelRequest extends RunOptions {
  readonly wishes: readonly TunnelWish[];
  readonly rotateSecret: boolean;
  /** Where the control socket goes. */
  readonly control: string;
  readonly signal: AbortSignal;
  /** Told of each target's secret: other files that hold its key are written anew where it is another. */
  readonly kept?: ((prepared: Prepared) => void) | undefined;
}

export interface TunnelVoice {
  ready(doors: readonly HeldEndpoint[]): void;
  notice(text: string): void;
  /** Something waits for a person. */
  bell(): void;
}

/** `orders-db`, `orders-db=5433`, `orders-db=0`, `orders-db=/run/user/1000/pg`. @throws PLACE_UNKNOWN */
export function parseTunnelWish(text: string, cwd: string): TunnelWish {
  const at = text.indexOf('=');
  const target = at < 0 ? text : text.slice(0, at);
  if (parseTargetName(target) === undefined)
    throw fail('PLACE_UNKNOWN', `"${target}" is no name of a target`, {
      hint: 'write TARGET, TARGET=PORT or TARGET=FOLDER',
    });
  if (at < 0) return { target, place: { kind: 'remembered' } };
  const where = text.slice(at + 1);
  if (/^\d{1,5}$/.test(where) && Number(where) < 65_536)
    return { target, place: { kind: 'port', port: Number(where) } };
  if (where.includes('/') || where === '.') return { target, place: { kind: 'folder', path: resolve(cwd, where) } };
  throw fail('PLACE_UNKNOWN', `"${where}" is neither a port nor a folder`, {
    hint: `write ${target}=5433 or ${target}=./FOLDER`,
  });
}

/** Resolves when told to stop. @throws why the run ended; a port in use, naming its holder */
export async function holdTunnels(
  gear: Gear,
  request: TunnelRequest,
  memory: TunnelMemory,
  voice: TunnelVoice,
): Promise<void> {
  const granted = await gear.client.targets(request.signal);
  const names = request.wishes.map(({ target }) => target);
  const prepared: Prepared[] = [];
  for (const target of chooseTargets(granted, names))
    prepared.push(await prepareHeld(gear, request, memory, target, voice));
  const opened = await openRun(gear, 'tunnel', prepared, request, (happening) => tell(happening, voice));
  const stop = new AbortController();
  const files = new Map<string, KeptFiles>();
  const holder = holderOf(gear, opened, files, () => stop.abort());
  let closeControl: (() => Promise<void>) | undefined;
  try {
    for (const door of opened.doors) keepFiles(files, request.control, gear.client.link.origin, door);
    for (const one of prepared) request.kept?.(one);
    for (const { target, endpoint, wish } of opened.doors)
      if (!('folder' in wish)) memory.keepPort(target.name, endpoint.port);
    closeControl = await openControl(request.control, holder);
    voice.ready(holder.endpoints());
    const end = await Promise.race([opened.lease.ended, aborted(AbortSignal.any([stop.signal, request.signal]))]);
    if (end !== undefined) throw leaseError(end);
  } finally {
    await closeControl?.();
    for (const { folder, texts } of files.values()) removeFiles(folder, texts);
    await opened.close('the tunnel was closed');
  }
}

async function prepareHeld(
  gear: Gear,
  request: TunnelRequest,
  memory: TunnelMemory,
  target: TargetView,
  voice: TunnelVoice,
): Promise<Prepared> {
  const place = request.wishes.find((one) => one.target === target.name)?.place ?? { kind: 'remembered' };
  const remembered = request.rotateSecret ? undefined : await memory.secret(target.name);
  const secret = remembered ?? newSecret();
  if (remembered === undefined)
    await memory.keepSecret(target.name, secret).catch((error: unknown) => {
      // Without a place for it the tunnel works, and the next one has another secret.
      voice.notice(
        `the secret of ${target.name} is not remembered: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
  return prepare(target, gear.clients, wishOf(place, memory.port(target.name)), secret);
}

function wishOf(place: TunnelWish['place'], remembered: number | undefined): DoorWish {
  switch (place.kind) {
    case 'remembered':
      return { port: remembered ?? 0 };
    case 'port':
      return { port: place.port };
    case 'folder':
      return { folder: place.path };
    default:
      return exhaustive(place);
  }
}

interface KeptFiles {
  readonly folder: string;
  readonly texts: Files;
}

/** In the same folder as last time, beside the socket by which other hoopctls find this one. */
function keepFiles(files: Map<string, KeptFiles>, control: string, gateway: string, door: OpenDoor): void {
  const { client, endpoint } = door;
  if (client.files === undefined) return;
  const folder = join(control, gatewayFolder(gateway), endpoint.target);
  const { files: texts } = client.files([endpoint], folder);
  files.set(endpoint.target, { folder, texts });
  writeFiles(folder, texts);
}

function holderOf(gear: Gear, opened: OpenRun, files: Map<string, KeptFiles>, stop: () => void): Holder {
  const startedAt = timestamp(gear.clock);
  const gateway = gear.client.link.origin;
  const open = new Map<string, OpenDoor>(opened.doors.map((door) => [door.target.name, door]));
  return {
    status: () => ({
      pid: process.pid,
      gateway,
      run: opened.view.id,
      startedAt,
      deadline: opened.view.deadline,
      state: stateOf(opened.lease.problem()),
      tunnels: [...open.values()].map(({ target, endpoint, listener }) => ({
        target: target.name,
        protocol: target.protocol,
        host: endpoint.host,
        port: endpoint.port,
        connections: listener.connections,
      })),
    }),
    endpoints: () =>
      [...open.values()].map(({ target, endpoint }) => {
        const folder = files.get(target.name)?.folder;
        return { gateway, protocol: target.protocol, endpoint, ...(folder === undefined ? {} : { folder }) };
      }),
    stop(targets) {
      const named = targets === 'all' ? [...open.keys()] : targets.filter((name) => open.has(name));
      for (const name of named) {
        void open.get(name)?.listener.close();
        open.delete(name);
        const kept = files.get(name);
        if (kept !== undefined) removeFiles(kept.folder, kept.texts);
      }
      // The answer goes out before the process does.
      if (open.size === 0) setImmediate(stop);
      return named;
    },
  };
}

function stateOf(problem: HoopError | undefined): 'live' | 'away' | 'loginRequired' {
  if (problem === undefined) return 'live';
  return problem.exit === 3 ? 'loginRequired' : 'away';
}

function tell(happening: RunHappening, voice: TunnelVoice): void {
  const text = sentence(happening);
  if (text !== undefined) voice.notice(text);
  if (happening.type === 'held' || happening.type === 'loginRequired') voice.bell();
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
