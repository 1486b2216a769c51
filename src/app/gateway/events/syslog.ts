/**
 * Events as syslog messages (RFC 5424) over TCP or TLS, each with its length in front (RFC 6587 3.4.1, RFC 5425).
 *
 *     <length> SP "<" priority ">1 " time SP host SP "hoopctl" SP pid SP code SP [hoopctl@32473 uid="…"] SP BOM json
 *
 * The protocol has no receipts. Lines count as delivered when the connection took them and stood for a moment after; what was sent when it broke is
 * sent again.
 */
import { readFile } from 'node:fs/promises';
import { isIP, type Socket, connect as connectTcp } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { wait } from '../../../base/clock.ts';
import type { Sink, SinkParts } from './sink.ts';

/** How long connecting, and then sending, may take. */
const PATIENCE_MS = 10_000;
/** How long a connection has to stand after it took the last byte. */
const STANDS_MS = 250;
/** `log audit` (RFC 5424, table 1). */
const FACILITY = 13;
/** OCSF severities as syslog's: informational, notice, warning, error, critical, emergency. */
const SEVERITIES = [6, 6, 5, 4, 3, 2, 0];
// Of RFC 5424 6.3.2: SD-IDs without "@" are IANA's; 32473 is the number RFC 5612 keeps for documentation, as nobody has given us one.
const SD_ID = 'hoopctl@32473';

export function createSyslogSink({ sink, clock }: SinkParts<'syslog'>): Sink {
  let connection: Socket | undefined;

  async function connected(signal: AbortSignal): Promise<Socket> {
    if (connection && !connection.destroyed && connection.writable) return connection;
    connection?.destroy();
    const { address, tls, ca } = sink;
    const { host, port } = address;
    // An authority that was replaced is read with the next connection.
    const trusted = ca === undefined ? {} : { ca: await readFile(ca) };
    signal.throwIfAborted();
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket = tls ? connectTls({ host, port, ...name, ...trusted }) : connectTcp({ host, port });
    connection = socket;
    socket.setKeepAlive(true, 30_000);
    // Receivers say nothing; what one says is thrown away, so that its end is seen.
    socket.resume();
    await settled(socket, (done) => socket.once(tls ? 'secureConnect' : 'connect', done));
    return socket;
  }

  async function send(lines: readonly string[], signal: AbortSignal): Promise<void> {
    const socket = await connected(signal);
    const bytes = Buffer.concat(lines.map((line) => frame(line)));
    await settled(socket, (done) => socket.write(bytes, done));
    await settled(socket, (done) => void wait(clock, STANDS_MS, signal).then(() => done(), done));
  }

  return {
    async deliver(lines, _id, signal) {
      const cancel = clock.after(PATIENCE_MS, () =>
        connection?.destroy(new Error(`no progress within ${PATIENCE_MS / 1000} s`)),
      );
      const stop = () => connection?.destroy();
      signal.addEventListener('abort', stop, { once: true });
      try {
        await send(lines, signal);
        return { kind: 'delivered' };
      } catch (error) {
        connection?.destroy();
        connection = undefined;
        signal.throwIfAborted();
        return { kind: 'later', why: (error as Error).message };
      } finally {
        cancel();
        signal.removeEventListener('abort', stop);
      }
    },
    async close() {
      connection?.end();
      connection?.destroySoon();
    },
  };
}

/** Settles when `begin` says so, or when the connection breaks before. */
function settled(socket: Socket, begin: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = (error?: Error | null) => {
      socket.off('error', over);
      socket.off('close', closed);
      socket.off('end', closed);
      if (error) reject(error);
      else resolve();
    };
    const closed = () => over(new Error('the receiver closed the connection'));
    if (socket.destroyed || socket.readableEnded) return reject(new Error('the receiver closed the connection'));
    socket.once('error', over);
    socket.once('close', closed);
    socket.once('end', closed);
    begin(over);
  });
}

/** One message with its length in front. @param json one line, without control characters */
export function frame(json: string, host = hostname(), pid = process.pid): Buffer {
  const { severity_id, time, metadata } = JSON.parse(json) as {
    severity_id?: number;
    time?: number;
    metadata?: { uid?: string; event_code?: string };
  };
  const priority = FACILITY * 8 + (SEVERITIES[severity_id ?? 0] ?? 6);
  const at = new Date(time ?? 0).toISOString();
  const code = printable(metadata?.event_code ?? '', 32);
  const uid = (metadata?.uid ?? '').replace(/[\\"\]]/g, '\\$&');
  const head = `<${priority}>1 ${at} ${printable(host, 255)} hoopctl ${pid} ${code} [${SD_ID} uid="${uid}"] `;
  // The BOM says that what follows is UTF-8 (RFC 5424 6.4).
  const message = Buffer.from(`${head}\u{feff}${json}`);
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}

/** PRINTUSASCII, or `-` where nothing is left. */
function printable(text: string, most: number): string {
  return text.replace(/[^!-~]/g, '').slice(0, most) || '-';
}
