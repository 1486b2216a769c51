/**
 * The gateway's end towards the client: an SSH server with the target's host key of ours, for one connection. Only the run's key opens it, and only by a
 * signature made with it; what a user name says means nothing.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection } from 'ssh2';
import type { PendingSession } from '../../domain/session.ts';
import { ALGORITHMS } from './algorithms.ts';
import type { Pipe } from '../duplex.ts';
import type { SshKey } from './keys.ts';

const { Server, utils } = ssh2;

export interface Entrance {
  readonly connection: Connection;
  /** What the client calls its program, for people. */
  readonly client: string;
}

export interface EntranceParts {
  readonly pipe: Pipe;
  readonly hostKey: SshKey;
  readonly pending: Pick<PendingSession, 'verifier' | 'signal'>;
  /** Called before the login begins: what the client asks for right after it is not missed. */
  prepare(connection: Connection): void;
}

/** Tries of one connection, after which it is closed. OpenSSH offers each key it has. */
const MOST_TRIES = 10;
const MOST_REKEYS = 10_000;

/** @returns undefined where the client did not get in */
export function enter({ pipe, hostKey, pending, prepare }: EntranceParts): Promise<Entrance | undefined> {
  return new Promise((resolve) => {
    const server = new Server({
      hostKeys: [hostKey.privateOpenSsh],
      ident: 'hoopctl',
      algorithms: { ...ALGORITHMS, serverHostKey: ['ssh-ed25519'] },
      keepaliveInterval: 15_000,
      keepaliveCountMax: 3,
    });
    server.on('connection', (connection, info) => {
      let tries = 0;
      let rekeys = 0;
      // Whatever a peer sends is no reason to throw: the library closes the connection after it says so.
      connection.on('error', () => resolve(undefined));
      connection.on('close', () => resolve(undefined));
      connection.on('rekey', () => {
        if (++rekeys > MOST_REKEYS) pipe.destroy();
      });
      connection.on('authentication', (context) => {
        if (++tries > MOST_TRIES || pending.signal.aborted) return void pipe.destroy();
        if (isKeyOf(context, pending)) context.accept();
        else context.reject(['publickey']);
      });
      connection.once('ready', () => resolve({ connection, client: wordsOf(info.header.versions.software) }));
      prepare(connection);
    });
    pipe.once('close', () => resolve(undefined));
    pending.signal.addEventListener('abort', () => resolve(undefined), { once: true });
    server.injectSocket(pipe as unknown as Socket);
  });
}

/** A question about a key is answered yes without a proof; only a signature over this very session with this very key is one. */
function isKeyOf(context: AuthContext, { verifier }: Pick<PendingSession, 'verifier'>): boolean {
  if (context.method !== 'publickey' || verifier.kind !== 'ssh-public-key') return false;
  const known = Buffer.from(verifier.key, 'base64');
  const { key, signature, blob } = context;
  if (key.algo !== 'ssh-ed25519' || key.data.length !== known.length || !timingSafeEqual(key.data, known)) return false;
  if (signature === undefined) return true;
  const parsed = utils.parseKey(key.data);
  if (parsed instanceof Error || blob === undefined) return false;
  return parsed.verify(blob, signature, context.hashAlgo) === true;
}

function wordsOf(text: unknown): string {
  return String(text)
    .replace(/[^\x21-\x7e]/g, '')
    .slice(0, 100);
}
