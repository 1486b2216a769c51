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

/** Which way a body goes: from the target to the client, from the client to the target, or either. Only where a protocol has bodies. */
export type MaskDirection = 'response' | 'request' | 'both';

/** A value in JSON bodies, by where it stands. */
export interface FieldMask {
  readonly rule: string;
  /** As `parseJsonPath` reads it: `$.customers[*].ssn`, `$..ssn`. */
  readonly path: string;
  readonly with: MaskWith;
  readonly direction: MaskDirection;
}

export interface DetectorMask {
  readonly rule: string;
  /** Names of detectors the mask room knows: `credit_card`, `us_ssn`, `email`, … */
  readonly detect: readonly string[];
  readonly with: MaskWith;
  /** Refuse what cannot be scanned instead of passing it. */
  readonly strict: boolean;
  /** Absent: `response`. */
  readonly direction?: MaskDirection;
}

/** The masks in force for one session under one policy. */
export interface MaskPlan {
  readonly columns: readonly ColumnMask[];
  readonly detectors: readonly DetectorMask[];
  readonly fields: readonly FieldMask[];
  /** The same from rules in `mode: shadow`: counted and recorded, never applied. */
  readonly shadow: {
    readonly columns: readonly ColumnMask[];
    readonly detectors: readonly DetectorMask[];
    readonly fields: readonly FieldMask[];
  };
}

export const NO_MASK: MaskPlan = {
  columns: [],
  detectors: [],
  fields: [],
  shadow: { columns: [], detectors: [], fields: [] },
};

/** A user function an administrator has read and vouches for, by signature and the hash of its definition. */
export interface TrustedFunction {
  readonly signature: string;
  readonly sha256: string;
}
