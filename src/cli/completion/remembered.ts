/**
 * What the gateway answered lately, so that a second tab costs nothing and a slow gateway still helps.
 *
 * One small file for each question and person under XDG_CACHE_HOME, for its owner alone: it holds names of targets and people, no secret. What others
 * could have written is not read, since it ends up on a command line.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Candidate } from './walk.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface Remembered {
  /** Epoch ms. */
  readonly at: number;
  readonly values: readonly Candidate[];
}

/** A look at the gateway is under way for that long, ms; another one does not begin. */
const ASKING = 10_000;

export function openMemory(env: Environment, key: string) {
  const folder = cacheFolder(env);
  const file = join(folder, `${key}.json`);
  const mark = `${file}.asking`;
  return {
    read: (): Remembered | undefined => read(file),
    write(values: readonly Candidate[], at: number): void {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const draft = `${file}.${process.pid}`;
      writeFileSync(draft, JSON.stringify({ at, values }), { mode: 0o600 });
      renameSync(draft, file);
      rmSync(mark, { force: true });
    },
    forget: (): void => rmSync(file, { force: true }),
    /** Whether the caller is the one to ask now. */
    beginAsking(now: number): boolean {
      const begun = statSync(mark, { throwIfNoEntry: false })?.mtimeMs;
      if (begun !== undefined && now - begun < ASKING) return false;
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(mark, '', { mode: 0o600 });
      return true;
    },
  };
}

function cacheFolder(env: Environment): string {
  const xdg = env['XDG_CACHE_HOME'];
  return join(xdg && isAbsolute(xdg) ? xdg : join(env['HOME'] || homedir(), '.cache'), 'hoopctl', 'completion');
}

function read(file: string): Remembered | undefined {
  try {
    const { mode, uid } = statSync(file);
    if ((mode & 0o077) !== 0 || (process.getuid !== undefined && uid !== process.getuid())) return undefined;
    const kept: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return isRemembered(kept) ? kept : undefined;
  } catch {
    return undefined;
  }
}

function isRemembered(value: unknown): value is Remembered {
  if (typeof value !== 'object' || value === null) return false;
  const { at, values } = value as { at?: unknown; values?: unknown };
  return (
    typeof at === 'number' &&
    Array.isArray(values) &&
    values.every((each) => typeof each?.value === 'string' && /^(string|undefined)$/.test(typeof each.description))
  );
}
