/** A witness as c2sp.org/tlog-witness describes one. Reads notes and signs by its own few lines; only the proof is checked with the code under test. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { provesConsistency } from '../../src/record/log/merkle.ts';

export interface FakeWitness {
  readonly url: string;
  readonly name: string;
  /** As a log is configured with it. */
  readonly key: string;
  /** Takes checkpoints of this log, signed with this key (PEM). */
  trust(origin: string, pem: string): void;
  /** What it signed last of each log. */
  readonly logs: Map<string, { size: number; root: Buffer }>;
  /** Statuses answered, oldest first. */
  readonly answered: number[];
  /** Answers this status instead, until it is undefined again. */
  refuse: number | undefined;
  close(): Promise<void>;
}

export async function startWitness(name = 'witness.example/w1'): Promise<FakeWitness> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.concat([Buffer.from([4]), Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')]);
  const id = createHash('sha256').update(`${name}\n`).update(raw).digest().subarray(0, 4);
  const logs: FakeWitness['logs'] = new Map();
  const answered: number[] = [];
  const trusted = new Map<string, KeyObject>();

  function answer(body: string): { status: number; text: string } {
    if (witness.refuse !== undefined) return { status: witness.refuse, text: '' };
    const [request = '', ...rest] = body.split('\n\n');
    const note = rest.join('\n\n');
    const [first = '', ...proof] = request.split('\n');
    const old = Number(/^old (\d+)$/.exec(first)?.[1]);
    const [origin = '', digits = '', root = '', ...none] = note.slice(0, note.indexOf('\n\n')).split('\n');
    if (!Number.isInteger(old) || none.length > 0) return { status: 400, text: '' };
    const size = Number(digits);
    const text = `${origin}\n${digits}\n${root}\n`;
    const key = trusted.get(origin);
    if (!key) return { status: 404, text: '' };
    const [, encoded = ''] = /\n— \S+ (\S+)\n$/.exec(note) ?? [];
    if (!verify(null, Buffer.from(text), key, Buffer.from(encoded, 'base64').subarray(4)))
      return { status: 403, text: '' };
    if (old > size) return { status: 400, text: '' };
    const known = logs.get(origin) ?? { size: 0, root: Buffer.alloc(0) };
    const bytes = Buffer.from(root, 'base64');
    if (known.size !== old || (known.size === size && !known.root.equals(bytes)))
      return { status: 409, text: `${known.size}\n` };
    const hashes = proof.map((line) => Buffer.from(line, 'base64'));
    if (old > 0 && !provesConsistency(old, known.root, size, bytes, hashes)) return { status: 422, text: '' };
    logs.set(origin, { size, root: bytes });
    const seconds = Math.floor(Date.now() / 1000);
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(seconds));
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`), privateKey);
    return { status: 200, text: `— ${name} ${Buffer.concat([id, time, signature]).toString('base64')}\n` };
  }

  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const isAsked = request.method === 'POST' && request.url === '/add-checkpoint';
    const { status, text } = isAsked ? answer(Buffer.concat(parts).toString('utf8')) : { status: 404, text: '' };
    answered.push(status);
    response.writeHead(status, status === 409 ? { 'content-type': 'text/x.tlog.size' } : {}).end(text);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const witness: FakeWitness = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    name,
    key: `${name}+${id.toString('hex')}+${raw.toString('base64')}`,
    logs,
    answered,
    refuse: undefined,
    trust: (origin, pem) => void trusted.set(origin, createPublicKey(pem)),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return witness;
}
