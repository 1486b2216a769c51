/** What the demo's steps look at, and how they insist. */
import { readFile } from 'node:fs/promises';
import { setTimeout as later } from 'node:timers/promises';
import type { Child } from './child.ts';

export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

export function parseLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as unknown);
}

/** The part of the world that tells of the run. */
interface Running {
  readonly eventsPath: string;
  readonly run: Child | undefined;
}

/** The first event of that kind in the run's own event file. */
export async function event(world: Running, type: string): Promise<Readonly<Record<string, unknown>>> {
  for (let tries = 0; tries < 600; tries++) {
    const text = await readFile(world.eventsPath, 'utf8').catch(() => '');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const found = (parseLines(whole) as { type?: string; event?: string }[]).find(
      (one) => (one.type ?? one.event) === type,
    );
    if (found) return found as Readonly<Record<string, unknown>>;
    if (world.run?.process.exitCode !== null) break;
    await later(100);
  }
  throw new Error(`the run told of no "${type}": ${world.run?.stderr().trim().slice(-600)}`);
}
