/** A private folder with a gateway's recordings in it, and events to put there. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionEvent } from '../../src/domain/recording.ts';
import { type Disk, realDisk } from '../../src/record/disk.ts';
import {
  createRecordings,
  type LocalRecordings,
  type RecordingsOptions,
  type VerifyReport,
  verifyAll,
} from '../../src/record/index.ts';
import { FakeClock } from '../fakes/clock.ts';

export type Opened = Extract<SessionEvent, { type: 'session.opened' }>;

export interface Bench {
  readonly root: string;
  readonly recordings: string;
  readonly journal: string;
  readonly keys: string;
  readonly clock: FakeClock;
  /** Warnings told so far. */
  readonly warnings: string[];
  start(options?: Partial<RecordingsOptions>): Promise<LocalRecordings>;
  /** The same folders as a crash at this moment would leave them, as a bench of its own. */
  afterCrash(): Bench;
  [Symbol.dispose](): void;
}

export function bench(root = mkdtempSync(join(tmpdir(), 'hoop-record-')), clock = new FakeClock()): Bench {
  const folders = { recordings: join(root, 'recordings'), journal: join(root, 'journal'), keys: join(root, 'keys') };
  const warnings: string[] = [];
  return {
    root,
    ...folders,
    clock,
    warnings,
    start: (options = {}) =>
      createRecordings({
        dir: folders.recordings,
        journalDir: folders.journal,
        keysDir: folders.keys,
        gatewayId: 'gw1',
        durability: 'effects',
        reserveBytes: 16 * 1024,
        clock,
        warn: (message) => warnings.push(message),
        ...options,
      }),
    afterCrash() {
      const copy = mkdtempSync(join(tmpdir(), 'hoop-record-'));
      cpSync(root, copy, { recursive: true });
      return bench(copy, clock);
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

export const DAY = '2026/11/21';

export function opened(session: string, gateway = 'gw1'): Opened {
  return {
    type: 'session.opened',
    session,
    run: 'run-1',
    target: 'orders-db',
    protocol: 'postgres',
    account: 'app_reader',
    principal: { issuer: 'https://idp.example', subject: 'u-1', name: 'dana@example.test' },
    agent: { kind: 'registered', name: 'weekly-report' },
    via: 'run',
    policy: 'p'.repeat(64),
    gateway,
  };
}

/** The verdict and the intent of one statement. */
export function intent(command: string, text = `DELETE FROM orders WHERE id = '${command}'`): SessionEvent[] {
  const recorded = { text, bytes: Buffer.byteLength(text), sha256: '0'.repeat(64) };
  return [
    {
      type: 'verdict',
      command,
      verdict: 'allow',
      text: recorded,
      effects: ['delete'],
      resources: [{ kind: 'table', name: 'public.orders', access: 'delete' }],
      facts: { 'postgres.statement': 'delete', 'postgres.where': true },
      rules: ['agents-work-on-orders'],
      policy: 'p'.repeat(64),
    },
    { type: 'command', command, by: 'client', sent: recorded, effects: ['delete'] },
  ];
}

export function outcome(command: string): SessionEvent {
  return { type: 'outcome', command, state: 'completed', rows: 1, bytes: 10, tag: 'DELETE 1', durationMs: 2 };
}

/** Records `count` statements in a session of its own and seals it. */
export async function sealedSession(recordings: LocalRecordings, session: string, count = 3): Promise<void> {
  const recorder = await recordings.open(opened(session));
  for (let i = 1; i <= count; i += 1) {
    await recorder.append(intent(`c${i}`), 'intent');
    recorder.append([outcome(`c${i}`)], 'note');
  }
  await recorder.finish({ kind: 'closed' });
}

export async function verifyFolder(
  path: string,
  recordings: Pick<LocalRecordings, 'publicKey'>,
): Promise<ReadonlyMap<string, VerifyReport>> {
  const reports = new Map<string, VerifyReport>();
  for await (const report of verifyAll(path, { keys: recordings.publicKey.trusted })) {
    reports.set(report.session ?? report.path ?? '?', report);
  }
  return reports;
}

export function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

export function eventsOf(path: string): Record<string, unknown>[] {
  return linesOf(path).map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A disk of which some calls are replaced. */
export function diskWith(changes: Partial<Disk>): Disk {
  return { ...realDisk, ...changes };
}

export function errno(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected`), { code });
}
