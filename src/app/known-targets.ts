/** The targets of gateway.yaml, as far as policy looks at them. */
import type { GatewayConfig } from '../config/index.ts';
import type { Protocol } from '../domain/protocol.ts';
import type { KnownTarget } from '../policy/index.ts';

export function knownTargets(
  targets: GatewayConfig['targets'],
  protocols: Readonly<Record<string, Protocol>>,
): KnownTarget[] {
  return targets.map(({ name, protocol, labels, settings }) => {
    return { name, protocol, labels, counts: protocols[protocol]?.counts?.(settings) ?? [] };
  });
}
