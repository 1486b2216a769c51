/** What an approval is for, as one hash: change any of it and it is another question. */
import { createHash } from 'node:crypto';
import type { Command, Parameter } from '../domain/command.ts';
import type { SessionView } from '../domain/session.ts';
import type { Ask } from '../domain/verdict.ts';

/** What stays the same for a whole session, and never its own id: a retry comes on another connection. */
export interface Binding {
  readonly target: string;
  readonly protocol: string;
  readonly account: string;
  readonly principal: string;
  readonly run: string;
}

/** A turn, what is asked about it, and the part of policy it was read by. */
export interface Question {
  readonly commands: readonly Command[];
  readonly asks: readonly Ask[];
  readonly view: SessionView;
}

/**
 * SHA-256, hex, over a canonical form: exact bytes, parameters with types, rewritten text, session context, resolved objects, the rules that asked with
 * whom and what they accept, the masks, and the binding. Not the policy's digest: a new policy that says the same is no other question.
 */
export function digestOf({ commands, asks, view }: Question, binding: Binding): string {
  const form = [
    'hoopctl approval v2',
    [binding.target, binding.protocol, binding.account, binding.principal, binding.run],
    commands.map(formOf),
    asks.map(askForm).sort(byText),
    [
      view.masks.columns,
      view.masks.detectors,
      view.trustedFunctions,
      view.grant.guarded,
      ...(view.masks.fields.length > 0 ? [view.masks.fields] : []),
    ],
  ];
  return sha256(JSON.stringify(form));
}

/** What an approval of more of a result is for: the statement, the limit it has reached, how much more, and for which time. */
export function moreDigestOf(statement: string, reached: readonly (string | number)[]): string {
  return sha256(JSON.stringify(['hoopctl more v1', statement, reached]));
}

function formOf(command: Command): unknown {
  return [
    sha256(command.bytes),
    command.sent ?? null,
    (command.parameters ?? []).map(parameterForm),
    command.context,
    command.resources.map(({ kind, name, access }) => [kind, name, access]).sort(byText),
    [...command.effects].sort(),
    command.part ?? null,
  ];
}

function askForm({ rule, approvers, self, proof, moderated }: Ask): unknown {
  return [rule, approvers, self, proof, ...(moderated ? ['moderated'] : [])];
}

function parameterForm({ type, format, value }: Parameter): unknown {
  return [type, format, value === null ? null : sha256(value)];
}

function byText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
