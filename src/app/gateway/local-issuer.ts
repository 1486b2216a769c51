/** The built-in sign-in for one person on one machine: the gateway's own issuer, on a loopback port of its own. */
import type { IssuerConfig } from '../../domain/issuer.ts';
import { startIdp } from '../issuer/index.ts';

export interface LocalIssuer {
  readonly issuer: IssuerConfig;
  /** Shown on the gateway's terminal and asked for at each sign-in. */
  readonly signInCode: string;
  close(): Promise<void>;
}

export interface LocalIssuerOptions {
  /** The one person's e-mail address or name. */
  readonly user: string;
  /** Always the same, since it is part of the issuer's name, and with it of everyone's identity; 0 for any free one. */
  readonly port: number;
  /** Holds the key that signs tokens, so that they outlive a restart. */
  readonly keyFile: string;
  /** Holds what logins are renewed by, sealed with that key. */
  readonly stateFile: string;
}

/** @throws OptionalPackageMissing */
export async function startLocalIssuer({ user, port, ...files }: LocalIssuerOptions): Promise<LocalIssuer> {
  const idp = await startIdp({ users: [{ email: user, groups: [], subject: user }], port, ...files });
  return {
    issuer: {
      issuer: idp.issuer,
      audience: idp.audience,
      clientId: idp.clientId,
      scopes: ['openid', 'offline_access'],
      use: 'accessToken',
    },
    signInCode: idp.signInCode,
    close: () => idp.close(),
  };
}
