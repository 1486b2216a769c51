/** WebSocket by RFC 6455, without extensions: the opening handshake of both sides, and frames read and written. Pure: who owns the stream feeds it. */
import { createHash } from 'node:crypto';
import { type HeaderList, headerOf } from './head.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const VERSION = '13';

export type Opening =
  | { readonly ok: true; readonly key: string; readonly protocols: readonly string[] }
  | { readonly ok: false; readonly status: 400 | 426; readonly reason: string };

/** What a client asks for (section 4.2.1). Its extensions are not looked at: none is ever agreed to. */
export function readOpening(headers: HeaderList): Opening {
  if (allOf(headers, 'sec-websocket-version').join() !== VERSION)
    return { ok: false, status: 426, reason: 'the only WebSocket version is 13' };
  const keys = allOf(headers, 'sec-websocket-key');
  const [key = ''] = keys;
  if (keys.length !== 1 || !/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key))
    return { ok: false, status: 400, reason: 'the Sec-WebSocket-Key is not 16 bytes in base64' };
  const protocols = allOf(headers, 'sec-websocket-protocol').flatMap((line) =>
    line.split(',').map((name) => name.trim()),
  );
  const odd = protocols.some((name) => !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name));
  if (odd || new Set(protocols).size !== protocols.length)
    return { ok: false, status: 400, reason: 'the subprotocols are no list of different names' };
  return { ok: true, key, protocols };
}

/** The value of Sec-WebSocket-Accept (section 4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64');
}

/** Holds a target's 101 against what it was asked (section 4.1). @returns why it is none */
export function checkAccepted(headers: HeaderList, key: string, protocols: readonly string[]): string | undefined {
  if (headerOf(headers, 'upgrade')?.toLowerCase() !== 'websocket') return 'the target went on in another protocol';
  if (allOf(headers, 'sec-websocket-accept').join() !== acceptOf(key))
    return "the target's handshake does not answer ours";
  if (allOf(headers, 'sec-websocket-extensions').join('') !== '')
    return 'the target took an extension that was not offered';
  const chosen = allOf(headers, 'sec-websocket-protocol');
  if (chosen.length > 1 || (chosen[0] !== undefined && !protocols.includes(chosen[0])))
    return 'the target took a subprotocol that was not offered';
  return undefined;
}

