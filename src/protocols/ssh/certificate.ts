/**
 * OpenSSH user certificates (PROTOCOL.certkeys): a key made for one login, vouched for by the gateway's authority for a few minutes, one account, and where it
 * can be told one command, which the target's sshd then runs in place of whatever is asked for.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface Certified {
  /** The certificate in wire form: what is shown as the public key. */
  readonly blob: Buffer;
  sign(data: Buffer): Buffer;
}

export interface CertificateWish {
  /** The authority's ed25519 key. */
  readonly authority: Authority;
  readonly principals: readonly string[];
  /** What sshd logs: whose login it is. */
  readonly id: string;
  /** Epoch ms. */
  readonly from: number;
  readonly until: number;
  /** Runs whatever is asked for. */
  readonly forceCommand?: string | undefined;
  readonly permits: readonly Permission[];
}

export type Permission = 'permit-port-forwarding' | 'permit-pty';

export interface Authority {
  readonly publicBlob: Buffer;
  sign(data: Buffer): Buffer;
}

export const CERTIFICATE = 'ssh-ed25519-cert-v01@openssh.com';
const ED25519 = 'ssh-ed25519';
const USER = 1;

export function certify(wish: CertificateWish): Certified {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { authority, forceCommand } = wish;
  const options = forceCommand === undefined ? [] : [string('force-command'), string(string(forceCommand))];
  const signed = Buffer.concat([
    ...[string(CERTIFICATE), string(randomBytes(32)), string(rawPublic(publicKey))],
    ...[uint64(randomBytes(8).readBigUInt64BE()), uint32(USER), string(wish.id)],
    string(Buffer.concat(wish.principals.map(string))),
    ...[uint64(seconds(wish.from)), uint64(seconds(wish.until))],
    string(Buffer.concat(options)),
    // In the order of their names, without values.
    string(Buffer.concat([...wish.permits].sort().flatMap((name) => [string(name), string('')]))),
    ...[string(''), string(authority.publicBlob)],
  ]);
  const signature = Buffer.concat([string(ED25519), string(authority.sign(signed))]);
  return {
    blob: Buffer.concat([signed, string(signature)]),
    sign: (data) => sign(null, data, privateKey),
  };
}

function rawPublic(key: KeyObject): Buffer {
  const { x } = key.export({ format: 'jwk' });
  return Buffer.from(x as string, 'base64url');
}

function string(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

function seconds(ms: number): bigint {
  return BigInt(Math.floor(ms / 1000));
}
