/** The admin listener: whether the gateway is up, whether it can do its work, and how much it does. No token, so loopback or a private address. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Readiness {
  readonly ok: boolean;
  /** What keeps it from working, or what an administrator should know. */
  readonly problems: readonly string[];
  readonly [detail: string]: unknown;
}

export interface AdminParts {
  readonly host: string;
  readonly port: number;
  ready(): Promise<Readiness>;
  metrics(): Promise<{ type: string; text: string }>;
}

export async function startAdmin({
  host,
  port,
  ready,
  metrics,
}: AdminParts): Promise<{ port: number; close(): Promise<void> }> {
  const json = (status: number, value: unknown) => ({
    status,
    type: 'application/json',
    text: `${JSON.stringify(value)}\n`,
  });
  const pages: Readonly<Record<string, () => Promise<{ status: number; type: string; text: string }>>> = {
    '/healthz': async () => json(200, { ok: true }),
    '/readyz': async () => {
      const state = await ready();
      return json(state.ok ? 200 : 503, state);
    },
    '/metrics': async () => ({ status: 200, ...(await metrics()) }),
  };
  const server = createServer((request, response) => {
    const page = request.method === 'GET' ? pages[request.url ?? ''] : undefined;
    const answer = page ? page().catch(() => json(500, { ok: false })) : Promise.resolve(json(404, { ok: false }));
    void answer.then(({ status, type, text }) => response.writeHead(status, { 'content-type': type }).end(text));
  });
  await listening(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}
