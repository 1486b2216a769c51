/** The door to gateway.yaml. */
export { loadGateway } from './load.ts';
export { type GatewayReading, type GatewaySource, readGateway } from './read.ts';
export type {
  ConfiguredNotifier,
  ConfiguredSink,
  ConfiguredTarget,
  GatewayConfig,
  HostPort,
  TargetReader,
} from './types.ts';
