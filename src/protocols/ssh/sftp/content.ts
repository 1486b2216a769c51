/**
 * READ and WRITE, and what flows by them: on handles that were opened by a permit, without asking again and without waiting. Only heads are rewritten; content
 * passes as it comes, through a digest.
 */
import type { LimitReached } from '../../../domain/permit.ts';
import type { Refusal } from '../../../domain/session.ts';
import type { OpenFile } from './files.ts';
import { Fields, type Piece, renumbered, STATUS, TYPE } from './frames.ts';
import type { Line } from './line.ts';
import type { Request } from './requests.ts';
import type { Slot } from './slots.ts';

/** What OpenSSH reads at most at a time (sftp-server.c, SFTP_MAX_READ_LENGTH). */
export const LONGEST_CONTENT = 255 * 1024;

/** What is done with something that is open. */
export type Use = 'read' | 'write' | 'list';

export interface ContentParts {
  readonly line: Line;
  /** A file opened under another policy than the one in force, or for something else: `then` where it goes on after all. */
  anew(client: number, file: OpenFile, use: Use, then: () => void): void;
  /** The state of policy and grant now. */
  readonly basis: () => string;
}

export type ContentPiece = Extract<Piece, { kind: 'content' }>;

export function createContent({ line, anew, basis }: ContentParts) {
  const { files, slots, counts } = line;
  /** Where content under way goes to. */
  let upload: OpenFile | undefined;
  let download: OpenFile | undefined;

  function read(request: Extract<Request, { kind: 'read' }>): void {
    usable(request.id, request.handle, 'read', (file) => {
      const length = Math.min(request.length, LONGEST_CONTENT);
      const slot = slots.open(request.id, TYPE.DATA, takeRead);
      slot.file = file;
      slot.offset = request.offset;
      slot.length = length;
      const bytes = headOf(TYPE.READ, slot.id, file.handle, request.offset, length, 0);
      line.toTarget(bytes);
    });
  }

  /** The head of a WRITE; its content follows by `fromClient`, or is dropped. */
  function write({ head, length }: ContentPiece): void {
    const fields = new Fields(head);
    const id = fields.uint32();
    const handle = fields.string();
    const offset = fields.uint64();
    upload = undefined;
    usable(id, handle, 'write', (file) => {
      const slot = slots.open(id, TYPE.STATUS, takeWrite);
      slot.file = file;
      slot.length = length;
      upload = file;
      file.sent.begin(offset, length);
      counts.written += length;
      line.toTarget(headOf(TYPE.WRITE, slot.id, file.handle, offset, length, length));
    });
  }

  function fromClient(bytes: Buffer): void {
    if (!upload) return;
    line.toTarget(bytes);
    upload.sent.add(bytes);
  }

  /** The head of a DATA. */
  function data(slot: Slot, { length }: ContentPiece): void {
    const { file, client } = slot;
    download = undefined;
    if (!file || client === undefined || length > slot.length)
      return line.broken('target', 'it sent content that nobody asked for');
    const reached = file.cut === undefined ? file.permit.commands[0]?.meter.take(0, length) : undefined;
    if (reached) cut(file, reached);
    slots.release(slot);
    if (file.cut !== undefined) return line.status(client, STATUS.FAILURE, file.cut);
    download = file;
    file.received.begin(slot.offset, length);
    counts.read += length;
    const bytes = Buffer.allocUnsafe(13);
    bytes.writeUInt32BE(9 + length, 0);
    bytes[4] = TYPE.DATA;
    bytes.writeUInt32BE(client, 5);
    bytes.writeUInt32BE(length, 9);
    line.answer(client, bytes);
  }

  function fromTarget(bytes: Buffer): void {
    if (!download) return;
    line.toClient(bytes);
    download.received.add(bytes);
  }

  function usable(client: number, handle: Buffer, use: 'read' | 'write', go: (file: OpenFile) => void): void {
    const file = files.find(handle);
    if (!file) return line.status(client, STATUS.FAILURE, 'no such handle');
    if (file.cut !== undefined) return line.status(client, STATUS.FAILURE, file.cut);
    if (file.mode?.[use] && file.basis === basis()) return go(file);
    anew(client, file, use, () => go(file));
  }

  function cut(file: OpenFile, reached: LimitReached): void {
    const refusal = limitRefusal(reached);
    file.cut = refusal.message;
    counts.refused++;
    line.parts.onRefused?.(refusal);
  }

  function takeRead(type: number, body: Buffer, { client }: Slot): void {
    line.answer(client as number, renumbered(type, client as number, body));
  }

  function takeWrite(type: number, body: Buffer, { client, file, length }: Slot): void {
    if (body.readUInt32BE(4) !== STATUS.OK) {
      file?.sent.lost(length);
      counts.written -= length;
    }
    line.answer(client as number, renumbered(type, client as number, body));
  }

  return { read, write, fromClient, data, fromTarget };
}

/** READ and WRITE begin alike: id, handle, offset, length. */
function headOf(type: number, id: number, handle: Buffer, offset: bigint, length: number, follows: number): Buffer {
  const bytes = Buffer.allocUnsafe(9 + handle.length + 12);
  bytes.writeUInt32BE(bytes.length - 4 + follows, 0);
  bytes[4] = type;
  bytes.writeUInt32BE(id, 5);
  handle.copy(bytes, 9);
  bytes.writeBigUInt64BE(offset, 9 + handle.length);
  bytes.writeUInt32BE(length, 17 + handle.length);
  return bytes;
}

function limitRefusal({ rule, limit, allowed }: LimitReached): Refusal {
  return {
    ...{ kind: 'refusal', code: 'HOOP_LIMIT', hint: 'read less', rule },
    message: `HOOP_LIMIT: ${rule ? `limit "${rule}": ` : ''}${limit} is ${allowed}`,
  };
}
