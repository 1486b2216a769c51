/** `hoopctl gateway check`: everything that would keep a gateway from starting, and with `login` everything that would keep it from its targets. */
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { errorTable, HoopError } from '../base/error.ts';
import { type ConfiguredSink, type ConfiguredTarget, type GatewayConfig, loadGateway } from '../config/index.ts';
import type { Protocol } from '../domain/protocol.ts';
import { dial } from '../gateway/index.ts';
import { protocols } from '../protocols/index.ts';
import { createSecrets, type Secrets } from '../secrets/index.ts';
import { openPolicy } from './policy.ts';

const fail = errorTable({ FILE_UNREADABLE: { exit: 2 } });

export interface CheckOptions {
  readonly config: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Logs in to each target once. */
  readonly login: boolean;
  readonly signal: AbortSignal;
}

export interface Checked {
  readonly config: string;
  readonly policy: { readonly digest: string; readonly files: readonly string[] };
  readonly targets: readonly CheckedTarget[];
  readonly events: readonly CheckedSink[];
  readonly warnings: readonly string[];
}

/** Where events are sent: nothing is sent there to find out. */
export interface CheckedSink {
  readonly name: string;
  readonly kind: 'webhook' | 'syslog' | 'file';
  readonly to: string;
  /** Bytes. */
  readonly queue: number;
}

export type CheckedTarget =
  | { readonly name: string; readonly state: 'notTried' }
  | { readonly name: string; readonly state: 'reached'; readonly server: string; readonly warnings: readonly string[] }
  | { readonly name: string; readonly state: 'failed'; readonly error: HoopError };

/** @throws HoopError with every problem of gateway.yaml, then of the policy */
export async function checkGateway({ config: path, env, login, signal }: CheckOptions): Promise<Checked> {
  const speaking = new Map<string, Protocol>();
  for (const [name, load] of protocols)
    speaking.set(name, (await load()).createProtocol({ clock: systemClock, fingerprint: () => '' }));
  try {
    const config = await loadGateway(path, Object.fromEntries(speaking));
    const { policy, files } = await openPolicy(config.policy, path);
    await readableFiles(config);
    const warnings: string[] = [];
    const secrets = createSecrets({
      env,
      folder: config.folder,
      warn: (text, hint) => warnings.push(`${text} (${hint})`),
    });
    const targets: CheckedTarget[] = [];
    for (const target of config.targets)
      targets.push(login ? await probe(target, speaking, secrets, signal) : { name: target.name, state: 'notTried' });
    const events = config.events.map(sinkView);
    warnings.push(...(await sinkWarnings(config, secrets)));
    return { config: path, policy: { digest: policy.digest, files }, targets, events, warnings };
  } finally {
    await Promise.all([...speaking.values()].map((protocol) => protocol.close()));
  }
}

async function probe(
  target: ConfiguredTarget,
  speaking: ReadonlyMap<string, Protocol>,
  secrets: Secrets,
  signal: AbortSignal,
): Promise<CheckedTarget> {
  const { name, settings, address } = target;
  try {
    const found = await speaking.get(target.protocol)?.probe(settings, {
      dial: () => dial(address, signal),
      async secret(wanted) {
        const ref = target.secrets[wanted];
        if (ref === undefined) throw new Error(`target "${name}" has no secret "${wanted}"`);
        return secrets.resolve(ref);
      },
      signal,
    });
    if (found === undefined) throw new Error(`no protocol ${target.protocol}`);
    return { name, state: 'reached', ...found };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof HoopError) return { name, state: 'failed', error };
    throw error;
  }
}

function sinkView(sink: ConfiguredSink): CheckedSink {
  const { name, kind, queue } = sink;
  switch (sink.kind) {
    case 'webhook':
      return { name, kind, queue, to: sink.url };
    case 'syslog':
      return { name, kind, queue, to: `${sink.tls ? 'tls' : 'tcp'}://${sink.address.host}:${sink.address.port}` };
    case 'file':
      return { name, kind, queue, to: sink.path };
  }
}

/** What does not keep the gateway from starting, but events from leaving it. */
async function sinkWarnings({ events }: GatewayConfig, secrets: Secrets): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const sink of events) {
    const told = (error: unknown) => void warnings.push(`events for ${sink.name}: ${(error as Error).message}`);
    if (sink.kind === 'webhook')
      for (const ref of [sink.secret, sink.authorization]) if (ref) await secrets.resolveToken(ref).catch(told);
    if (sink.kind === 'syslog' && sink.ca !== undefined) await access(sink.ca, constants.R_OK).catch(told);
    if (sink.kind === 'file') await access(dirname(sink.path), constants.W_OK).catch(told);
  }
  return warnings;
}

async function readableFiles({ tls }: GatewayConfig): Promise<void> {
  for (const file of [tls?.cert, tls?.key]) {
    if (file === undefined) continue;
    await access(file, constants.R_OK).catch((error: NodeJS.ErrnoException) => {
      throw fail('FILE_UNREADABLE', `${file} can not be read (${error.code})`, {
        hint: 'gateway.yaml names it under tls:',
      });
    });
  }
}
