/** What the parts of one SFTP channel share: its two ends, what is open, and how an answer is given. */
import type { ByteChannel } from '../../../base/channel.ts';
import type { Clock } from '../../../base/clock.ts';
import type { RefusalCode } from '../../../domain/command.ts';
import type { SessionEnd } from '../../../domain/end.ts';
import type { Permit } from '../../../domain/permit.ts';
import type { HoldNotice, Refusal, Session } from '../../../domain/session.ts';
import type { Files } from './files.ts';
import { STATUS } from './frames.ts';
import type { Slots } from './slots.ts';

/** One end of the channel: the client's, or that of the target's SFTP server. */
export type SftpSide = Pick<ByteChannel, 'read' | 'write' | 'drained' | 'pause' | 'resume' | 'end' | 'gone'>;

export interface SftpParts {
  readonly client: SftpSide;
  readonly target: SftpSide;
  readonly session: Pick<Session, 'submit' | 'view' | 'note' | 'signal'>;
  readonly clock: Clock;
  /** The login at the target: what a relative path is relative to depends on it. */
  readonly account: string;
  /** A request waits for people; nothing behind it goes on. */
  onHold?(held: HoldNotice): void;
  /** The client was told so too, but OpenSSH's shows its own words only. */
  onRefused?(refusal: Refusal): void;
  readonly limits?: Partial<SftpLimits>;
}

export interface SftpLimits {
  /** Files and folders open at a time. */
  readonly handles: number;
  /** Requests without an answer; then no more are read. */
  readonly outstanding: number;
}

export interface SftpSummary {
  readonly end: SessionEnd;
  /** Files that were opened. */
  readonly files: number;
  /** Bytes of their content, from the target and to it. */
  readonly read: number;
  readonly written: number;
  readonly refused: number;
}

export interface Line {
  readonly parts: SftpParts;
  readonly limits: SftpLimits;
  readonly files: Files;
  readonly slots: Slots;
  /** Permits that are not settled and belong to no open file. */
  readonly running: Set<Permit>;
  readonly counts: { files: number; read: number; written: number; refused: number };
  toTarget(bytes: Buffer): void;
  toClient(bytes: Buffer): void;
  /** The answer to one of the client's requests. */
  answer(client: number, bytes: Buffer): void;
  status(client: number, code: number, message: string): void;
  refuse(client: number, refusal: Refusal): void;
  /** A peer cannot be followed any more. */
  broken(side: 'client' | 'target', why: string): void;
  /** Nothing more of the client's is read until it is done. */
  wait(work: Promise<void>): void;
  readonly over: boolean;
}

const CODES: Readonly<Partial<Record<RefusalCode, number>>> = {
  HOOP_DENIED: STATUS.PERMISSION_DENIED,
  HOOP_REVOKED: STATUS.PERMISSION_DENIED,
};

/** What a refusal is in SFTP: there is one code for what may not be, and one for everything else. */
export function codeOf({ code }: Refusal): number {
  return CODES[code] ?? STATUS.FAILURE;
}

export function wordsOf({ message, hint }: Refusal): string {
  return hint === undefined ? message : `${message} (${hint})`;
}
