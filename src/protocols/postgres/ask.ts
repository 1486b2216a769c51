/** One simple query of the gateway's own, and all its rows. What the target says against it is an answer, not an exception. */
import { errorTable } from '../../base/error.ts';
import { isProblem, upstreamLimits } from './frames.ts';
import { isSilence } from './inbox.ts';
import { query, readErrorFields } from './messages.ts';
import { decodeRow } from './rows.ts';
import type { Upstream } from './upstream.ts';

const fail = errorTable({
  TARGET_UNREACHABLE: { exit: 6, hint: 'check the address, the network and that the server runs' },
});

export type Rows = readonly (readonly (string | null)[])[];

export type Reply =
  | { readonly ok: true; readonly rows: Rows }
  | { readonly ok: false; readonly sqlState: string; readonly message: string };

/** @throws HoopError TARGET_UNREACHABLE when the connection ends first */
export async function ask({ channel, inbox, scrub }: Upstream, text: string): Promise<Reply> {
  channel.write(query(text));
  const rows: (string | null)[][] = [];
  let failed: Reply | undefined;
  for (;;) {
    const frame = await inbox.frame(resultLimits);
    if (isSilence(frame)) throw fail('TARGET_UNREACHABLE', 'the target closed the connection');
    if (isProblem(frame)) throw fail('TARGET_UNREACHABLE', `the target is no PostgreSQL server: ${frame.problem}`);
    if (frame.type === 0x44) rows.push(decodeRow(frame.body, undefined));
    if (frame.type === 0x45) {
      const fields = readErrorFields(frame.body);
      const message = scrub.text(fields?.get('M') ?? 'no reason given');
      failed = { ok: false, sqlState: fields?.get('C') ?? 'XX000', message };
    }
    if (frame.type === 0x5a) return failed ?? { ok: true, rows };
  }
}

const MiB = 1024 * 1024;

/** A large schema is one row of JSON. */
function resultLimits(type: number): number | undefined {
  return type === 0x44 ? 256 * MiB : upstreamLimits(type);
}
