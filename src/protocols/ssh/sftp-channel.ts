/** The sftp subsystem's two channels as the byte streams that its requests are read from. */
import type { Duplex } from 'node:stream';
import type { ClientChannel, ServerChannel } from 'ssh2';
import type { Clock } from '../../base/clock.ts';
import type { Session } from '../../domain/session.ts';
import { holdText, refusalText } from './refuse.ts';
import type { SshSettings } from './settings.ts';
import { serveSftp, type SftpSide } from './sftp/index.ts';

export interface Below {
  /** Whether the connection under a channel has not taken yet what was written to it. */
  readonly full: boolean;
  drained(): Promise<void>;
}

export interface SftpChannelParts {
  readonly channel: ServerChannel;
  readonly gone: AbortSignal;
  readonly target: ClientChannel;
  readonly session: Session;
  readonly clock: Clock;
  readonly below: Below;
  say(text: string): void;
}

export async function carrySftp({
  channel,
  gone,
  target,
  session,
  clock,
  below,
  say,
}: SftpChannelParts): Promise<void> {
  target.stderr.resume();
  await serveSftp({
    ...{ session, clock, account: (session.target.settings as SshSettings).user },
    client: sideOf(
      channel,
      below,
      () => {
        // Said before the end: a client that hears none takes it for a failure.
        channel.exit(0);
        channel.end();
      },
      gone,
    ),
    target: sideOf(target, NOTHING_BELOW, () => void target.end()),
    onHold: (held) => say(holdText(held)),
    onRefused: (refusal) => say(refusalText(refusal)),
  });
  target.close();
}

// The target's windows bound what is written to it.
const NOTHING_BELOW: Below = { full: false, drained: () => Promise.resolve() };

function sideOf(channel: Duplex, below: Below, end: () => void, left?: AbortSignal): SftpSide {
  const gone = new AbortController();
  const over = () => {
    gone.abort();
    release();
  };
  let waiting: (() => void)[] = [];
  const release = () => {
    const released = waiting;
    waiting = [];
    for (const resolve of released) resolve();
  };
  channel.on('drain', release);
  channel.once('close', over);
  left?.addEventListener('abort', over, { once: true });
  return {
    gone: gone.signal,
    read({ onBytes, onEnd }) {
      channel.on('data', onBytes);
      channel.once('end', onEnd);
    },
    pause: () => void channel.pause(),
    resume: () => void channel.resume(),
    write: (bytes) => (channel.writable && !gone.signal.aborted ? channel.write(bytes) && !below.full : true),
    async drained() {
      if (below.full) await below.drained();
      if (gone.signal.aborted || !channel.writableNeedDrain) return;
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
    end,
  };
}
