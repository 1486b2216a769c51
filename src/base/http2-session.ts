/** How both ends hold an HTTP/2 session that carries tunnels: many streams, wide windows, and an end when the peer falls silent. */
import { constants, type Http2Session } from 'node:http2';
import type { Cancel, Clock } from './clock.ts';

/** Both ends want the same: room for many stalled streams, windows that fill a fast line, no death by many quick resets. */
export const HTTP2_SESSION = {
  // The default of 10 MB resets a session at about 150 stalled streams; memory is bounded by the streams' own windows instead.
  maxSessionMemory: 1000,
  // By default about 1,000 streams that are reset quickly end the session (CVE-2023-44487): here many short connections are ordinary.
  streamResetBurst: 20_000,
  streamResetRate: 5_000,
  settings: {
    initialWindowSize: 512 * 1024,
    enablePush: false,
    maxConcurrentStreams: 100_000,
  },
} as const;

/** Flow-control window of a whole session: behind 20 ms of delay the default of 64 KiB gives 2 MB/s. */
const SESSION_WINDOW = 8 * 1024 * 1024;
const PING_EVERY_MS = 10_000;
const SILENCE_MS = 20_000;
/** A beat that comes so late was kept back by our own sleep (a closed lid, SIGSTOP), which says nothing about the peer. */
const OVERSLEPT_MS = PING_EVERY_MS + 5_000;

/** The session-wide window, and the end of a session whose peer has fallen silent. For either end. */
export function keepSession(session: KeptSession, clock: Clock): void {
  session.setLocalWindowSize(SESSION_WINDOW);
  let heard = clock.monotonic();
  let before = heard;
  let cancel: Cancel = () => undefined;
  const beat = () => {
    if (session.destroyed) return;
    const now = clock.monotonic();
    // What the peer said meanwhile is still unread, perhaps the reason why it ended everything: timers run before sockets are read.
    if (now - before > OVERSLEPT_MS) heard = now;
    before = now;
    if (now - heard >= SILENCE_MS) {
      session.destroy(new Error('the peer fell silent'), constants.NGHTTP2_CANCEL);
      return;
    }
    session.ping((error) => {
      if (error === null) heard = clock.monotonic();
    });
    cancel = clock.after(PING_EVERY_MS, beat);
  };
  cancel = clock.after(PING_EVERY_MS, beat);
  session.once('close', () => cancel());
}

/** What client and server sessions have in common here; `setLocalWindowSize` is declared on the two alone. */
type KeptSession = Http2Session & { setLocalWindowSize(size: number): void };
