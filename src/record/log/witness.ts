/** How a witness is asked to sign a head (c2sp.org/tlog-witness), and what it may answer. Makes and reads bytes, dials nobody. */
import type { SignedHead } from './head.ts';
import type { Hash } from './merkle.ts';
import { cosignedAt, type NoteVerifier, parseNote, parseSignatures, signatureLine } from './note.ts';

/** @param old size of the last head it signed; 0 when that is not known */
export function witnessRequest(old: number, proof: readonly Hash[], head: SignedHead): Buffer {
  const lines = [`old ${old}`, ...proof.map((hash) => hash.toString('base64')), ''];
  return Buffer.from(`${lines.join('\n')}\n${ownNote(head)}`);
}

/** @returns the lines that count: its own, and right. undefined when there are none */
export function witnessLines(answer: string, head: SignedHead, witness: NoteVerifier): string | undefined {
  const signatures = parseSignatures(answer)?.filter(
    ({ name, keyId }) => name === witness.name && keyId === witness.keyId,
  );
  if (!signatures || signatures.length === 0) return undefined;
  const lines = signatures.map(signatureLine).join('');
  const note = parseNote(`${head.note.text}\n${lines}`);
  return note && cosignedAt(note, witness) !== undefined ? lines : undefined;
}

/** What a witness that knows another head answers: the size of the one it signed last. */
export function conflictSize(answer: string): number | undefined {
  const [, digits] = /^(0|[1-9]\d{0,15})\n$/.exec(answer) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** Which of these witnesses signed the head, and when, epoch seconds. */
export function witnessesOf({ note }: SignedHead, witnesses: readonly NoteVerifier[]): ReadonlyMap<string, number> {
  return new Map(
    witnesses.flatMap((witness) => {
      const at = cosignedAt(note, witness);
      return at === undefined ? [] : [[witness.name, at] as const];
    }),
  );
}

// Without the lines of other witnesses: each is asked for itself.
function ownNote({ note, origin }: SignedHead): string {
  const own = note.signatures.filter(({ name }) => name === origin);
  return `${note.text}\n${own.map(signatureLine).join('')}`;
}
