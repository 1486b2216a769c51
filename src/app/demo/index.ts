/**
 * `hoopctl demo`: the whole of it on one machine. Starts an identity provider, a real PostgreSQL, a gateway and a model that
 * speaks from a script, runs an agent through hoopctl as a person would, and asks PostgreSQL itself what happened.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExitCode } from '../../base/error.ts';
import { HoopError } from '../../base/error.ts';
import { act } from './acts.ts';
import type { Scene } from './scene.ts';
import { createStory, type DemoVoice } from './story.ts';
import { STEPS, type Step } from './steps.ts';
import { World } from './world.ts';

export interface DemoOptions {
  /** One line of JSON a step. */
  readonly json: boolean;
  /** Goes through by itself. */
  readonly yes: boolean;
  /** Leaves everything running until it is interrupted. */
  readonly keep: boolean;
  readonly version: string;
  readonly voice: DemoVoice;
  readonly signal: AbortSignal;
}

/** @returns 0 only when every step did what it says */
export async function runDemo(options: DemoOptions): Promise<ExitCode> {
  const { signal, keep } = options;
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-demo-'));
  // PostgreSQL runs as another user when we are root: it has to pass through, and can list nothing.
  await chmod(folder, 0o711);
  const world = new World(folder, options.version);
  const story = createStory(options);
  const scene: Scene = { world, story, interactive: !options.yes && !options.json && options.voice.canAsk };
  try {
    story.begin(folder);
    for (const step of STEPS) {
      signal.throwIfAborted();
      if (!(await tell(step, scene))) return 1;
    }
    story.end(world.places());
    if (keep) await kept(scene, signal);
    return 0;
  } catch (error) {
    if (signal.aborted) return 130;
    throw error;
  } finally {
    await world.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function tell(step: Step, scene: Scene): Promise<boolean> {
  try {
    scene.story.start(step);
    const detail = await act[step](scene);
    scene.story.done(step, detail);
    return true;
  } catch (error) {
    // What is missing on this machine is told as what it is, with its hint, not as a step that failed.
    if (error instanceof HoopError && error.exit === 2) throw error;
    scene.story.failed(step, error instanceof Error ? error : new Error(String(error)));
    return false;
  }
}

async function kept({ story, world }: Scene, signal: AbortSignal): Promise<void> {
  story.kept(world.places());
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
