/** What an approval is for, as one hash: change any of it and it is another question. */
import { createHash } from 'node:crypto';
import type { Command, Parameter } from '../domain/command.ts';
import type { Ask } from '../domain/verdict.ts';

/** What stays the same for a whole session, and never its own id: a retry comes on another connection. */
export interface Binding {
  readonly target: string;
  readonly protocol: string;
  readonly account: string;
  readonly principal: string;
  readonly run: string;
}

/**
 * SHA-256, hex, over a canonical form: exact bytes, parameters with types, rewritten text, session context, resolved
 * objects, the rules that asked, and the binding.
 */
export function digestOf(commands: readonly Command[], asks: readonly Ask[], binding: Binding): string {
  const form = [
    'hoopctl approval v1',
    [binding.target, binding.protocol, binding.account, binding.principal, binding.run],
    commands.map(formOf),
    asks.map((ask) => ask.rule).sort(),
  ];
  return sha256(JSON.stringify(form));
}

function formOf(command: Command): unknown {
  return [
    sha256(command.bytes),
    command.sent ?? null,
    (command.parameters ?? []).map(parameterForm),
    command.context,
    command.resources.map(({ kind, name, access }) => [kind, name, access]).sort(byText),
    [...command.effects].sort(),
  ];
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
