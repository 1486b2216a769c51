/** The protocols there are, each loaded when it is first needed. A new one is a line in each list. */
import type { Protocol, ProtocolClient } from '../domain/protocol.ts';
import type { ProtocolOptions } from './options.ts';

export type { ProtocolOptions } from './options.ts';

export interface ProtocolModule {
  createProtocol(options: ProtocolOptions): Protocol;
}

/** The gateway's side, by the names `targets.*.protocol` uses. */
export const protocols: ReadonlyMap<string, () => Promise<ProtocolModule>> = new Map<
  string,
  () => Promise<ProtocolModule>
>([
  ['postgres', () => import('./postgres/index.ts')],
  ['ssh', () => import('./ssh/index.ts')],
  ['http', () => import('./http/index.ts')],
]);

export interface ProtocolClientModule {
  readonly client: ProtocolClient;
}

/** The command line's side. */
export const clients: ReadonlyMap<string, () => Promise<ProtocolClientModule>> = new Map<
  string,
  () => Promise<ProtocolClientModule>
>([
  ['postgres', () => import('./postgres/client.ts')],
  ['ssh', () => import('./ssh/client.ts')],
  ['http', () => import('./http/client.ts')],
]);
