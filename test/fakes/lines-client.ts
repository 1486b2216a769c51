/** The client side of a protocol made up for tests: a line with the secret, then lines both ways. `execute` asks `text` and reads rows as JSON lines. */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Endpoint, ExecResult, ExecSink, ProtocolClient } from '../../src/domain/protocol.ts';
import { parseTargetName, variablePrefix } from '../../src/domain/target.ts';

export const linesClient: ProtocolClient = {
  defaultPort: 7007,
  verifierOf: async (secret) => ({ kind: 'sha-256', digest: createHash('sha256').update(secret).digest('hex') }),
  environment(endpoint, short) {
    const name = parseTargetName(endpoint.target);
    const prefix = `HOOP_${name === undefined ? '' : variablePrefix(name)}`;
    return {
      [`${prefix}_URL`]: linesClient.url(endpoint, 'url'),
      [`${prefix}_PORT`]: String(endpoint.port),
      [`${prefix}_PASSWORD`]: endpoint.secret,
      ...(short ? { LINES_URL: linesClient.url(endpoint, 'url'), LINES_PORT: String(endpoint.port) } : {}),
    };
  },
  url: ({ user, secret, host, port, database }, form) =>
    `${form === 'url' ? '' : `${form}:`}lines://${user}:${secret}@${host}:${port}/${database ?? ''}`,
  native: (endpoint, args) => ({
    command: '/bin/sh',
    args: ['-c', 'echo "native $LINES_PORT ${#LINES_PASSWORD} $*"', 'native', ...args],
    env: { LINES_PORT: String(endpoint.port), LINES_PASSWORD: endpoint.secret },
  }),
  execute,
  socketName: (port) => `.lines.${port}`,
  unavailable(reason, received) {
    const done = Buffer.from(received).includes(10);
    return { answer: Buffer.from(done ? `sorry ${reason.kind}: ${reason.message}\n` : ''), done };
  },
};

export const linesClients = async (protocol: string) => (protocol === 'lines' ? linesClient : undefined);

/** Each line of the answer is `["columns", …]`, `["row", …]`, `["tag", …]`, `["notice", …]` or `["error", code, message]`. */
async function execute(endpoint: Endpoint, text: string, sink: ExecSink, signal: AbortSignal): Promise<ExecResult> {
  const socket = connectTo(endpoint);
  signal.addEventListener('abort', () => socket.destroy());
  socket.end(`${endpoint.secret}\n${text}\n`);
  let failure: ExecResult | undefined;
  const lines = createInterface({ input: socket });
  const lost = new Promise<Error>((resolve) => socket.on('error', resolve));
  const read = async () => {
    for await (const line of lines) {
      if (line === 'welcome') continue;
      const [kind, ...values] = JSON.parse(line);
      if (kind === 'columns') sink.columns(values.map((name: string) => ({ name, type: 'string' })));
      if (kind === 'row') await sink.rows([values]);
      if (kind === 'tag') sink.tag(values[0], values[1]);
      if (kind === 'notice') sink.notice(values[0], values[1]);
      if (kind === 'error') failure = { ok: false, code: values[0], message: values[1] };
    }
  };
  const error = await Promise.race([read(), lost]);
  if (error instanceof Error) return { ok: false, code: '08006', message: error.message };
  return failure ?? { ok: true };
}

export function connectTo({ host, port }: Endpoint): Socket {
  return host.startsWith('/') ? connect({ path: `${host}/.lines.${port}` }) : connect({ host, port });
}
