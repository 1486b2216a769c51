/** The gateway room's door: everything the composition needs, and nothing of the gate's inside. */
export { createCancelDesk, createDoor, type Door, type DoorParts } from './door.ts';
export { type Address, dial } from './dialer.ts';
export { openLedger } from './ledger.ts';
export type { LauncherAnswer } from './launcher.ts';
export type { RunLimits } from './limits.ts';
export type { LiveRun, RunHappening } from './live-run.ts';
export { createRegistry, type Registry } from './registry.ts';
export { refusal } from './refusal.ts';
export { keepSpending } from './spending.ts';
export {
  createRevocations,
  type RevocationsParts,
  type RevokeRequest,
  type RevokeResult,
  type Revocations,
} from './revocations.ts';
export { type Asker, createRuns, type Runs, type RunsParts, type StartRun, type StartedRun } from './runs.ts';
export {
  type AskedSecret,
  type CutReceipt,
  type GatewayStats,
  LiveSession,
  type ServedTarget,
} from './session.ts';
export type { Watcher } from './watching.ts';
