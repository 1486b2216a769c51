/** A log in a private folder. */
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyIdOf, type PublicKeys } from '../../../src/record/checkpoint.ts';
import { realDisk } from '../../../src/record/disk.ts';
import { SessionLog, type SessionLogParts } from '../../../src/record/log/log.ts';
import { signNote } from '../../../src/record/log/note.ts';
import type { LogLeaf } from '../../../src/record/log/leaf.ts';

export const keyPair = generateKeyPairSync('ed25519');
export const trusted: PublicKeys = new Map([[keyIdOf(keyPair.publicKey), keyPair.publicKey]]);

export interface LogBench {
  readonly root: string;
  readonly folder: string;
  readonly tails: string;
  readonly warnings: string[];
  open(parts?: Partial<SessionLogParts>): Promise<SessionLog>;
  /** The same folders as a crash at this moment would leave them. */
  afterCrash(): LogBench;
  text(name: string): string;
  [Symbol.dispose](): void;
}

export function logBench(root = mkdtempSync(join(tmpdir(), 'hoop-log-'))): LogBench {
  const folder = join(root, 'log');
  const tails = join(root, 'tails');
  const warnings: string[] = [];
  return {
    root,
    folder,
    tails,
    warnings,
    open: (parts = {}) =>
      SessionLog.open({
        folder,
        tailFolder: tails,
        gateway: 'gw1',
        trusted,
        sign: (text, name) => signNote(text, name, keyPair.privateKey),
        disk: realDisk,
        sync: false,
        now: () => '2026-11-21T18:00:00.000Z',
        warn: (message) => warnings.push(message),
        ...parts,
      }),
    afterCrash() {
      const copy = mkdtempSync(join(tmpdir(), 'hoop-log-'));
      cpSync(root, copy, { recursive: true });
      return logBench(copy);
    },
    text: (name) => readFileSync(join(folder, name), 'utf8'),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

export function policyLeaf(number: number): LogLeaf {
  return { type: 'policy.inForce', policy: String(number).padStart(64, '0') };
}

export function policyLeaves(from: number, to: number): LogLeaf[] {
  return Array.from({ length: to - from }, (_, at) => policyLeaf(from + at));
}
