/**
 * A login with a certificate. The SSH library knows no certificates: it is shown one as the public half of a key that an agent holds, and the request with the
 * signature is written here, because there the signature has the plain key's type and the key has the certificate's (PROTOCOL.certkeys).
 */
import ssh2, { type Client, type ParsedKey } from 'ssh2';
import { CERTIFICATE, type Certified } from './certificate.ts';

/** @param plain any ed25519 public key: the library's own form of one is what it takes */
export function certifiedAgent(
  client: Client,
  certified: Certified,
  plain: string,
): InstanceType<typeof ssh2.BaseAgent> {
  return new CertifiedAgent(client, certified, plain);
}

class CertifiedAgent extends ssh2.BaseAgent {
  readonly #client: Client;
  readonly #certified: Certified;
  readonly #plain: string;

  constructor(client: Client, certified: Certified, plain: string) {
    super();
    this.#client = client;
    this.#certified = certified;
    this.#plain = plain;
  }

  override getIdentities(done: (error: Error | undefined, keys?: ParsedKey[]) => void): void {
    const key = ssh2.utils.parseKey(this.#plain);
    if (key instanceof Error) return done(key);
    done(undefined, [Object.assign(key, { type: CERTIFICATE, getPublicSSH: () => this.#certified.blob })]);
  }

  /** @param data the session's id as a string, and the request without its signature (RFC 4252, section 7) */
  override sign(_key: unknown, data: Buffer): void {
    const request = data.subarray(4 + data.readUInt32BE(0));
    const signature = Buffer.concat([string(Buffer.from('ssh-ed25519')), string(this.#certified.sign(data))]);
    const body = Buffer.concat([request, string(signature)]);
    const { _protocol } = this.#client as unknown as Insides;
    const { write } = _protocol._packetRW;
    const start = write.allocStart;
    const packet = write.alloc(body.length);
    packet.set(body, start);
    _protocol._authsQueue.push('publickey');
    _protocol._cipher.encrypt(write.finalize(packet));
  }
}

/** Of the library, whose version is pinned. */
interface Insides {
  readonly _protocol: {
    readonly _authsQueue: string[];
    readonly _cipher: { encrypt(packet: Buffer): void };
    readonly _packetRW: {
      readonly write: { readonly allocStart: number; alloc(length: number): Buffer; finalize(packet: Buffer): Buffer };
    };
  };
}

function string(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
