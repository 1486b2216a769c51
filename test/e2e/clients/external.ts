/** Clients that are programs of another language: each tells by lines of JSON what became of what it tried. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ClientUnderTest, Kind, Place, Refused, Tried } from './client.ts';

export const PROGRAMS = join(import.meta.dirname, 'programs');

export interface External {
  readonly name: string;
  readonly tier: ClientUnderTest['tier'];
  /** The program that runs it, as a full path, and its arguments; may be built first. */
  command(folder: string): Promise<readonly string[]>;
  readonly env?: Readonly<Record<string, string>>;
  readonly refused?: Readonly<Partial<Record<Kind, Readonly<Record<string, Refused>>>>>;
}

export function external({ name, tier, command, env, refused }: External): ClientUnderTest {
  let version = '';
  return {
    name,
    tier,
    ...(refused ? { refused } : {}),
    version: async () => version,
    async try(place) {
      const ran = await run(await command(place.folder), { ...environment(place), ...env });
      const lines = ran.stdout.split('\n').flatMap(parsed);
      version = lines.find((line) => 'version' in line)?.['version'] ?? version;
      const tried = lines.flatMap((line) => ('check' in line ? [line as unknown as Tried] : []));
      if (ran.code === 0 && tried.length > 0) return tried;
      return [
        ...tried,
        { check: 'runs to its end', error: { message: `exit ${ran.code}: ${ran.stderr.slice(-2000)}` } },
      ];
    },
  };
}

/** What a program that goes by libpq's variables needs. */
export function environment({ run, kind }: Place): Record<string, string> {
  return { ...run.libpq, KIND: kind, HOME: '/nonexistent', LC_ALL: 'C.UTF-8' };
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  { input = '', cwd }: { input?: string; cwd?: string } = {},
): Promise<Ran> {
  const child = spawn(program, args, { env, ...(cwd ? { cwd } : {}), timeout: 120_000 });
  const out = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      out[stream] += text;
    });
  // A program that has ended does not read what it is told.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: -1, stdout: '', stderr: error.message }));
    child.once('close', (code) => resolve({ code: code ?? -1, ...out }));
  });
}

function parsed(line: string): Record<string, string>[] {
  if (!line.startsWith('{')) return [];
  return [JSON.parse(line) as Record<string, string>];
}
