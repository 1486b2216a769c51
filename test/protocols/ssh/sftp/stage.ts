/** OpenSSH's own SFTP server in a private folder, our relay before it with a real gate and a real policy, and a client that sends whatever packets it likes. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex, duplexPair } from 'node:stream';
import { channelOf } from '../../../../src/base/channel.ts';
import { systemClock } from '../../../../src/base/clock.ts';
import type { SessionEvent } from '../../../../src/domain/recording.ts';
import type { Refusal } from '../../../../src/domain/session.ts';
import { parseTargetName, type TargetName } from '../../../../src/domain/target.ts';
import { Fields, Inbox, type Piece, packet, TYPE } from '../../../../src/protocols/ssh/sftp/frames.ts';
import { SFTP_FACTS, type SftpParts, type SftpSummary, serveSftp } from '../../../../src/protocols/ssh/sftp/index.ts';
import { dana, type GateUnderTest, gateUnderTest } from '../../../fakes/gate.ts';
import { policy } from '../../../policy/fixtures.ts';

export const SERVER = '/usr/lib/openssh/sftp-server';

/** What the rules of the tests are about: /…/app is in scope, /…/secret is not. */
export interface Stage {
  readonly root: string;
  readonly app: string;
  readonly secret: string;
  readonly gate: GateUnderTest;
  readonly refusals: Refusal[];
  readonly summary: Promise<SftpSummary>;
  readonly client: RawClient;
  /** Puts other rules in force. */
  rules(text: string): void;
  /** What was recorded, in order. */
  events<T extends SessionEvent['type']>(type: T): Extract<SessionEvent, { type: T }>[];
  /** The client's connection is lost. */
  cut(): void;
  close(): Promise<void>;
}

export interface StageOptions {
  readonly limits?: SftpParts['limits'];
  /** Instead of OpenSSH's server. */
  readonly target?: Duplex;
  readonly clientBuffer?: number;
  /** Further rules, a line each. */
  readonly rules?: string;
}

