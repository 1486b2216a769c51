/** Which values are replaced, and how. Plain data: policy makes it, languages rewrite by it, the mask room applies it. */

export type MaskWith = 'redact' | 'null' | 'last4' | 'hash' | { readonly fixed: string };

/** What content detectors know. The mask room finds them; policy may name no other. */
export const DETECTORS = ['credit_card', 'us_ssn', 'email', 'iban', 'aws_key', 'private_key', 'jwt'] as const;

export type Detector = (typeof DETECTORS)[number];

export interface ColumnMask {
  readonly rule: string;
  /** `schema.relation`, unquoted names as the catalog spells them. */
  readonly relation: string;
  readonly column: string;
  readonly with: MaskWith;
}

export interface DetectorMask {
  readonly rule: string;
  /** Names of detectors the mask room knows: `credit_card`, `us_ssn`, `email`, … */
  readonly detect: readonly string[];
  readonly with: MaskWith;
  /** Refuse what cannot be scanned instead of passing it. */
  readonly strict: boolean;
}

/** The masks in force for one session under one policy. */
export interface MaskPlan {
  readonly columns: readonly ColumnMask[];
  readonly detectors: readonly DetectorMask[];
  /** The same from rules in `mode: shadow`: counted and recorded, never applied. */
  readonly shadow: { readonly columns: readonly ColumnMask[]; readonly detectors: readonly DetectorMask[] };
}

export const NO_MASK: MaskPlan = { columns: [], detectors: [], shadow: { columns: [], detectors: [] } };

/** A user function an administrator has read and vouches for, by signature and the hash of its definition. */
export interface TrustedFunction {
  readonly signature: string;
  readonly sha256: string;
}
