/**
 * Columns masked by their hash: the target sends digests of a type of their own, which the client is told is `text`; and in each digest's place, of the same
 * length, an HMAC under the gateway's key. In the text and the binary format a text is the same bytes.
 */
import { HASH_LENGTH, HASH_TYPE } from '../../languages/sql/index.ts';
import type { Fingerprint } from '../../mask/index.ts';
import type { Field } from './messages.ts';

/** What a session hashes with. */
export interface Hashing {
  /** Overwrites the digest at this place with its hash. @returns false when there is none of its length */
  hash(chunk: Buffer, start: number, end: number): boolean;
}

/** Sets a hash of a column apart from any other HMAC under the same key. */
const PURPOSE = 'hoopctl column hash v1\0';

export function createHashing(fingerprint: Fingerprint): Hashing {
  const message = Buffer.alloc(PURPOSE.length + HASH_LENGTH, PURPOSE, 'latin1');
  return {
    hash(chunk, start, end) {
      if (end - start !== HASH_LENGTH) return false;
      chunk.copy(message, PURPOSE.length, start, end);
      return chunk.write(fingerprint(message), start, HASH_LENGTH, 'latin1') === HASH_LENGTH;
    },
  };
}

/**
 * Tells the digests of a result by their type, and writes the type `text` over it, in place.
 *
 * @param body of the RowDescription that was read as `fields`
 */
export function describeDigests(body: Buffer, fields: readonly Field[]): readonly Field[] {
  let at = 2;
  return fields.map((field) => {
    const end = body.indexOf(0, at);
    at = end + 19;
    if (field.table !== 0 || field.type !== HASH_TYPE.type || body.readInt32BE(end + 13) !== HASH_TYPE.modifier)
      return field;
    body.writeUInt32BE(TEXT_TYPE, end + 7);
    body.writeInt16BE(-1, end + 11);
    body.writeInt32BE(-1, end + 13);
    return { ...field, type: TEXT_TYPE, digest: true };
  });
}

const TEXT_TYPE = 25;

/** Whether the digests that came are those the statement was sent to give. */
export function isExpected(fields: readonly Field[], places: readonly number[] | undefined): boolean {
  const came = fields.flatMap(({ digest }, place) => (digest === true ? [place] : []));
  return came.length === (places?.length ?? 0) && came.every((place, i) => place === places?.[i]);
}
