/**
 * The door of the configuration room: gateway.yaml, the policy files as they change, and what a command line knows (hoop.yaml, the user's own
 * file, trusted folders). What reads YAML is loaded when it is asked for: most commands find no file to read.
 */
import type { GatewayConfig, TargetReader } from './gateway/index.ts';

export * from './client/index.ts';
export type {
  ConfiguredNotifier,
  ConfiguredSink,
  ConfiguredTarget,
  GatewayConfig,
  HostPort,
  TargetReader,
} from './gateway/index.ts';
export { createPolicySource, type PolicySourceOptions, readPolicyFiles, type WatchedPolicy } from './policy-source.ts';

/**
 * Reads gateway.yaml.
 * @param path as the user named it; problems are told with that name
 * @param protocols by name; a target of any other protocol is refused
 * @throws HoopError CONFIG_UNREADABLE, CONFIG_INVALID (exit 2, with every problem)
 */
export async function loadGateway(
  path: string,
  protocols: Readonly<Record<string, TargetReader>>,
): Promise<GatewayConfig> {
  return (await import('./gateway/index.ts')).loadGateway(path, protocols);
}
