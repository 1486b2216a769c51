/** What is known of the APIs that models are asked by, without any description of them. */
import type { Route } from './routes.ts';

export const PRESETS = ['openai', 'anthropic'] as const;
export type Preset = (typeof PRESETS)[number];

export function presetRoutes(_preset: Preset): readonly Route[] {
  return [];
}
