/** How what is wrong in a target's entry is told: collected, so that all of it is told at once. */
import type { SettingsProblem } from '../../domain/protocol.ts';

export type Say = (path: SettingsProblem['path'], message: string, hint?: string) => undefined;
