/** What `run`, `tunnel`, `exec` and `connect` take alike, and what they work with. */
import type { Gear, RunOptions } from '../app/run-open.ts';
import type { OpenGateway } from '../app/login.ts';
import type { Project } from '../config/index.ts';
import { clients } from '../protocols/index.ts';
import type { Options, OptionSpec } from './command.ts';
import type { Context, Surroundings } from './context.ts';
import { fail } from './errors.ts';
import { silentClient } from './waiting.ts';

export const RUN_OPTIONS: readonly OptionSpec[] = [
  { flags: '--agent <name>', summary: 'the agent this runs as', completes: 'agent' },
  { flags: '--purpose <text>', summary: 'what it is for; approvers see it' },
  { flags: '--scope <key=value>', summary: 'narrow what is granted: schema=public, effects=read', repeat: true },
  { flags: '--max <duration>', summary: 'end the run after this time (15m, 8h)' },
  { flags: '--wait <duration>', summary: 'how long a held command waits for its approval' },
];

/** @param project whose hoop.yaml names agent and purpose, where the command line does not */
export function runOptions(options: Options, env: Surroundings['env'], project?: Project): RunOptions {
  return {
    agent: options.text('agent') ?? project?.agent,
    purpose: options.text('purpose') ?? project?.purpose,
    scope: scopeOf(options.list('scope')),
    max: options.duration('max'),
    wait: options.duration('wait'),
    trace: env['TRACEPARENT'],
  };
}

/** A run goes on beside a program that has the terminal, so nothing is drawn for it. */
export function gearOf(ctx: Context, { client, login }: OpenGateway): Gear {
  return {
    client: silentClient(client),
    login,
    clock: ctx.clock,
    clients: async (protocol) => (await clients.get(protocol)?.())?.client,
  };
}

/**
 * For a command that hands Ctrl-C to a child: a question asked before (a passphrase) has made Ctrl-C end hoopctl, and that is over now.
 */
export function signalsForChild(): NodeJS.Process {
  process.removeAllListeners('SIGINT');
  return process;
}

function scopeOf(words: readonly string[]): Record<string, string[]> | undefined {
  if (words.length === 0) return undefined;
  const scope: Record<string, string[]> = Object.create(null);
  for (const word of words) {
    const [, key, values] = /^([a-z][A-Za-z]*)=(.+)$/.exec(word) ?? [];
    if (key === undefined || values === undefined)
      throw fail('USAGE', `--scope "${word}" is not KEY=VALUE`, {
        hint: 'write it as --scope schema=public or --scope effects=read',
      });
    scope[key] = [...(scope[key] ?? []), ...values.split(',')];
  }
  return scope;
}
