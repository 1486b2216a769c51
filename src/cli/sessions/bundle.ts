/** `hoopctl sessions export --format bundle`. */
import type { GatewayClient } from '../../api/client.ts';
import type { SessionView } from '../../api/shapes.ts';
import type { Context } from '../context.ts';
import { count } from '../wording.ts';

export interface BundleParts {
  readonly client: GatewayClient;
  readonly sessions: readonly SessionView[];
  readonly filter: Readonly<Record<string, unknown>>;
  readonly complete: boolean;
  readonly target: { write(chunk: Uint8Array): Promise<void> };
  readonly missing: string[];
  lines(session: string): Promise<AsyncIterable<string> | undefined>;
}

export async function writeBundle(ctx: Context, parts: BundleParts): Promise<void> {
  const { out, clock, signal } = ctx;
  const { bundle } = await import('../../app/export-bundle.ts');
  const { missing, target, ...rest } = parts;
  using progress = out.progress({ what: 'exporting', unit: `of ${count(parts.sessions.length, 'session')}` });
  const pieces = bundle({
    ...rest,
    clock,
    signal,
    missing: (session) => void missing.push(session),
    progress: (done) => progress.tell({ rows: done }),
  });
  for (;;) {
    const next = await pieces.next();
    if (next.done) {
      const { withoutLog } = next.value;
      if (withoutLog !== undefined)
        out.warn(`the bundle holds no log of sessions, so it does not show that nothing was left out: ${withoutLog}`);
      return;
    }
    await target.write(next.value);
  }
}
