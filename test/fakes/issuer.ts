/**
 * An issuer whose every answer the test decides: its keys, its documents, its troubles. For tokens that no honest provider would make.
 *
 * `fetch` is the issuer's whole network: no socket is opened, and what was asked for is counted.
 */
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose';

export interface FakeIssuer {
  readonly issuer: string;
  /** What the key set holds now. */
  readonly keys: JWK[];
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  readonly fetch: typeof globalThis.fetch;
  /** Replaces the answer to a path; `undefined` lets the issuer answer again. */
  answer(path: string, response: (() => Response) | undefined): void;
  /** Adds a key to the set. */
  addKey(kid: string, alg?: string): Promise<void>;
  /** Signs with the key of that name, or with a key of the test's own. */
  token(
    claims: Record<string, unknown>,
    header?: Partial<JWTHeaderParameters>,
    key?: CryptoKey | Uint8Array,
  ): Promise<string>;
}

export const DISCOVERY = '/.well-known/openid-configuration';
export const JWKS = '/jwks';

export async function startFakeIssuer(issuer = 'https://idp.example'): Promise<FakeIssuer> {
  const privateKeys = new Map<string, CryptoKey>();
  const keys: JWK[] = [];
  const asked: string[] = [];
  const answers = new Map<string, () => Response>();
  const fake: FakeIssuer = {
    issuer,
    keys,
    asked,
    async fetch(input) {
      const url = new URL(input instanceof Request ? input.url : input);
      asked.push(url.origin === new URL(issuer).origin ? url.pathname : url.href);
      const own = answers.get(url.pathname);
      if (own) return own();
      if (url.pathname === DISCOVERY) return Response.json({ issuer, jwks_uri: new URL(JWKS, issuer).href });
      if (url.pathname === JWKS) return Response.json({ keys });
      return new Response('', { status: 404 });
    },
    answer(path, response) {
      if (response) answers.set(path, response);
      else answers.delete(path);
    },
    async addKey(kid, alg = 'ES256') {
      const pair = await generateKeyPair(alg, { extractable: true });
      privateKeys.set(kid, pair.privateKey);
      keys.push({ ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' });
    },
    async token(claims, header = {}, key) {
      const kid = header.kid ?? 'k1';
      const signer = key ?? privateKeys.get(kid);
      if (!signer) throw new Error(`no private key ${kid}`);
      return await new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid, ...header })
        .sign(signer, { crit: Object.fromEntries((header.crit ?? []).map((name) => [name, true])) });
    },
  };
  await fake.addKey('k1');
  return fake;
}
