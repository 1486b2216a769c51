/** What a client is told at the local end of a tunnel when no connection can be opened: the launcher's login ran out, or the gateway is away. */
import type { Unavailable } from '../../domain/protocol.ts';
import { readFirstPacket, LONGEST_STARTUP } from './startup.ts';
import { fatal } from './refuse.ts';

/** SQLSTATEs: connection_failure, invalid_authorization_specification, sqlserver_rejected_establishment (PostgreSQL, Appendix A). */
export const UNAVAILABLE_CODES: Readonly<Record<Unavailable['kind'], string>> = {
  unreachable: '08006',
  login: '28000',
  refused: '08004',
};

export function unavailable(reason: Unavailable, received: Uint8Array): { answer: Uint8Array; done: boolean } {
  const bytes = Buffer.from(received.buffer, received.byteOffset, received.byteLength);
  const said: Buffer[] = [];
  const answer = (done: boolean) => ({ answer: Buffer.concat(said), done });
  for (let at = 0; ; ) {
    if (bytes.length < at + 4) return answer(false);
    const length = bytes.readUInt32BE(at);
    if (length < 8 || length > LONGEST_STARTUP) return answer(true);
    if (bytes.length < at + length) return answer(false);
    const packet = readFirstPacket(bytes.subarray(at + 4, at + length));
    at += length;
    if (packet.kind !== 'encryption') {
      if (packet.kind !== 'cancel') said.push(fatal(UNAVAILABLE_CODES[reason.kind], reason.message));
      return answer(true);
    }
    // It goes on in plain text: this end is on the same machine.
    said.push(Buffer.from('N'));
  }
}
