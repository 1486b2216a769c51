/** SSH from end to end for one test: a gateway from files, OpenSSH's own server behind it, and OpenSSH's own clients before it, with the files an agent is handed. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { client } from '../../src/protocols/ssh/client.ts';
import { recordedEvents } from './recordings.ts';
import { type RunningSshd, type SshdOptions, startSshd } from './sshd.ts';
import { type Stack, type StackRun, startStack, type Who } from './stack.ts';
import { requireServer } from './servers.ts';

export interface SshHouseOptions extends SshdOptions {
  /** policy.yaml */
  readonly policy: string;
  /** Lines of the target's entry in gateway.yaml: modes and the like. */
  readonly target?: readonly string[];
  readonly gateway?: 'here' | 'process';
  /** How the gateway logs in; with the key that sshd lets in unless told. */
  readonly account?: (sshd: RunningSshd) => string;
}

export interface SshHouse extends AsyncDisposable {
  readonly stack: Stack;
  readonly sshd: RunningSshd;
  /** A run with a door to the target `web-1`. */
  run(user: Who, options?: Parameters<Stack['run']>[1]): Promise<SshRun>;
  /** All events of all recordings so far. */
  events(): Promise<readonly Record<string, unknown>[]>;
}

export interface SshRun extends StackRun {
  readonly config: string;
  readonly folder: string;
  /** OpenSSH's client, with the run's files. */
  ssh(args: readonly string[], options?: Told): Promise<Ended>;
  /** Another of its programs: `-F` comes first. */
  program(name: 'scp' | 'sftp', args: readonly string[], options?: Told): Promise<Ended>;
}

export interface Told {
  readonly input?: string | Buffer;
  /** What is typed once that has been shown, one after the other. */
  readonly types?: readonly (readonly [shown: RegExp, typed: string])[];
  readonly signal?: AbortSignal;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function startSshHouse(options: SshHouseOptions): Promise<SshHouse> {
  requireServer('openssh-client');
  const sshd = await startSshd(options);
  const entry = [
    'targets:',
    '  web-1:',
    '    protocol: ssh',
    `    address: 127.0.0.1:${sshd.port}`,
    `    hostKey: ${sshd.hostKey}`,
    `    account: ${options.account?.(sshd) ?? `{ user: ${sshd.user}, key: { file: ${sshd.keyFile} } }`}`,
    ...(options.target ?? []).map((line) => `    ${line}`),
    '',
  ].join('\n');
  const stack = await startStack({
    postgres: 'none',
    policy: options.policy,
    gateway: options.gateway ?? 'here',
    gatewayYaml: (yaml) => yaml.slice(0, yaml.indexOf('targets:')) + entry,
  });
  return {
    stack,
    sshd,
    async run(user, more) {
      const run = await stack.run(user, { ...more, target: 'web-1' });
      const folder = mkdtempSync(join(tmpdir(), 'hoopctl-ssh-'));
      const { files = {} } = client.files?.([run.endpoint], folder) ?? {};
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
      const config = join(folder, 'ssh_config');
      return {
        ...run,
        config,
        folder,
        ssh: (args, told) => ended('ssh', ['-F', config, ...args], told),
        program: (name, args, told) => ended(name, ['-F', config, ...args], told),
        async [Symbol.asyncDispose]() {
          await run[Symbol.asyncDispose]();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
    events: () => recordedEvents(stack.recordings),
    async [Symbol.asyncDispose]() {
      await stack[Symbol.asyncDispose]();
      await sshd.stop();
    },
  };
}

/** Runs a program to its end, without a terminal. */
export function ended(
  program: string,
  args: readonly string[],
  { input, types = [], signal }: Told = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir() },
      ...(signal ? { signal } : {}),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('latin1');
      answer();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8');
    });
    child.once('error', (error) => (signal?.aborted ? undefined : reject(error)));
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.on('error', () => {});
    const waiting = [...types];
    let looked = 0;
    const answer = () => {
      for (let next = waiting[0]; next?.[0].test(stdout.slice(looked)); next = waiting[0]) {
        looked = stdout.length;
        child.stdin.write(next[1]);
        waiting.shift();
      }
    };
    if (types.length === 0) child.stdin.end(input ?? '');
  });
}
