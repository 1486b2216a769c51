/**
 * What an SSH client hears at the local end of a tunnel when the gateway is away, or goes away.
 *
 * Before keys are exchanged packets are in clear (RFC 4253, section 6), and SSH_MSG_DISCONNECT may come at any time (section 11.1): OpenSSH shows its text.
 * Once the gateway has sent SSH_MSG_NEWKEYS nobody but the gateway can say anything: the connection is just reset.
 */
import type { Parting, Unavailable } from '../../domain/protocol.ts';

/** RFC 4253, section 11.1: SERVICE_NOT_AVAILABLE, HOST_NOT_ALLOWED_TO_CONNECT. (With BY_APPLICATION some clients leave the text out.) */
const REASONS: Readonly<Record<Unavailable['kind'], number>> = { unreachable: 7, login: 7, refused: 1 };

const BANNER = Buffer.from('SSH-2.0-hoopctl\r\n');

const DISCONNECT = 1;
const NEWKEYS = 21;

/** Nothing of what the client says changes it. */
export function unavailable(reason: Unavailable): { readonly answer: Uint8Array; readonly done: boolean } {
  return { answer: Buffer.concat([BANNER, disconnect(reason)]), done: true };
}

function disconnect({ kind, message }: Unavailable): Buffer {
  const text = Buffer.from(message.replace(/\p{C}+/gu, ' '));
  const payload = Buffer.concat([
    ...[Buffer.from([DISCONNECT]), uint32(REASONS[kind])],
    ...[uint32(text.length), text, uint32(0)],
  ]);
  // Lengths, payload and padding together are a multiple of 8, with at least 4 bytes of padding (section 6).
  const padding = 4 + ((8 - ((5 + payload.length + 4) % 8)) % 8);
  return Buffer.concat([
    ...[uint32(1 + payload.length + padding), Buffer.from([padding])],
    ...[payload, Buffer.alloc(padding)],
  ]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Longer ones are no packets in clear; where that was lost sight of, nothing is said any more. */
const LONGEST_PACKET = 256 * 1024;
const LONGEST_LINE = 1024;
const NOTHING = Buffer.alloc(0);

/** Where in the gateway's words we are. `lines`: before the end of its identification string (section 4.2). */
type Place =
  | { readonly kind: 'lines'; readonly line: string }
  /** The first bytes of a packet, up to its type. */
  | { readonly kind: 'head'; readonly head: readonly number[] }
  | { readonly kind: 'body'; left: number }
  /** The client was told already, by the gateway. */
  | { readonly kind: 'parted' }
  | { readonly kind: 'encrypted' };

export function createParting(): Parting {
  let place: Place = { kind: 'lines', line: '' };
  return {
    heard(chunk) {
      // Most of what passes is encrypted: that is looked at no further.
      for (let at = 0; at < chunk.length && place.kind !== 'encrypted' && place.kind !== 'parted'; ) {
        if (place.kind === 'body') {
          const taken = Math.min(place.left, chunk.length - at);
          at += taken;
          place = place.left === taken ? { kind: 'head', head: [] } : { kind: 'body', left: place.left - taken };
        } else place = next(place, chunk[at++] as number);
      }
    },
    words(reason) {
      if (place.kind === 'parted') return NOTHING;
      if (place.kind === 'lines' && place.line === '') return Buffer.concat([BANNER, disconnect(reason)]);
      return place.kind === 'head' && place.head.length === 0 ? disconnect(reason) : undefined;
    },
  };
}

/** Packet length, padding length, and the first byte of the payload. */
const HEAD_BYTES = 6;

function next(place: Extract<Place, { kind: 'lines' | 'head' }>, byte: number): Place {
  if (place.kind === 'lines') {
    if (byte !== 0x0a) {
      const line = place.line + String.fromCharCode(byte);
      return line.length > LONGEST_LINE ? { kind: 'encrypted' } : { kind: 'lines', line };
    }
    return place.line.startsWith('SSH-') ? { kind: 'head', head: [] } : { kind: 'lines', line: '' };
  }
  const head = [...place.head, byte];
  if (head.length < HEAD_BYTES) return { kind: 'head', head };
  const length = Buffer.from(head).readUInt32BE(0);
  if (byte === DISCONNECT) return { kind: 'parted' };
  if (byte === NEWKEYS || length < 2 || length > LONGEST_PACKET) return { kind: 'encrypted' };
  return length === 2 ? { kind: 'head', head: [] } : { kind: 'body', left: length - 2 };
}