function allOf(headers: HeaderList, name: string): string[] {
  return headers.filter(([spelled]) => spelled.toLowerCase() === name).map(([, value]) => value.trim());
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** What a chunk brought. A message comes in pieces as its bytes do, unmasked; `last` ends it. */
export type Happening =
  | {
      readonly kind: 'data';
      readonly type: 'text' | 'binary';
      readonly bytes: Buffer;
      readonly first: boolean;
      readonly last: boolean;
    }
  | { readonly kind: 'ping' | 'pong'; readonly bytes: Buffer }
  /** Without a code where the peer gave none (1005). Nothing comes behind it. */
  | { readonly kind: 'close'; readonly code: number | undefined; readonly reason: string }
  /** The connection is to be closed with this code. Nothing comes behind it. */
  | { readonly kind: 'problem'; readonly code: 1002 | 1007 | 1009; readonly reason: string };

export interface FrameReader {
  push(chunk: Buffer): readonly Happening[];
}

export interface FrameRules {
  /** Clients mask, servers do not (section 5.1): what the peer read from is. */
  readonly from: 'client' | 'server';
  /** Bytes in one message. */
  readonly mostMessage: number;
}

type Decoder = InstanceType<typeof TextDecoder>;

interface Frame {
  readonly opcode: number;
  readonly last: boolean;
  readonly mask: Buffer | undefined;
  readonly length: number;
  /** Of the payload, what has come. */
  taken: number;
}

/** Holds at most a frame's head or a control frame; data is handed on as it comes. */
export function createFrameReader({ from, mostMessage }: FrameRules): FrameReader {
  let rest: Buffer = Buffer.alloc(0);
  let frame: Frame | undefined;
  let message:
    | { readonly type: 'text' | 'binary'; size: number; first: boolean; readonly utf8: Decoder | undefined }
    | undefined;
  let over = false;

  function problem(code: 1002 | 1007 | 1009, reason: string): Happening {
    over = true;
    return { kind: 'problem', code, reason };
  }

  /** @returns undefined where more bytes are needed */
  function next(): Happening | undefined | 'more' {
    if (frame === undefined) {
      const head = readHead(rest, from);
      if (head === undefined) return 'more';
      if (typeof head === 'string') return problem(1002, head);
      rest = rest.subarray(head.size);
      frame = head.frame;
      const wrong = begin(frame);
      if (wrong !== undefined) return wrong;
    }
    return frame.opcode >= OPCODE.close ? control(frame) : data(frame);
  }

  function begin({ opcode, length }: Frame): Happening | undefined {
    if (opcode >= OPCODE.close) return undefined;
    if (opcode === OPCODE.continuation) {
      if (message === undefined) return problem(1002, 'a message goes on that was not begun');
    } else {
      if (message !== undefined) return problem(1002, 'a message is begun inside another');
      const type = opcode === OPCODE.text ? 'text' : 'binary';
      message = {
        type,
        size: 0,
        first: true,
        utf8: type === 'text' ? new TextDecoder('utf-8', { fatal: true }) : undefined,
      };
    }
    message.size += length;
    return message.size > mostMessage ? problem(1009, 'the message is too large') : undefined;
  }

  function data(current: Frame): Happening | 'more' {
    const bytes = Buffer.from(rest.subarray(0, current.length - current.taken));
    if (bytes.length === 0 && current.taken < current.length) return 'more';
    rest = rest.subarray(bytes.length);
    unmask(bytes, current);
    current.taken += bytes.length;
    const whole = current.taken === current.length;
    if (whole) frame = undefined;
    const of = message!;
    const { type, first } = of;
    const last = whole && current.last;
    if (!isUtf8(of.utf8, bytes, last)) return problem(1007, 'a text is no UTF-8');
    of.first = false;
    if (last) message = undefined;
    return { kind: 'data', type, bytes, first, last };
  }

  function control(current: Frame): Happening | 'more' {
    if (rest.length < current.length) return 'more';
    const bytes = Buffer.from(rest.subarray(0, current.length));
    rest = rest.subarray(current.length);
    unmask(bytes, current);
    frame = undefined;
    if (current.opcode !== OPCODE.close) return { kind: current.opcode === OPCODE.ping ? 'ping' : 'pong', bytes };
    over = true;
    return readClose(bytes) ?? problem(1002, 'a close is malformed');
  }

  return {
    push(chunk) {
      const happenings: Happening[] = [];
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (!over) {
        const found = next();
        if (found === 'more' || found === undefined) break;
        happenings.push(found);
      }
      if (over) rest = Buffer.alloc(0);
      return happenings;
    },
  };
}

/** Section 5.2. @returns a sentence where it is malformed, undefined where it is not whole yet */
function readHead(
  bytes: Buffer,
  from: FrameRules['from'],
): { readonly frame: Frame; readonly size: number } | string | undefined {
  if (bytes.length < 2) return undefined;
  const [first, second] = [bytes[0]!, bytes[1]!];
  const opcode = first & 15;
  const last = (first & 128) !== 0;
  const masked = (second & 128) !== 0;
  const short = second & 127;
  if ((first & 112) !== 0) return 'a frame uses an extension that was not agreed';
  if (!(opcode <= OPCODE.binary || (opcode >= OPCODE.close && opcode <= OPCODE.pong)))
    return 'a frame is of no known kind';
  if (masked !== (from === 'client')) return masked ? 'a frame is masked' : 'a frame is not masked';
  if (opcode >= OPCODE.close && (!last || short > 125)) return 'a control frame is in parts, or too long';
  const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
  const size = 2 + wide + (masked ? 4 : 0);
  if (bytes.length < size) return undefined;
  const length = wide === 0 ? short : wide === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if ((wide === 2 && length < 126) || (wide === 8 && length < 65_536)) return 'a length is not in its shortest form';
  if (!Number.isSafeInteger(length)) return 'a length is none';
  const mask = masked ? Buffer.from(bytes.subarray(size - 4, size)) : undefined;
  return { frame: { opcode, last, mask, length, taken: 0 }, size };
}

function unmask(bytes: Buffer, { mask, taken }: Frame): void {
  if (mask === undefined) return;
  for (let at = 0; at < bytes.length; at++) bytes[at]! ^= mask[(at + taken) & 3]!;
}

function isUtf8(decoder: Decoder | undefined, bytes: Buffer, last: boolean): boolean {
  try {
    decoder?.decode(bytes, { stream: !last });
    return true;
  } catch {
    return false;
  }
}

/** Section 7.4: codes that may stand in a frame. */
function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
}

function readClose(bytes: Buffer): Happening | undefined {
  if (bytes.length === 0) return { kind: 'close', code: undefined, reason: '' };
  if (bytes.length === 1 || !isCloseCode(bytes.readUInt16BE(0))) return undefined;
  try {
    const reason = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(2));
    return { kind: 'close', code: bytes.readUInt16BE(0), reason };
  } catch {
    return undefined;
  }
}

export interface FrameOptions {
  /** Whether the message ends here. Default: it does. */
  readonly last?: boolean;
  /** Four random bytes, where the frame goes to a server (section 5.3); never the same twice. */
  readonly mask?: Buffer;
}

/** One frame, with its length in the shortest form. */
export function frameOf(opcode: number, payload: Buffer, { last = true, mask }: FrameOptions = {}): Buffer {
  const { length } = payload;
  const wide = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const size = 2 + wide + (mask === undefined ? 0 : 4);
  const frame = Buffer.allocUnsafe(size + length);
  frame[0] = (last ? 128 : 0) | opcode;
  frame[1] = (mask === undefined ? 0 : 128) | (wide === 0 ? length : wide === 2 ? 126 : 127);
  if (wide === 2) frame.writeUInt16BE(length, 2);
  if (wide === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  payload.copy(frame, size);
  if (mask === undefined) return frame;
  mask.copy(frame, size - 4);
  for (let at = 0; at < length; at++) frame[size + at]! ^= mask[at & 3]!;
  return frame;
}

/** @param reason cut to what a control frame holds, between characters */
export function closeFrame(code: number, reason: string, options: FrameOptions = {}): Buffer {
  let text = Buffer.from(reason);
  // A byte that goes on a character is never the first one left out (UTF-8: 10xxxxxx).
  let end = Math.min(text.length, 123);
  while (end > 0 && end < text.length && (text[end]! & 0xc0) === 0x80) end--;
  text = text.subarray(0, end);
  const payload = Buffer.alloc(2 + text.length);
  payload.writeUInt16BE(code, 0);
  text.copy(payload, 2);
  return frameOf(OPCODE.close, payload, options);
}
