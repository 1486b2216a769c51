/** What comes in over the API, checked once at the edge. Unknown keys are refused: a misspelt option must not be dropped in silence. */
import { z } from 'zod';
import type { DecisionRequest, ExplainRequest, RevocationRequest, RunRequest } from './shapes.ts';

const text = (most: number) => z.string().min(1).max(most);
const base64 = z.base64().max(1024);
/** 32 bytes. */
const sha256 = z.base64().length(44);
/** 32 bytes. */
const bits256 = z.base64url().length(43);
const duration = z
  .number()
  .int()
  .positive()
  .max(366 * 24 * 3_600_000);

const verifier = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('scram-sha-256'),
    salt: base64,
    // RFC 7677 asks for at least 4,096 rounds; an unbounded number would be a way to burn our time.
    iterations: z.number().int().min(4096).max(100_000),
    storedKey: sha256,
    serverKey: sha256,
  }),
  z.strictObject({ kind: z.literal('sha-256'), digest: z.string().regex(/^[0-9a-f]{64}$/) }),
  z.strictObject({ kind: z.literal('ssh-public-key'), key: base64 }),
]);

export const runRequest = z.strictObject({
  kind: z.enum(['run', 'tunnel', 'exec', 'connect']),
  agent: text(64).optional(),
  purpose: text(500).optional(),
  targets: z.array(z.strictObject({ name: text(63), verifier })).max(256),
  scope: z.record(text(64), z.array(text(128)).max(64)).optional(),
  max: duration.optional(),
  wait: z
    .number()
    .int()
    .min(0)
    .max(24 * 3_600_000)
    .optional(),
  launcherKey: bits256.optional(),
  trace: z
    .string()
    .regex(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/)
    .optional(),
});

export const endRequest = z.strictObject({ reason: text(500).optional() });

export const decisionRequest = z.strictObject({
  decision: z.enum(['approve', 'deny']),
  reason: text(1000).optional(),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  launcherProof: bits256.optional(),
});

export const approvalLoginRequest = z.strictObject({ approval: text(64) });

export const killRequest = z.strictObject({ reason: text(1000).optional() });

const revocationScope = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('user'), who: text(320) }),
  z.strictObject({ kind: z.literal('agent'), name: text(400) }),
  z.strictObject({ kind: z.literal('run'), id: text(64) }),
  z.strictObject({ kind: z.literal('session'), id: text(64) }),
  z.strictObject({ kind: z.literal('all') }),
]);

export const revocationRequest = z.strictObject({
  scope: revocationScope,
  reason: text(1000).optional(),
  until: z.iso.datetime({ offset: true }).optional(),
  dryRun: z.boolean().optional(),
});

export const liftRequest = z.strictObject({ reason: text(1000) });

export const explainRequest = z.strictObject({
  target: text(63),
  text: text(1024 * 1024),
  as: text(320).optional(),
  groups: z.array(text(256)).max(256).optional(),
  agent: text(64).optional(),
  via: z.enum(['run', 'person']).optional(),
});

type Clean<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** zod gives `undefined` for absent optional keys; our shapes leave them out. */
export function withoutUndefined<T extends object>(value: T): Clean<T> {
  return Object.fromEntries(Object.entries(value).filter(([, held]) => held !== undefined)) as Clean<T>;
}

// The schemas and the shapes the CLI is written against are held together by the compiler.
type Fits<Shape, Schema extends z.ZodType> =
  z.infer<Schema> extends { [K in keyof Shape]: Shape[K] | undefined } ? true : never;
export const SCHEMAS_FIT: {
  run: Fits<RunRequest, typeof runRequest>;
  decision: Fits<DecisionRequest, typeof decisionRequest>;
  revocation: Fits<RevocationRequest, typeof revocationRequest>;
  explain: Fits<ExplainRequest, typeof explainRequest>;
} = { run: true, decision: true, revocation: true, explain: true };
