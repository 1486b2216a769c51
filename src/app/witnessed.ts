/** `hoopctl run --require-witness`: no agent starts before somebody else than the gateway has seen the log as it was when the run began. */
import type { GatewayClient } from '../api/client.ts';
import { type Clock, wait } from '../base/clock.ts';
import { errorTable, HoopError } from '../base/error.ts';
import {
  isTrustedHead,
  type NoteVerifier,
  type PublicKeys,
  parseHead,
  parseVerifierKey,
  readPublicKeys,
  type SignedHead,
  witnessesOf,
} from '../record/index.ts';

export interface WitnessRequirement {
  /** Keys of witnesses that must all have signed; empty: one of those the gateway names. */
  readonly keys: readonly string[];
  /** PEM of the gateway's key as it was pinned; without it what the gateway says now. */
  readonly pinned?: string | undefined;
  readonly withinMs: number;
}

const fail = errorTable({
  WITNESS_KEY: { exit: 2, hint: 'write the key as the witness publishes it: NAME+KEYID+KEY' },
  WITNESS_MISSING: {
    exit: 6,
    hint: 'ask whoever keeps the gateway: recordings.log.witness in gateway.yaml, and /readyz',
  },
});

const LOOK_MS = 250;

/** @throws WITNESS_MISSING when nobody signed in time */
export async function awaitWitness(
  client: GatewayClient,
  { keys, pinned, withinMs }: WitnessRequirement,
  clock: Clock,
  signal?: AbortSignal,
): Promise<void> {
  const { witnesses = [], evidenceKey } = await client.config(signal);
  const asked = (keys.length > 0 ? keys : witnesses).map(witnessKey);
  if (asked.length === 0) throw fail('WITNESS_MISSING', 'the log of this gateway has no witness');
  const trusted = readPublicKeys(pinned ?? evidenceKey.pem, 'the key of the gateway');
  const start = headOf(await client.auditFile('checkpoint', signal), trusted);
  const until = clock.monotonic() + withinMs;
  for (;;) {
    const bytes = await newestWitnessed(client, signal);
    const head = bytes && headOf(bytes, trusted);
    if (head && head.size >= start.size && isWitnessed(head, asked, keys.length > 0)) return;
    if (clock.monotonic() >= until)
      throw fail(
        'WITNESS_MISSING',
        `no witness has signed the log as it was when the run began (${start.size} leaves) within ${withinMs / 1000} s`,
      );
    await wait(clock, LOOK_MS, signal);
  }
}

function isWitnessed(head: SignedHead, asked: readonly NoteVerifier[], all: boolean): boolean {
  const signed = witnessesOf(head, asked).size;
  return all ? signed === asked.length : signed > 0;
}

function headOf(bytes: Uint8Array, trusted: PublicKeys): SignedHead {
  const head = parseHead(bytes);
  if (head && isTrustedHead(head, trusted)) return head;
  throw fail('WITNESS_MISSING', 'the checkpoint of the gateway is not signed with its key');
}

async function newestWitnessed(client: GatewayClient, signal?: AbortSignal): Promise<Uint8Array | undefined> {
  try {
    return await client.auditFile('checkpoint?witnessed=true', signal);
  } catch (error) {
    if (error instanceof HoopError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

function witnessKey(text: string): NoteVerifier {
  const verifier = parseVerifierKey(text);
  if (verifier?.type !== 'witness') throw fail('WITNESS_KEY', `"${text}" is no key of a witness`);
  return verifier;
}
