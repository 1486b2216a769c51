/** What a client asks for on a channel, read into a command, and how it is carried out once it is let through. Pure. */
import { createHash } from 'node:crypto';
import type { Command, Effect, Facts, Impossible, Parameter, Resource } from '../../domain/command.ts';
import { quoteArgv, readArgv, readShell, shellFacts, type ShellReading } from '../../languages/shell/index.ts';
import { fillOperation, type Operation } from './operations.ts';
import type { Mode, SshSettings } from './settings.ts';

export type Asked =
  | { readonly kind: 'exec'; readonly text: string }
  | { readonly kind: 'shell' }
  | { readonly kind: 'subsystem'; readonly name: string }
  | { readonly kind: 'forward'; readonly host: string; readonly port: number }
  /** What is refused whatever policy says. */
  | { readonly kind: 'never'; readonly request: string; readonly text: string; readonly reason: string };

/** What the client set before it asked. */
export interface Around {
  readonly pty: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly account: string;
}

/** How it is carried out. */
export type Way =
  | {
      readonly kind: 'exec';
      /** Exactly what the target is given. */
      readonly sent: string;
      /** `none`: it gets none. `whole`: read to its end before anything is judged. `flow`: passed on as it comes. */
      readonly stdin: 'none' | 'whole' | 'flow';
      /** A copy server: what flows is files, of which sizes and digests are kept. */
      readonly copies: boolean;
    }
  | { readonly kind: 'shell' }
  | { readonly kind: 'sftp' }
  | { readonly kind: 'forward'; readonly host: string; readonly port: number }
  | { readonly kind: 'nothing' };

export interface Reading {
  readonly way: Way;
  /** @param stdin all of it, where the way wants it whole */
  command(stdin?: Buffer): Command;
}

/** A longer one is shown and kept by its length and digest. */
const STDIN_SHOWN = 16 * 1024;

export function interpret(asked: Asked, around: Around, settings: SshSettings): Reading {
  switch (asked.kind) {
    case 'exec':
      return interpretExec(asked.text, around, settings);
    case 'shell':
      return settings.modes.has('shell')
        ? reading(
            { kind: 'shell' },
            {
              text: 'shell',
              effects: UNKNOWN,
              resources: SHELL,
              facts: { 'ssh.request': 'shell', 'ssh.mode': 'shell' },
            },
            around,
          )
        : refused('shell', 'shell', around, 'this target opens no shell', modesHint(settings, 'shell'));
    case 'subsystem':
      // The channel itself is no more than asking for its server: every request on it is judged.
      return asked.name === 'sftp'
        ? reading({ kind: 'sftp' }, { text: 'sftp', effects: CONTROL, facts: { 'ssh.request': 'sftp' } }, around)
        : refused('subsystem', asked.name, around, `the subsystem "${asked.name}" is not known`, 'only sftp is', {
            'ssh.subsystem': asked.name,
          });
    case 'forward': {
      const place = placeOf(asked);
      const facts = { 'ssh.forward': place };
      if (!settings.forwards.has(place))
        return refused('direct-tcpip', place, around, `connections to ${place} are not passed on`, FORWARD_HINT, facts);
      return reading(
        { kind: 'forward', host: asked.host, port: asked.port },
        {
          text: `connect to ${place}`,
          effects: TRANSFER,
          resources: [{ kind: 'host', name: place, access: 'transfer' }],
          facts: { 'ssh.request': 'direct-tcpip', ...facts },
        },
        around,
      );
    }
    case 'never':
      return refused(asked.request, asked.text, around, asked.reason);
  }
}

const FORWARD_HINT = 'name it in `forwards` of the target, and allow it by a rule';

