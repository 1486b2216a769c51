/** An HTTP/2 server on loopback that opens tunnels to whatever the test says, with the gateway's own end of them. */
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { ByteChannel } from '../../src/base/channel.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { acceptTunnel, keepServerSession, TUNNEL_SERVER_OPTIONS } from '../../src/tunnel/index.ts';

export interface TunnelGateway {
  readonly url: string;
  readonly port: number;
  readonly sessions: Set<ServerHttp2Session>;
  /** Cuts every connection and stops listening. */
  stop(): Promise<void>;
}

export interface TunnelGatewayOptions {
  serve(channel: ByteChannel, path: string): void;
  /** A JSON body with its status refuses the stream. */
  authorise?(
    stream: ServerHttp2Stream,
    authorization: string,
    path: string,
  ): { status: number; body: unknown } | undefined;
  port?: number;
  clock?: Clock;
}

export async function startTunnelGateway(options: TunnelGatewayOptions): Promise<TunnelGateway> {
  const sessions = new Set<ServerHttp2Session>();
  const server: Http2Server = createServer(TUNNEL_SERVER_OPTIONS);
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    keepServerSession(session, options.clock ?? systemClock);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    const path = String(headers[':path']);
    const refused = options.authorise?.(stream, String(headers.authorization), path);
    if (refused) {
      stream.respond({ ':status': refused.status, 'content-type': 'application/json' });
      stream.end(JSON.stringify(refused.body));
      return;
    }
    options.serve(acceptTunnel(stream), path);
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    sessions,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}

/** Sends back what it gets, waits when the client is slower, ends when the client ended. */
export function echo(channel: ByteChannel): void {
  channel.read({
    onBytes(chunk) {
      if (channel.write(chunk)) return;
      channel.pause();
      void channel.drained().then(() => channel.resume());
    },
    onEnd: () => channel.end(),
  });
}
