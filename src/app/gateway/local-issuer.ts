/** The built-in sign-in for one person on one machine: the gateway's own issuer, on a loopback port of its own. */
import type { IssuerConfig } from '../../domain/issuer.ts';
import { startIdp } from '../demo/idp.ts';

export interface LocalIssuer {
  readonly issuer: IssuerConfig;
  /** Shown on the gateway's terminal and asked for at each sign-in. */
  readonly signInCode: string;
  close(): Promise<void>;
}

/** @param user the one person's e-mail address or name. @throws OptionalPackageMissing */
export async function startLocalIssuer(user: string): Promise<LocalIssuer> {
  const idp = await startIdp({ users: [{ email: user, groups: [], subject: user }] });
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
