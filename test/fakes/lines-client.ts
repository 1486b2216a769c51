/** The client side of a protocol made up for tests: a line with the secret, then lines both ways. `execute` asks `text` and reads rows as JSON lines. */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
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
  let rest = '';
  try {
    for await (const chunk of socket) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      const batch: (string | null)[][] = [];
      for (const line of lines) {
        if (line === 'welcome') continue;
        const [kind, ...values] = JSON.parse(line);
        if (kind === 'row') batch.push(values);
        else if (batch.length > 0) await sink.rows(batch.splice(0));
        if (kind === 'columns') sink.columns(values.map((name: string) => ({ name, type: 'string' })));
        if (kind === 'tag') sink.tag(values[0], values[1]);
        if (kind === 'notice') sink.notice(values[0], values[1]);
        if (kind === 'error') failure = { ok: false, code: values[0], message: values[1] };
      }
      if (batch.length > 0) await sink.rows(batch);
    }
  } catch (error) {
    return { ok: false, code: '08006', message: String(error) };
  }
  return failure ?? { ok: true };
}

export function connectTo({ host, port }: Endpoint): Socket {
  return host.startsWith('/') ? connect({ path: `${host}/.lines.${port}` }) : connect({ host, port });
}
