/** `hoopctl connect`: a person's own client on one target, or the raw bytes of a connection to it for a program that brings its own. */
import type { Readable, Writable } from 'node:stream';
import { constants } from 'node:http2';
import { errorTable } from '../base/error.ts';
import type { Token } from '../base/secret.ts';
import {
  commandProgram,
  exitCodeOf,
  makeRunFolder,
  type RunFolder,
  type SignalSource,
  startAgent,
  type Variables,
} from '../launcher/index.ts';
import { openTunnel } from '../tunnel/index.ts';
import { chooseTargets, newSecret, type Prepared, prepare } from './endpoint.ts';
import type { LeaseEnd } from './run-lease.ts';
import { type Gear, leaseError, openRun, type RunHappening, type RunOptions } from './run-open.ts';
import type { TunnelMemory } from './tunnel-memory.ts';

const fail = errorTable({
  TUNNEL_CUT: { exit: 6, hint: 'the target or the gateway ended the connection' },
});

export interface ConnectRequest extends RunOptions {
  readonly target: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Variables;
  readonly signals: SignalSource;
}

/** @returns the client's own exit code, 7 when revoked, 9 when ended by a limit */
export async function connectNative(
  gear: Gear,
  request: ConnectRequest,
  onEvent: (happening: RunHappening) => void,
): Promise<number> {
  const [target] = chooseTargets(await gear.client.targets(), [request.target]);
  if (target === undefined) return 125;
  const prepared = await prepare(target, gear.clients);
  const opened = await openRun(gear, 'connect', [prepared], request, onEvent);
  let end: LeaseEnd | undefined;
  let exit = 125;
  let folder: RunFolder | undefined;
  try {
    const [door] = opened.doors;
    if (door === undefined) return 125;
    folder = makeRunFolder(request.env);
    const given = door.client.files?.([door.endpoint], folder.path);
    for (const [name, text] of Object.entries(given?.files ?? {})) folder.write(name, text);
    const native = door.client.native(door.endpoint, request.args, folder.path);
    const program = commandProgram(native.command, native.args, { cwd: request.cwd, path: request.env['PATH'] });
    const env = environmentFor(request.env, native.env, native.without ?? []);
    const agent = await startAgent({
      ...request,
      program,
      env,
      run: opened.view.id,
      terminal: true,
      clock: gear.clock,
    });
    const first = await Promise.race([agent.ended.then(() => undefined), opened.lease.ended]);
    if (first !== undefined) agent.stop(first.kind === 'revoked' ? 'now' : 'gently');
    exit = exitCodeOf(await agent.ended);
    end = first;
  } finally {
    folder?.remove();
    const closed = await opened.close('the client ended');
    end ??= closed.end;
  }
  return end === undefined ? exit : leaseError(end).exit;
}

export interface StdioRequest extends RunOptions {
  readonly target: string;
  readonly input: Readable;
  readonly output: Writable;
  readonly signal: AbortSignal;
  /** Told of the secret in use: files that hold its key are written anew where it is another. */
  readonly kept?: ((prepared: Prepared) => void) | undefined;
}

/** Bytes both ways until either side ends. The client logs in with the secret that `tunnel` remembers for this target. */
export async function connectStdio(
  gear: Gear,
  request: StdioRequest,
  memory: TunnelMemory,
  onEvent: (happening: RunHappening) => void,
): Promise<void> {
  const [target] = chooseTargets(await gear.client.targets(request.signal), [request.target]);
  if (target === undefined) return;
  const secret = (await memory.secret(target.name)) ?? newSecret();
  await memory.keepSecret(target.name, secret);
  const prepared = await prepare(target, gear.clients, undefined, secret);
  request.kept?.(prepared);
  const opened = await openRun(gear, 'connect', [prepared], request, onEvent, { doors: false });
  let end: LeaseEnd | undefined;
  opened.lease.ended.then((it) => {
    end = it;
  });
  try {
    await pipeThrough(gear, opened.handle, request);
  } catch (error) {
    throw end === undefined ? error : leaseError(end);
  } finally {
    const closed = await opened.close('the connection ended');
    end ??= closed.end;
  }
  if (end !== undefined) throw leaseError(end);
}

async function pipeThrough(
  gear: Gear,
  run: { id: string; token: Token },
  { target, input, output, signal }: StdioRequest,
): Promise<void> {
  const { stream, admitted } = await openTunnel(gear.client.link, { run: run.id, target, token: run.token });
  const cancel = () => stream.destroy();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    input.pipe(stream);
    await admitted;
    for await (const chunk of stream)
      if (!output.write(chunk)) await new Promise<void>((resolve) => output.once('drain', resolve));
    if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw fail('TUNNEL_CUT', `the connection to ${target} was cut`);
  } finally {
    signal.removeEventListener('abort', cancel);
    input.unpipe(stream);
    input.pause();
    stream.destroy();
  }
}

/** A person's own client in a person's own environment, but for what would lead it elsewhere. */
function environmentFor(
  inherited: Variables,
  own: Readonly<Record<string, string>>,
  without: readonly string[],
): Record<string, string> {
  const kept = Object.entries(inherited).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !without.includes(entry[0]),
  );
  return { ...Object.fromEntries(kept), ...own };
}
