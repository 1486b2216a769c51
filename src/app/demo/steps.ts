/** The demo's steps, in the order in which they are told. */

export const STEPS = [
  'idp',
  'postgres',
  'host',
  'gateway',
  'login',
  'run',
  'model',
  'masked',
  'denied',
  'held',
  'approved',
  'revoked',
  'ssh',
  'replay',
  'verify',
] as const;

export type Step = (typeof STEPS)[number];
