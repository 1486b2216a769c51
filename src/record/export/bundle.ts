/**
 * What a bundle of recordings is besides them: which files of the log prove it, whose the log's other sessions are, and how to verify it all.
 *
 *     manifest.json  VERIFY.md  key.pem  [others.ndjson]
 *     recordings/2026/11/21/ses_….ndjson
 *     recordings/.log/<gateway>/checkpoint, tile/…
 *
 * The recordings lie as in their gateway's own folder, so what verifies that folder verifies this one.
 */
import { gatewayOfOrigin, parseHead } from '../log/head.ts';
import { decodeLeaf } from '../log/leaf.ts';
import { countAt, decodeEntries, TILE_WIDTH, tilePath, widthAt } from '../log/tiles.ts';

export interface BundleLog {
  readonly gateway: string;
  /** Leaves under the checkpoint. */
  readonly size: number;
  /** Names of its tiles, for whoever fetches them. */
  readonly tiles: readonly string[];
}

/** @returns undefined for what is no checkpoint of a gateway's log */
export function logOf(checkpoint: Uint8Array): BundleLog | undefined {
  const head = parseHead(checkpoint);
  const gateway = head && gatewayOfOrigin(head.origin);
  if (!head || gateway === undefined) return undefined;
  const tiles: string[] = [];
  const all = (level: 'entries' | number) => {
    const count = Math.ceil(countAt(level, head.size) / TILE_WIDTH);
    for (let i = 0; i < count; i++) tiles.push(tilePath(level, i, widthAt(level, i, head.size)));
    return count > 0;
  };
  all('entries');
  for (let level = 0; all(level); level++);
  return { gateway, size: head.size, tiles };
}

/** Sessions whose opening is among the entries of a bundle of the log. */
export function sessionsIn(entries: Buffer): { readonly session: string; readonly first: string }[] {
  return (decodeEntries(entries) ?? []).flatMap((entry) => {
    const leaf = decodeLeaf(entry);
    return leaf?.type === 'session.opened' ? [{ session: leaf.session, first: leaf.first }] : [];
  });
}

/** Where a recording lies in a bundle. */
export function pathInBundle(session: string, openedAt: string): string {
  return `recordings/${openedAt.slice(0, 10).replaceAll('-', '/')}/${session}.ndjson`;
}

export interface VerifyTextParts {
  readonly log: BundleLog | undefined;
  readonly others: boolean;
}

/** For somebody who has nothing but the bundle and a key from elsewhere. */
export function verifyText({ log, others }: VerifyTextParts): string {
  return [
    '# How to verify this bundle',
    '',
    'Nothing here is taken on trust but the public key, and that one not from here: ask the keeper of the gateway for it, or take the one that was',
    'noted when it was set up, and compare it with `key.pem`.',
    '',
    '## The files are those of the manifest',
    '',
    '    jq -r \'.files[] | "\\(.sha256)  \\(.path)"\' manifest.json | sha256sum --check',
    '',
    'The manifest is not signed. It says what was asked for (`filter`), when and by whom; what it says of sessions is in the recordings too.',
    '',
    '## Each recording is whole and unchanged',
    '',
    '    hoopctl audit verify recordings --key KEY.pem',
    '',
    'Without hoopctl: every line but the first holds in `prev` the SHA-256 of the line before, and lines of the type `checkpoint` are signed with Ed25519;',
    'what is signed, and how to check it with openssl, is in the documentation of hoopctl, docs/evidence.md.',
    '',
    '    sed -n 1p RECORDING | tr -d \'\\n\' | sha256sum    # is "prev" of line 2',
    '',
    ...(log
      ? [
          '## The log names them',
          '',
          `recordings/.log/${log.gateway} is the log of the gateway's sessions up to the signed checkpoint in it: ${log.size} leaves, in the form of`,
          'c2sp.org/tlog-tiles, which other tools read too. Every session is in it from before its first command.',
          '',
          '    hoopctl audit verify recordings --log --key KEY.pem --allow missing',
          '',
          'Sessions it calls `missing` are those of the log that are not in this bundle.',
        ]
      : [
          '## The log',
          '',
          'This bundle has no copy of the log of sessions (whoever made it may not read it, or the gateway keeps none): that nothing was left out cannot be',
          'shown with it.',
        ]),
    '',
    ...(others
      ? [
          '## Nothing was left out',
          '',
          '`others.ndjson` holds one line for each other session of the log: `line` is the first line of its recording, which says whose it is. Its SHA-256 is',
          '`first` in the leaf of that session, so it is the line that was written when the session began:',
          '',
          "    jq -r 'select(.line) | .session' others.ndjson | wc -l",
          '    jq -j \'select(.session == "SESSION") | .line\' others.ndjson | sha256sum',
          '',
          'Read through them: none of them is one that the filter asked for. Where there is no `line`, the recording was not there any more, or could not be',
          'read.',
        ]
      : log
        ? [
            '## Nothing was left out',
            '',
            "The leaves of the other sessions hold the digest of their recordings' first lines, which say whose they are. A bundle made with `--complete` holds",
            'those lines.',
          ]
        : []),
    '',
  ].join('\n');
}
