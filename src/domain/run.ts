/** One launch of an agent: one id joins launcher, tunnels, sessions, approvals and evidence. */
import type { AgentIdentity, Principal } from './principal.ts';
import type { TargetName } from './target.ts';

/** What the gateway holds of a tunnel's secret: enough to check it, not enough to use it. One kind per way of logging in. */
export type Verifier = ScramVerifier | BearerVerifier | SshKeyVerifier;

/** RFC 5802 / RFC 7677 (SCRAM-SHA-256). Byte fields are base64. */
export interface ScramVerifier {
  readonly kind: 'scram-sha-256';
  readonly salt: string;
  readonly iterations: number;
  readonly storedKey: string;
  readonly serverKey: string;
}

export interface BearerVerifier {
  readonly kind: 'sha-256';
  /** SHA-256 of the secret's UTF-8 bytes, hex in lower case. */
  readonly digest: string;
}

/** The public half of a key that the tunnel's secret yields. */
export interface SshKeyVerifier {
  readonly kind: 'ssh-public-key';
  /** The key in its wire form (RFC 4253, section 6.6; ed25519: RFC 8709), base64. */
  readonly key: string;
}

export type RunKind = 'run' | 'tunnel' | 'exec' | 'connect';

export type RunState = 'live' | 'suspended' | 'ended' | 'revoked';

export interface Run {
  readonly id: string;
  readonly kind: RunKind;
  readonly principal: Principal;
  readonly agent?: AgentIdentity;
  readonly purpose?: string;
  readonly targets: readonly TargetName[];
  readonly startedAt: string;
  /** Wall time at which it ends whatever happens. */
  readonly deadline: string;
  readonly state: RunState;
}