export function openStage(options: StageOptions = {}): Stage {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'sftp-')));
  const [app, secret] = [join(root, 'app'), join(root, 'secret')];
  for (const folder of [app, secret]) mkdirSync(folder);
  writeFileSync(join(app, 'hello.txt'), 'hello\n');
  writeFileSync(join(secret, 'key.txt'), 'TOP SECRET\n');

  const server = options.target ? undefined : startServer(app);
  const target = options.target ?? (server as Server).stream;
  const buffer = options.clientBuffer;
  const [ours, theirs] = duplexPair(buffer === undefined ? {} : { highWaterMark: buffer });
  const gate = gateUnderTest();
  const refusals: Refusal[] = [];
  const rules = (text: string) => {
    gate.policy = judgeOf(app, text);
  };
  rules(options.rules ?? '');
  const summary = serveSftp({
    ...partsOf(gate),
    client: channelOf(ours),
    target: channelOf(target),
    onRefused: (refusal) => refusals.push(refusal),
    ...(options.limits ? { limits: options.limits } : {}),
  });
  const client = new RawClient(theirs);
  return {
    ...{ root, app, secret, gate, refusals, summary, client, rules },
    events: <T extends SessionEvent['type']>(type: T) =>
      gate.recorder.events.flatMap(({ event }) =>
        event.type === type ? [event as Extract<SessionEvent, { type: T }>] : [],
      ),
    cut: () => void ours.destroy(),
    async close() {
      theirs.destroy();
      ours.destroy();
      target.destroy();
      await summary;
      server?.process.kill();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The relay between a stream and OpenSSH's server in a folder, until either ends. */
export async function bridge(
  folder: string,
  rules: string,
  stream: Duplex,
  onRefused: (refusal: Refusal) => void,
): Promise<SftpSummary> {
  const server = startServer(folder);
  const gate = gateUnderTest();
  gate.policy = judgeOf(folder, rules);
  const [client, target] = [channelOf(stream), channelOf(server.stream)];
  const summary = await serveSftp({ ...partsOf(gate), client, target, onRefused });
  server.process.kill();
  return summary;
}

interface Server {
  readonly process: ChildProcess;
  readonly stream: Duplex;
}

function startServer(folder: string): Server {
  assert.ok(existsSync(SERVER), "OpenSSH's SFTP server is missing: apt-get install -y openssh-sftp-server");
  const env = { PATH: process.env.PATH ?? '' };
  const server = spawn(SERVER, ['-d', folder], { stdio: ['pipe', 'pipe', 'ignore'], env });
  return { process: server, stream: Duplex.from({ readable: server.stdout, writable: server.stdin }) };
}

function partsOf(gate: GateUnderTest): Pick<SftpParts, 'session' | 'clock' | 'account'> {
  return {
    session: {
      submit: (turn, more) => gate.gate.submit(turn, more),
      view: () => ({
        ...{ basis: gate.basis, grant: { entries: ['app'], effects: ['read'], guarded: false } },
        ...{ masks: gate.masks, trustedFunctions: [] },
      }),
      note: (event) => void gate.recorder.append([event], 'note')?.catch(() => {}),
      signal: gate.session.signal,
    },
    clock: systemClock,
    account: 'deploy',
  };
}

/** Everything within the folder is granted, links and moves out of it are not. */
function judgeOf(app: string, rules: string): GateUnderTest['policy'] {
  const target = {
    name: parseTargetName('web-1') as TargetName,
    protocol: 'ssh',
    labels: {},
    account: 'deploy',
    settings: {},
  };
  const compiled = policy(
    `access:
  - name: app
    subjects: {}
    targets: [web-1]
    effects: [read, write, delete, transfer, unknown]
    resources: ['${app}', '${app}/*']
rules:
  - { name: files, when: { effects: [transfer] }, then: allow }
${rules}
`,
    { facts: { ssh: SFTP_FACTS }, targets: [{ name: 'web-1', protocol: 'ssh', labels: {} }], notifiers: [] },
  );
  return (command) => compiled.judge(command, { principal: dana, via: 'run', target });
}

export interface Answer {
  readonly type: number;
  readonly id: number;
  readonly fields: Fields;
  readonly body: Buffer;
}

/** Speaks packets, not SFTP: nothing keeps it from lying. */
export class RawClient {
  readonly stream: Duplex;
  readonly #inbox = new Inbox(0 as never);
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #early = new Map<number, Answer>();
  #id = 100;
  /** Everything that came, before it was asked for. */
  readonly answers: Answer[] = [];
  version: ((body: Buffer) => void) | undefined;
  readonly ended: Promise<void>;

  constructor(stream: Duplex) {
    this.stream = stream;
    this.ended = new Promise((resolve) => stream.once('close', resolve).once('end', resolve));
    stream.on('error', () => {});
  }

  /** Starts reading and says hello. @returns the extensions it is shown */
  async hello(version = 3): Promise<Map<string, string>> {
    this.listen();
    const body = new Promise<Buffer>((resolve) => {
      this.version = resolve;
    });
    this.send(packet(TYPE.INIT, version));
    const fields = new Fields(await body);
    assert.equal(fields.uint32(), 3);
    const shown = new Map<string, string>();
    while (fields.left > 0) shown.set(fields.string().toString(), fields.string().toString());
    return shown;
  }

  listen(): void {
    this.stream.on('data', (chunk: Buffer) => {
      this.#inbox.add(chunk);
      for (let piece = this.#inbox.next(); piece; piece = this.#inbox.next()) this.#take(piece);
    });
  }

  send(bytes: Buffer): void {
    this.stream.write(bytes);
  }

  /** Sends a request under a fresh number. */
  ask(type: number, ...fields: readonly (number | bigint | string | Buffer)[]): Promise<Answer> {
    const id = this.#id++;
    this.send(packet(type, id, ...fields));
    return this.answerTo(id);
  }

  answerTo(id: number): Promise<Answer> {
    const early = this.#early.get(id);
    if (early) return Promise.resolve(early);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  /** The code and words of a STATUS. */
  async status(type: number, ...fields: readonly (number | bigint | string | Buffer)[]): Promise<[number, string]> {
    return statusOf(await this.ask(type, ...fields));
  }

  async open(path: string, flags: number): Promise<Buffer> {
    const answer = await this.ask(TYPE.OPEN, path, flags, 0);
    assert.equal(answer.type, TYPE.HANDLE, answer.body.toString('latin1'));
    return answer.fields.string();
  }

  #take(piece: Piece): void {
    assert.equal(piece.kind, 'packet');
    if (piece.kind !== 'packet') return;
    if (piece.type === TYPE.VERSION) return this.version?.(piece.body);
    const fields = new Fields(piece.body);
    const answer = { type: piece.type, id: fields.uint32(), fields, body: piece.body };
    this.answers.push(answer);
    const waiting = this.#waiting.get(answer.id);
    if (waiting) waiting(answer);
    else this.#early.set(answer.id, answer);
  }
}

export function statusOf(answer: Answer): [number, string] {
  assert.equal(answer.type, TYPE.STATUS);
  const fields = new Fields(answer.body);
  fields.uint32();
  return [fields.uint32(), fields.string().toString()];
}
