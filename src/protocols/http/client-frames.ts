/** The few frames of HTTP/2 that the local end of a tunnel says for itself (RFC 9113, section 4.1). No header is decoded here. */

/** Section 3.4: what a client that knows its server speaks HTTP/2 begins with. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const FRAME_HEAD_BYTES = 9;

export const FRAME = { data: 0, headers: 1, settings: 4, goAway: 7, continuation: 9 } as const;

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4 } as const;

/** Section 7. */
export const ERROR_CODE = { none: 0, internal: 2 } as const;

export interface FrameHead {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

/** @param at where at least FRAME_HEAD_BYTES follow */
export function readFrameHead(bytes: Buffer, at: number): FrameHead {
  return {
    length: bytes.readUIntBE(at, 3),
    type: bytes[at + 3] as number,
    flags: bytes[at + 4] as number,
    stream: bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
  };
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Section 6.8. @param last the last stream that may have been acted on */
export function goAway(last: number, code: number, words: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(last, 0);
  head.writeUInt32BE(code, 4);
  return frame(FRAME.goAway, 0, 0, Buffer.concat([head, Buffer.from(words)]));
}

/** Headers as literals that no table remembers (RFC 7541, section 6.2.2), no value longer than 126 bytes. */
export function literalHeaders(headers: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(
    headers.flatMap(([name, value]) => [
      Buffer.from([0, Buffer.byteLength(name)]),
      Buffer.from(name),
      Buffer.from([Buffer.byteLength(value)]),
      Buffer.from(value),
    ]),
  );
}
