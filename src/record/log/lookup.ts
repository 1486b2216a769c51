/** Finds one session in its gateway's log, and proves that it is in there. */
import type { PublicKeys } from '../checkpoint.ts';
import type { VerifyReport } from '../verify.ts';
import { isTrustedHead, originOf, parseHead } from './head.ts';
import { decodeLeaf, type LoggedLeaf } from './leaf.ts';
import { inclusionProof, leafHash, provesInclusion } from './merkle.ts';
import { logFolder } from './places.ts';
import { folderReader } from './restore.ts';
import { decodeEntries, readTile, TILE_WIDTH, tiledSubtrees } from './tiles.ts';

export interface InLog {
  readonly gateway: string;
  /** Leaves of the log under the signed head. */
  readonly size: number;
  /** Numbers of its leaves, each proven to be in the tree. */
  readonly opened?: number;
  readonly sealed?: number;
  /** What the log says otherwise than the recording. */
  readonly contradictions: readonly string[];
}

/** @returns undefined where there is no log of its gateway, or none that a given key signed */
export async function findInLog(
  recordings: string,
  report: VerifyReport,
  keys: PublicKeys,
): Promise<InLog | undefined> {
  const { gateway, session } = report;
  if (gateway === undefined || session === undefined) return undefined;
  const read = folderReader(logFolder(recordings, gateway));
  const bytes = await read('checkpoint');
  const head = bytes && parseHead(bytes);
  if (!head || head.origin !== originOf(gateway) || !isTrustedHead(head, keys)) return undefined;
  const found: Record<string, number> = {};
  const contradictions: string[] = [];
  for (let base = 0; base < head.size; base += TILE_WIDTH) {
    const bundle = await readTile(read, 'entries', base / TILE_WIDTH, head.size);
    const entries = ((bundle && decodeEntries(bundle)) ?? []).slice(0, head.size - base);
    for (const [at, entry] of entries.entries()) {
      // Ids are plain words: most leaves need not be parsed to see that they are of another session.
      const leaf: LoggedLeaf | undefined = entry.includes(session) ? decodeLeaf(entry) : undefined;
      if (!leaf || !('session' in leaf) || leaf.session !== session) continue;
      const index = base + at;
      const proof = await inclusionProof(tiledSubtrees(read, head.size), index, head.size).catch(() => undefined);
      if (!proof || !provesInclusion(leafHash(entry), index, proof, head.size, head.root)) {
        contradictions.push(`leaf ${index} of the log is not proven by its tiles`);
        continue;
      }
      found[leaf.type] = index;
      contradictions.push(...contradictionsOf(leaf, report));
    }
  }
  const { 'session.opened': opened, 'session.sealed': sealed } = found;
  return {
    gateway,
    size: head.size,
    ...(opened === undefined ? {} : { opened }),
    ...(sealed === undefined ? {} : { sealed }),
    contradictions,
  };
}

/** What a leaf says otherwise than the recording it is of. */
export function contradictionsOf(leaf: LoggedLeaf, { first, sealed, checkpoint }: VerifyReport): string[] {
  if (leaf.type === 'session.opened') return leaf.first === first ? [] : ['its first line is not the one in the log'];
  if (leaf.type !== 'session.sealed') return [];
  if (!sealed) return [`the log says that it was sealed with ${leaf.size} events, and it is not`];
  return checkpoint?.size === leaf.size && checkpoint.root === leaf.root
    ? []
    : [`the log says that it was sealed with ${leaf.size} events and another root`];
}
