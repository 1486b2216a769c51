/**
 * Has the heads of the log signed by witnesses (c2sp.org/tlog-witness). Nobody waits for it: it goes on beside the sessions, and tries again, later each
 * time.
 */
import type { Cancel, Clock } from '../../base/clock.ts';
import { errorTable } from '../../base/error.ts';
import {
  conflictSize,
  type NoteVerifier,
  parseVerifierKey,
  proveConsistency,
  type SessionLog,
  type SignedHead,
  witnessLines,
  witnessRequest,
} from '../../record/index.ts';

export interface Witnesses {
  /** What each that did not sign says, for people. */
  problems(): readonly string[];
  stop(): Promise<void>;
}

export interface WitnessesParts {
  readonly log: SessionLog;
  readonly witnesses: readonly { readonly url: string; readonly key: string }[];
  readonly clock: Clock;
  readonly warn: (message: string, error?: unknown) => void;
  readonly fetch?: typeof globalThis.fetch;
}

interface Asked {
  readonly url: string;
  readonly verifier: NoteVerifier;
  /** Size of the last head it signed, as far as it is known. */
  signed: number;
  problem: string | undefined;
}

const fail = errorTable({
  WITNESS_KEY: { exit: 2, hint: 'write the key as the witness publishes it: NAME+KEYID+KEY, of type 4' },
});

/** How long one answer may take, and how long the log goes on between two rounds, ms. */
const PATIENCE = 10_000;
const PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;
const LONGEST_ANSWER = 16 * 1024;

/** @throws WITNESS_KEY */
export function startWitnesses({ log, witnesses, clock, warn, fetch = globalThis.fetch }: WitnessesParts): Witnesses {
  const asked: Asked[] = witnesses.map(({ url, key }) => ({
    url: `${url.replace(/\/$/, '')}/add-checkpoint`,
    verifier: witnessKey(key),
    signed: 0,
    problem: undefined,
  }));
  const over = new AbortController();
  let round: Promise<void> | undefined;
  let cancel: Cancel = () => {};
  let failures = 0;

  async function ask(witness: Asked, head: SignedHead): Promise<string | undefined> {
    const before = witness.problem;
    try {
      const lines = await add(witness, head);
      witness.signed = head.size;
      witness.problem = undefined;
      return lines;
    } catch (error) {
      if (over.signal.aborted) return undefined;
      witness.problem = `${witness.verifier.name}: ${error instanceof Error ? error.message : String(error)}`;
      if (witness.problem !== before) warn(`a head of the log is not witnessed: ${witness.problem}`, error);
      return undefined;
    }
  }

  async function add(witness: Asked, head: SignedHead, again = true): Promise<string> {
    const proof = await proveConsistency((name) => log.read(name), witness.signed, head.size);
    const { status, text } = await post(witness.url, witnessRequest(witness.signed, proof, head));
    if (status === 409) {
      const size = conflictSize(text);
      if (size === undefined) throw new Error('it answered 409 without a size');
      if (size > head.size)
        throw new Error(`it has signed ${size} leaves of this log, which has ${head.size}: an older copy was put back`);
      // Two heads of one size that differ: asked with the size it names, it would say so again.
      if (!again || size === witness.signed) throw new Error(`it has signed another tree of ${size} leaves`);
      witness.signed = size;
      return add(witness, head, false);
    }
    if (status === 422) throw new Error('it says that this log is no continuation of what it has signed');
    if (status !== 200) throw new Error(`it answered ${status}`);
    const lines = witnessLines(text, head, witness.verifier);
    if (lines === undefined) throw new Error('its answer is not signed with its key');
    return lines;
  }

  async function post(url: string, body: Uint8Array): Promise<{ status: number; text: string }> {
    const late = AbortSignal.timeout(PATIENCE);
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'user-agent': 'hoopctl-gateway' },
      body: Buffer.from(body),
      redirect: 'manual',
      signal: AbortSignal.any([over.signal, late]),
    });
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of response.body ?? []) {
      length += part.length;
      if (length > LONGEST_ANSWER) throw new Error(`its answer is longer than ${LONGEST_ANSWER} bytes`);
      parts.push(part);
    }
    return { status: response.status, text: Buffer.concat(parts).toString('utf8') };
  }

  // One head for all of them: what they signed then stands in one note.
  async function ofAll(): Promise<void> {
    const { head } = log;
    if (head.size === 0) return;
    const lines = await Promise.all(asked.map((witness) => ask(witness, head)));
    const signed = lines.filter((one) => one !== undefined);
    if (over.signal.aborted) return;
    if (signed.length > 0) log.witnessed(head, signed.join(''));
    failures = signed.length === asked.length ? 0 : failures + 1;
    const isNewest = log.head.size === head.size;
    if (failures > 0) schedule(Math.min(LONGEST_PAUSE, PAUSE * 2 ** Math.min(failures - 1, 16)));
    else if (!isNewest) schedule(PAUSE);
  }

  function schedule(ms: number): void {
    cancel();
    cancel = clock.after(ms, begin);
  }

  function begin(): void {
    if (over.signal.aborted || round) return;
    cancel();
    round = ofAll()
      .catch((error) => {
        warn('a head of the log is not witnessed', error);
        schedule(LONGEST_PAUSE);
      })
      .finally(() => {
        round = undefined;
      });
  }

  // After a failure the pause stands: a witness that is down is not asked at every head.
  const stopListening =
    asked.length === 0 ? () => {} : log.onHead(() => void (failures === 0 && !round && schedule(0)));
  if (asked.length > 0) begin();
  return {
    problems: () => asked.flatMap(({ problem }) => (problem === undefined ? [] : [problem])),
    async stop() {
      stopListening();
      over.abort(new Error('the gateway is shutting down'));
      cancel();
      await round;
    },
  };
}

function witnessKey(text: string): NoteVerifier {
  const verifier = parseVerifierKey(text);
  if (verifier?.type !== 'witness') throw fail('WITNESS_KEY', `"${text}" is no key of a witness`);
  return verifier;
}
