/** hoopctl's end of a tunnel: asks the gateway for a stream to one target of one run. Nothing that passes is parsed here. */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { errorTable, HoopError } from '../base/error.ts';
import type { Http2Link } from '../base/http2-link.ts';
import type { Token } from '../base/secret.ts';

export interface TunnelRequest {
  readonly run: string;
  readonly target: string;
  /** The run's token. */
  readonly token: Token;
}

export interface TunnelStream {
  /** Bytes may be written at once; what can be read before `admitted` resolves is the gateway's refusal, not the target. */
  readonly stream: ClientHttp2Stream;
  /** Rejects with the gateway's HoopError when it does not open the tunnel. */
  readonly admitted: Promise<void>;
}

const LONGEST_REFUSAL = 64 * 1024;

/** What a refusal may say of how a command ends: login, policy, approval, reach, revocation, limit. */
const EXITS = [3, 4, 5, 6, 7, 9] as const;

const fail = errorTable({
  TUNNEL_REFUSED: { exit: 1 },
  TUNNEL_LOST: { exit: 6 },
});

/** Connects to the gateway where needed. Throws HoopError (exit 6) when it cannot be reached. */
export async function openTunnel(link: Http2Link, request: TunnelRequest): Promise<TunnelStream> {
  const stream = await link.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: `/v1/runs/${encodeURIComponent(request.run)}/targets/${encodeURIComponent(request.target)}/stream`,
    [constants.HTTP2_HEADER_AUTHORIZATION]: `Bearer ${request.token.expose()}`,
  });
  return { stream, admitted: admission(stream) };
}

function admission(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    const lost = () => reject(fail('TUNNEL_LOST', 'the connection to the gateway was lost'));
    stream.on('error', () => undefined);
    stream.once('close', lost);
    stream.once('response', (headers) => {
      stream.off('close', lost);
      if (Number(headers[constants.HTTP2_HEADER_STATUS]) === 200) resolve();
      else readRefusal(stream, headers).then(reject);
    });
  });
}

async function readRefusal(stream: ClientHttp2Stream, headers: IncomingHttpHeaders): Promise<HoopError> {
  const status = Number(headers[constants.HTTP2_HEADER_STATUS]);
  let text = '';
  try {
    for await (const chunk of stream) {
      text += String(chunk);
      if (text.length > LONGEST_REFUSAL) break;
    }
    return refusalFrom(JSON.parse(text)) ?? unexplained(status);
  } catch {
    return unexplained(status);
  }
}

function refusalFrom(body: unknown): HoopError | undefined {
  const error = (body as { error?: Record<string, unknown> } | null)?.error;
  if (typeof error?.code !== 'string' || typeof error.message !== 'string') return undefined;
  const exit = EXITS.find((one) => one === error.exit);
  return new HoopError(error.code, error.message, {
    hint: typeof error.hint === 'string' ? error.hint : undefined,
    exit,
  });
}

function unexplained(status: number): HoopError {
  return fail('TUNNEL_REFUSED', `the gateway answered ${status}`);
}
