/** What the attacks on SSH share: one gateway with targets of several kinds before one sshd, and clients that send any packet they like. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createRequire } from 'node:module';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import ssh2, { type Client, type ConnectConfig, type ExecOptions } from 'ssh2';
import { keyOfSecret } from '../../src/protocols/ssh/keys.ts';
import { type RunningSshd, startSshd } from '../fakes/sshd.ts';
import { type Stack, type StackRun, startStack } from '../fakes/stack.ts';

export const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: operators
    subjects: { groups: [data-agents] }
    targets: ['*']
    effects: [read, write, delete, administer, transfer, execute, unknown]
rules:
  - name: anything-there
    targets: [open-1, evil-1]
    when: { effects: [unknown, execute, transfer, administer] }
    then: allow
  - name: transfers
    targets: [web-1]
    when: { effects: [transfer] }
    then: allow
  - name: no-reboot
    targets: ['*']
    when: { resources: [reboot] }
    then: deny
  - name: deletes-need-a-person
    targets: ['*']
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 60s, self: false, proof: login } }
masks:
  - { name: mail, targets: ['*'], detect: [email], with: redact }
`;

export interface Stage extends AsyncDisposable {
  readonly stack: Stack;
  readonly sshd: RunningSshd;
  events(): Promise<readonly Event[]>;
}

export type Event = Record<string, unknown>;

/** `web-1` takes single programs, `open-1` anything, and `evil-1` is what the test makes of it. */
export async function startStage(evil: { port: number; hostKey: string } | undefined = undefined): Promise<Stage> {
  const sshd = await startSshd();
  const at = (port: number, hostKey: string) => [
    '    protocol: ssh',
    `    address: 127.0.0.1:${port}`,
    `    hostKey: ${hostKey}`,
    `    account: { user: ${sshd.user}, key: { file: ${sshd.keyFile} } }`,
  ];
  const open = '    modes: [argv, exec, shell]';
  const entry = [
    ...['targets:', '  web-1:', ...at(sshd.port, sshd.hostKey)],
    ...['  open-1:', ...at(sshd.port, sshd.hostKey), open],
    ...[
      '  evil-1:',
      ...at(evil?.port ?? sshd.port, evil?.hostKey ?? sshd.hostKey),
      open,
      "    forwards: ['127.0.0.1:9']",
    ],
    '',
  ].join('\n');
  const stack = await startStack({
    postgres: 'none',
    policy: POLICY,
    gatewayYaml: (yaml) => yaml.slice(0, yaml.indexOf('targets:')) + entry,
  });
  return {
    stack,
    sshd,
    async events() {
      const names = await readdir(stack.recordings, { recursive: true }).catch(() => []);
      const sessions = names.filter((name) => /ses_[^/]*\.ndjson(\.gz)?$/.test(name));
      const texts = await Promise.all(sessions.map((name) => linesOf(join(stack.recordings, name))));
      return texts.flat();
    },
    async [Symbol.asyncDispose]() {
      await stack[Symbol.asyncDispose]();
      await sshd.stop();
    },
  };
}

async function linesOf(path: string): Promise<Event[]> {
  const raw = await readFile(path).catch(() => Buffer.alloc(0));
  const text = (path.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Event);
}

/** The parts of the library that are not its door. */
export interface Insides {
  readonly _sock: { pause(): void; resume(): void; destroy(): void; write(bytes: Buffer): boolean; bytesRead: number };
  readonly _protocol: {
    readonly _kex: { readonly sessionID: Buffer };
    readonly _packetRW: {
      readonly write: { alloc(size: number): Buffer; allocStart: number; finalize(packet: Buffer): Buffer };
    };
    readonly _cipher: { encrypt(packet: Buffer): void };
    session(id: number, window: number, packet: number): void;
    channelData(id: number, data: Buffer): void;
    channelEOF(id: number): void;
    channelClose(id: number): void;
    exec(id: number, command: string, reply: boolean): void;
    rekey(): void;
  };
}

export function insides(client: unknown): Insides {
  return client as Insides;
}

/** Sends these bytes as one packet, whatever they are. */
export function send(client: unknown, payload: Buffer): void {
  const { _protocol: protocol } = insides(client);
  const { write } = protocol._packetRW;
  const packet = write.alloc(payload.length);
  payload.copy(packet, write.allocStart);
  protocol._cipher.encrypt(write.finalize(packet));
}

export const MESSAGE = createRequire(import.meta.url)('ssh2/lib/protocol/constants.js').MESSAGE as Record<
  string,
  number
>;

export function packet(type: number, ...parts: readonly (string | Buffer | number | boolean)[]): Buffer {
  return Buffer.concat([
    Buffer.from([type]),
    ...parts.map((part) => {
      if (typeof part === 'boolean') return Buffer.from([part ? 1 : 0]);
      if (typeof part === 'number') return uint32(part);
      const bytes = Buffer.from(part as string);
      return Buffer.concat([uint32(bytes.length), bytes]);
    }),
  ]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A client that is let in, or the error. */
export function entered(run: StackRun, more: Partial<ConnectConfig> = {}): Promise<Client & AsyncDisposable> {
  const { host, port, secret } = run.endpoint;
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    client.on('error', reject);
    client.once('close', () => reject(new Error('closed')));
    client.once('ready', () =>
      resolve(Object.assign(client, { [Symbol.asyncDispose]: async () => void client.destroy() })),
    );
    client.connect({
      ...{ host, port, username: 'run', privateKey: keyOfSecret(secret).privateOpenSsh },
      hostVerifier: () => true,
      ...more,
    });
  });
}

export interface Done {
  readonly code: number | null;
  readonly signal?: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command with the raw client. */
export function exec(
  client: Client,
  command: string,
  options: ExecOptions = {},
  input: string | Buffer | undefined = undefined,
): Promise<Done> {
  return new Promise((resolve, reject) => {
    client.exec(command, options, (error, channel) => {
      if (error) return reject(error);
      let stdout = '';
      let stderr = '';
      let code: number | null = null;
      let signal: string | undefined;
      channel.on('data', (chunk: Buffer) => {
        stdout += chunk.toString('latin1');
      });
      channel.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString('utf8');
      });
      channel.on('exit', (exit: number | null, name?: string) => {
        code = exit;
        signal = name;
      });
      channel.on('close', () => resolve({ code, signal, stdout, stderr }));
      channel.end(input);
    });
  });
}

/** Resolves when the connection is over. */
export function over(client: Client): Promise<void> {
  return new Promise((resolve) => {
    client.on('error', () => {});
    client.once('close', () => resolve());
  });
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What this process holds and still needs, MB: gateway, clients and all. */
export function held(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
}
