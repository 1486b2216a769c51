/** The sftp subsystem's two channels as the byte streams that its requests are read from. */
import type { Duplex } from 'node:stream';
import type { ClientChannel, ServerChannel } from 'ssh2';
import type { Clock } from '../../base/clock.ts';
import type { Session } from '../../domain/session.ts';
import { brakes, unpaused } from './paused.ts';
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
      session,
      gone,
    ),
    target: sideOf(target, NOTHING_BELOW, () => void target.end(), session),
    onHold: (held) => say(holdText(held)),
    onRefused: (refusal) => say(refusalText(refusal)),
  });
  target.close();
}

// The target's windows bound what is written to it.
const NOTHING_BELOW: Below = { full: false, drained: () => Promise.resolve() };

function sideOf(
  channel: Duplex,
  below: Below,
  end: () => void,
  session: Pick<Session, 'paused' | 'signal'>,
  left?: AbortSignal,
): SftpSide {
  const { paused } = session;
  const reading = brakes(channel);
  /** Written while the session was paused: what was read before is not passed on either. */
  const kept: Uint8Array[] = [];
  const onPause = (now: boolean) => {
    if (now) return reading.hold('watch');
    for (const bytes of kept.splice(0)) if (channel.writable) channel.write(bytes);
    reading.release('watch');
  };
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
      const forget = paused?.onChange(onPause);
      if (forget) gone.signal.addEventListener('abort', forget, { once: true });
      if (paused?.now) onPause(true);
    },
    pause: () => reading.hold('slow'),
    resume: () => reading.release('slow'),
    write: (bytes) => {
      if (!paused?.now) return written(bytes);
      kept.push(bytes);
      return false;
    },
    async drained() {
      if (paused?.now) await unpaused(session);
      if (below.full) await below.drained();
      if (gone.signal.aborted || !channel.writableNeedDrain) return;
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
    end: () => {
      if (paused?.now) void unpaused(session).then((on) => on && end());
      else end();
    },
  };

  function written(bytes: Uint8Array): boolean {
    return channel.writable && !gone.signal.aborted ? channel.write(bytes) && !below.full : true;
  }
}
