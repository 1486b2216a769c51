/**
 * The agent's process: started in a group of its own, or with the terminal itself; signals passed on; ended whole.
 *
 * Its own group is what makes "all of it" a thing that can be ended. With the terminal it has to stay in the terminal's group, or it could not read
 * from it; its descendants are then found one by one.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Cancel, Clock } from '../base/clock.ts';
import { exhaustive } from '../base/exhaustive.ts';
import { fail } from './errors.ts';
import type { OutputPipe } from './output-pipe.ts';
import { killAll, type RunProcesses, signalAll } from './processes.ts';
import type { Program } from './program.ts';

export interface AgentOptions {
  readonly program: Program;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly run: string;
  /** It owns the terminal: reads keys, gets Ctrl-C from it. */
  readonly terminal: boolean;
  readonly clock: Clock;
  /** Where signals to hoopctl come from: the process. */
  readonly signals: SignalSource;
  /** What it prints goes here instead of to our own stderr, and to our stdout where `both` says so; it then reads from nowhere. */
  readonly pipe?: { readonly to: OutputPipe; readonly both: boolean } | undefined;
  /** Ctrl-Z and what follows it, for who draws on the terminal: called right before everything stops, and when it goes on. */
  readonly pauses?: { suspend(): void; resume(): void } | undefined;
}

export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

export type AgentEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: NodeJS.Signals };

export interface Agent {
  readonly pid: number;
  /** Settles when the agent has ended and nothing of its run is left. */
  readonly ended: Promise<AgentEnd>;
  /** `now`: everything is killed at once. `gently`: told to end, killed after the grace. */
  stop(how: 'now' | 'gently'): void;
}

const GRACE_MS = 10_000;

/** 128+n for signal n, as shells have it. */
export function exitCodeOf(end: AgentEnd): number {
  switch (end.kind) {
    case 'exited':
      return end.code;
    case 'signalled':
      return 128 + constants.signals[end.signal];
    default:
      return exhaustive(end);
  }
}

/** @throws PROGRAM_NOT_FOUND (127), PROGRAM_NOT_EXECUTABLE (126), PROGRAM_NOT_STARTED */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  let processes: RunProcesses | undefined;
  const ender = endOf(() => processes, options.clock);
  // Listened to before there is an agent: it may be on the screen, and Ctrl-C pressed, before we are told that it started.
  const stopForwarding = forwardSignals(options, () => processes, ender);
  const child = spawn(options.program.command, options.program.args, {
    cwd: options.cwd,
    env: { ...options.env },
    stdio: stdioOf(options),
    detached: !options.terminal,
  });
  options.pipe?.to.handedOver();
  // Without an id it was not started, and nothing may be sent anywhere in its name.
  const { pid } = child;
  if (pid !== undefined) processes = { run: options.run, pid, ...(options.terminal ? {} : { group: pid }) };
  const lastResort = () => killAll(processes);
  process.once('exit', lastResort);
  const over = () => {
    ender.cancel();
    stopForwarding();
    process.off('exit', lastResort);
    // Its number may soon be another's.
    processes = undefined;
  };
  const ended = new Promise<AgentEnd>((resolve) => {
    child.once('exit', (code, signal) => {
      // What it left behind goes with it: the run is over, and its secrets with it.
      killAll(processes);
      over();
      resolve(signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'signalled', signal });
    });
  });
  await started(child, options.program.command).catch((error: unknown) => {
    over();
    throw error;
  });
  return { pid: pid ?? 0, ended, stop: ender.stop };
}

function stdioOf({ pipe }: AgentOptions): StdioOptions {
  if (pipe === undefined) return 'inherit';
  return ['ignore', pipe.both ? pipe.to.fd : 'inherit', pipe.to.fd];
}

function started(child: ChildProcess, command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT')
        reject(fail('PROGRAM_NOT_FOUND', `${command} or its interpreter was not found`, { cause }));
      else if (cause.code === 'EACCES' || cause.code === 'ENOEXEC')
        reject(fail('PROGRAM_NOT_EXECUTABLE', `${command} cannot be executed: ${cause.code}`, { cause }));
      else reject(fail('PROGRAM_NOT_STARTED', `${command} could not be started: ${cause.message}`, { cause }));
    });
  });
}

interface Ender {
  stop(how: 'now' | 'gently'): void;
  cancel(): void;
}

function endOf(processes: () => RunProcesses | undefined, clock: Clock): Ender {
  let cancel: Cancel | undefined;
  return {
    stop(how) {
      if (how === 'now') return killAll(processes());
      signalAll(processes(), 'SIGTERM');
      cancel ??= clock.after(GRACE_MS, () => killAll(processes()));
    },
    cancel: () => cancel?.(),
  };
}

/** Passed on as they are. */
const PLAIN: readonly NodeJS.Signals[] = ['SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGQUIT'];

function forwardSignals(
  { terminal, signals, clock, pauses }: AgentOptions,
  processes: () => RunProcesses | undefined,
  ender: Ender,
): () => void {
  const listeners: [NodeJS.Signals, () => void][] = [];
  const pass = (signal: NodeJS.Signals) => {
    const group = processes()?.group;
    if (group === undefined) signalAll(processes(), signal);
    else send(-group, signal);
  };
  let interrupts = 0;
  let cancel: Cancel | undefined;
  const insist = () => {
    cancel ??= clock.after(GRACE_MS, () => ender.stop('now'));
  };
  // The terminal sends its own Ctrl-C and Ctrl-\ to the whole group it has in front: passing them on would send them twice.
  const fromTerminal = () => undefined;
  listeners.push([
    'SIGINT',
    terminal
      ? fromTerminal
      : () => {
          interrupts += 1;
          if (interrupts === 1) pass('SIGINT');
          else if (interrupts === 2) pass('SIGTERM');
          else ender.stop('now');
        },
  ]);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const)
    listeners.push([
      signal,
      () => {
        pass(signal);
        insist();
      },
    ]);
  for (const signal of PLAIN) listeners.push([signal, terminal ? fromTerminal : () => pass(signal)]);
  if (terminal) listeners.push(['SIGCHLD', () => stopBeside(processes, clock)]);
  else
    listeners.push(
      [
        'SIGTSTP',
        () => {
          pauses?.suspend();
          stopWith(pass);
        },
      ],
      [
        'SIGCONT',
        () => {
          pass('SIGCONT');
          pauses?.resume();
        },
      ],
    );
  for (const [signal, listener] of listeners) signals.on(signal, listener);
  return () => {
    cancel?.();
    for (const [signal, listener] of listeners) signals.off(signal, listener);
  };
}

// A group without a terminal ignores the terminal's stop signal (POSIX, "orphaned process group"): it is stopped by the one that cannot be ignored.
function stopWith(pass: (signal: NodeJS.Signals) => void): void {
  pass('SIGSTOP');
  process.kill(process.pid, 'SIGSTOP');
}

/** Long enough for a SIGCONT to the whole group to have reached all of it. */
const STILL_STOPPED_MS = 50;

// Ctrl-Z in raw mode is the agent's own affair, and many stop only themselves (Node's readline does): the shell waits for us, and would never know.
function stopBeside(processes: () => RunProcesses | undefined, clock: Clock): void {
  if (!isStopped(processes()?.pid)) return;
  clock.after(STILL_STOPPED_MS, () => {
    if (isStopped(processes()?.pid)) process.kill(process.pid, 'SIGSTOP');
  });
}

function isStopped(pid: number | undefined): boolean {
  try {
    // `T` is stopped by a signal; `t`, by a debugger, is nobody else's business (proc(5)).
    return pid !== undefined && /^\d+ \(.*\) T /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