function placeOf({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function interpretExec(text: string, around: Around, settings: SshSettings): Reading {
  const { modes } = settings;
  const read = readShell(text, basisOf(settings));
  const operation = modes.has('operations') && read.argv ? settings.operations.get(read.argv[0] as string) : undefined;
  if (operation && read.argv) return interpretOperation(text, operation, read.argv, around, settings);
  const facts: Facts = { 'ssh.request': 'exec', ...commandFacts(read, text) };
  const transfers = read.transfer !== undefined;
  const unknown = read.effects.has('unknown');
  // What nobody knows may want its input as it comes: it goes that way where it may.
  const argvMode = modes.has('argv') && !(unknown && modes.has('exec'));
  if (read.argv !== undefined && argvMode && (transfers || !around.pty)) {
    const streams = transfers || STREAMS.has(read.programs.at(-1) ?? '');
    const stdin = streams ? 'flow' : unknown ? 'whole' : STDIN[read.stdin];
    const sent = quoteArgv(read.argv);
    return reading(
      { kind: 'exec', sent, stdin, copies: transfers },
      { text, sent, ...judged(read), facts: { ...facts, 'ssh.mode': transfers ? 'copy' : 'argv' } },
      around,
    );
  }
  if (modes.has('exec'))
    return reading(
      { kind: 'exec', sent: text, stdin: 'flow', copies: false },
      { text, ...judged(read), facts: { ...facts, 'ssh.mode': 'exec' } },
      around,
    );
  const argv = read.argv === undefined;
  const reason = argv
    ? `one program with literal words is wanted here${read.reason ? `, and ${read.reason}` : ''}`
    : around.pty
      ? 'commands have no terminal here'
      : 'this target takes none but its operations';
  const hint = around.pty && !argv ? 'leave out -t' : modesHint(settings, 'exec');
  return refused('exec', text, around, reason, hint, facts);
}

/** They speak with their client in turns: nothing of it can be read to the end beforehand. */
const STREAMS: ReadonlySet<string> = new Set(['git-upload-pack', 'git-receive-pack', 'git-upload-archive']);

// Commands that come on standard input are nothing that was judged: what asks for them is unknown, and flows if a rule allows even that.
const STDIN = { none: 'none', data: 'whole', commands: 'whole' } as const;

function interpretOperation(
  text: string,
  operation: Operation,
  words: readonly string[],
  around: Around,
  settings: SshSettings,
): Reading {
  const name = words[0] as string;
  const facts = { 'ssh.request': 'exec', 'ssh.mode': 'operations', 'ssh.command': text, 'ssh.operation': name };
  const filled = fillOperation(operation, words.slice(1));
  if ('problem' in filled)
    return refused('exec', text, around, `operation ${name}: ${filled.problem}`, undefined, facts);
  const sent = quoteArgv(filled.argv);
  const { programs, resources } = readArgv(filled.argv, basisOf(settings));
  return reading(
    { kind: 'exec', sent, stdin: 'none', copies: false },
    {
      ...{ text, sent, effects: operation.effects },
      resources: [...resources, { kind: 'operation', name, access: [...operation.effects][0] as Effect }],
      facts: { ...facts, 'ssh.argv': filled.argv, 'ssh.program': programs },
    },
    around,
  );
}

function basisOf({ programs }: SshSettings) {
  return programs === undefined ? undefined : { programs };
}

function judged({ effects, resources }: ShellReading): {
  effects: ReadonlySet<Effect>;
  resources: readonly Resource[];
} {
  return { effects, resources };
}

/** By the names that rules use; also of a line that is typed. */
export function commandFacts(read: ShellReading, text: string): Facts {
  const { command, argv, program, paths, through } = shellFacts(text, read);
  return {
    'ssh.command': command,
    'ssh.argv': argv,
    'ssh.program': program,
    'ssh.through': through,
    'ssh.path': paths,
  };
}

function modesHint({ modes }: SshSettings, wanted: Mode): string {
  return `this target takes: ${[...modes].join(', ')}; its administrator may add ${wanted}`;
}

interface Parts {
  readonly text: string;
  readonly sent?: string;
  readonly effects: ReadonlySet<Effect>;
  readonly resources?: readonly Resource[];
  readonly facts: Facts;
  readonly impossible?: Impossible;
}

const UNKNOWN: ReadonlySet<Effect> = new Set(['unknown']);
/** What it will be used for nobody knows; what it is, is known. */
const SHELL: readonly Resource[] = [{ kind: 'shell', name: 'shell', access: 'unknown' }];
const CONTROL: ReadonlySet<Effect> = new Set(['control']);
const TRANSFER: ReadonlySet<Effect> = new Set(['transfer']);

function reading(way: Way, parts: Parts, around: Around): Reading {
  const { text, sent, effects, resources = [], facts, impossible } = parts;
  const { pty, env, account } = around;
  const names = Object.keys(env).sort();
  return {
    way,
    command(stdin) {
      const own = way.kind === 'exec' && stdin !== undefined && stdin.length > 0 ? [stdinParameter(stdin)] : [];
      const digest = stdin === undefined ? {} : { stdin: sha256(stdin) };
      return {
        ...{ text, bytes: Buffer.from(text), effects, resources },
        ...(sent === undefined || sent === text ? {} : { sent }),
        ...(own.length > 0 ? { parameters: own } : {}),
        facts: { ...facts, 'ssh.pty': pty, 'ssh.env': names },
        context: JSON.stringify({ account, pty, env: names.map((name) => [name, env[name]]), ...digest }),
        ...(impossible ? { impossible } : {}),
        reading: {},
      };
    },
  };
}

function refused(
  request: string,
  text: string,
  around: Around,
  reason: string,
  hint?: string,
  facts: Facts = {},
): Reading {
  const impossible: Impossible = { code: 'HOOP_DENIED', reason, ...(hint === undefined ? {} : { hint }) };
  const all = { 'ssh.request': request, ...facts };
  return reading({ kind: 'nothing' }, { text, effects: UNKNOWN, facts: all, impossible }, around);
}

function stdinParameter(bytes: Buffer): Parameter {
  if (bytes.length > STDIN_SHOWN)
    return { type: `stdin sha256 of ${bytes.length} bytes`, format: 'text', value: Buffer.from(sha256(bytes)) };
  return { type: 'stdin', format: isText(bytes) ? 'text' : 'binary', value: bytes };
}

function isText(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
