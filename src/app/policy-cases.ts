/** The file of `policy test`: what a policy is expected to say, case by case. */
import * as z from 'zod';
import type { YamlDocument } from '../base/document.ts';
import { byShape, fields, filled, word } from '../base/schema.ts';

export interface PolicyCase {
  readonly name: string;
  readonly line: number;
  readonly target: string;
  readonly text: string;
  readonly as?: string;
  readonly groups?: readonly string[];
  /** What the token says besides, as policy's `claims:` look at it. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly agent?: string;
  readonly via?: 'run' | 'person';
  readonly expect: {
    readonly verdict: 'allow' | 'hold' | 'deny';
    /** An access entry or rule that must be among those that decided. */
    readonly rule?: string;
    /** Exactly the masked columns of the relations it touches. */
    readonly masked?: readonly string[];
  };
}

export interface Cases {
  /** Relative to the file. */
  readonly policy?: string;
  readonly gateway?: string;
  readonly cases: readonly PolicyCase[];
}

const text = z.string().min(1);

const one = fields({
  name: text,
  as: text.exactOptional(),
  groups: byShape<string[]>((value) =>
    typeof value === 'string' ? text.transform((group) => [group]) : z.array(text),
  ).exactOptional(),
  claims: z.record(text, z.unknown()).exactOptional(),
  agent: text.exactOptional(),
  via: word(['run', 'person']).exactOptional(),
  target: text,
  text,
  expect: fields({
    verdict: word(['allow', 'hold', 'deny']),
    rule: text.exactOptional(),
    masked: z.array(text).exactOptional(),
  }),
});

const head = fields({
  version: z.literal(1).exactOptional(),
  policy: text.exactOptional(),
  gateway: text.exactOptional(),
  cases: filled(z.unknown()),
});

/** undefined, with the problems noted, when something does not fit. */
export function readCases(document: YamlDocument): Cases | undefined {
  const { policy, gateway } = document.read([], head) ?? {};
  const cases = document.children(['cases']).flatMap((index) => {
    const read = document.read(['cases', index], one);
    return read === undefined ? [] : [{ ...read, line: document.lineOf(['cases', index]) }];
  });
  return cases.length === 0
    ? undefined
    : { cases, ...(policy !== undefined && { policy }), ...(gateway !== undefined && { gateway }) };
}
