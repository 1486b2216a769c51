/** Operations: what an administrator wrote down beforehand. A client names one and gives its parameters; the argv is ours. */
import { EFFECTS, type Effect } from '../../domain/command.ts';
import type { Say } from './say.ts';

export interface Operation {
  readonly argv: readonly string[];
  readonly effects: ReadonlySet<Effect>;
  readonly parameters: ReadonlyMap<string, ParameterType>;
}

export type ParameterType =
  | { readonly kind: 'oneOf'; readonly values: readonly string[] }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  /** Letters, digits and `._-`, beginning with a letter or digit. */
  | { readonly kind: 'name'; readonly max: number };

export type Filled = { readonly argv: readonly string[] } | { readonly problem: string };

/** @param given `NAME=VALUE`, each parameter once and all of them */
export function fillOperation(operation: Operation, given: readonly string[]): Filled {
  const values = new Map<string, string>();
  for (const one of given) {
    const cut = one.indexOf('=');
    const name = cut < 0 ? one : one.slice(0, cut);
    const type = operation.parameters.get(name);
    if (cut < 0 || type === undefined) return { problem: `it has no parameter "${name}"${listOf(operation)}` };
    if (values.has(name)) return { problem: `the parameter "${name}" is given twice` };
    const value = one.slice(cut + 1);
    const wrong = problemOf(type, value);
    if (wrong !== undefined) return { problem: `the parameter "${name}" is ${wrong}` };
    values.set(name, value);
  }
  const missing = [...operation.parameters.keys()].find((name) => !values.has(name));
  if (missing !== undefined) return { problem: `the parameter "${missing}" is missing${listOf(operation)}` };
  return { argv: operation.argv.map((word) => word.replace(PLACEHOLDER, (_, name) => values.get(name) ?? '')) };
}

function listOf({ parameters }: Operation): string {
  return parameters.size === 0 ? '' : ` (it takes: ${[...parameters.keys()].map((name) => `${name}=…`).join(' ')})`;
}

function problemOf(type: ParameterType, value: string): string | undefined {
  switch (type.kind) {
    case 'oneOf':
      return type.values.includes(value) ? undefined : `one of ${type.values.join(', ')}`;
    case 'integer': {
      const number = /^-?(0|[1-9]\d{0,14})$/.test(value) ? Number(value) : Number.NaN;
      return number >= type.min && number <= type.max ? undefined : `a number from ${type.min} to ${type.max}`;
    }
    case 'name':
      return value.length <= type.max && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value)
        ? undefined
        : `a name: letters, digits, ".", "_" and "-", at most ${type.max}`;
  }
}

const PLACEHOLDER = /\{([a-z][A-Za-z0-9_]*)\}/g;
const HINT =
  'write it as { argv: [systemctl, restart, "web@{instance}"], effects: [administer], parameters: { instance: { oneOf: [blue, green] } } }';

export function readOperations(raw: unknown, say: Say): ReadonlyMap<string, Operation> {
  const read = new Map<string, Operation>();
  if (raw === undefined) return read;
  if (!isFields(raw)) {
    say(['operations'], 'operations are written by their names', `each: ${HINT}`);
    return read;
  }
  for (const [name, value] of Object.entries(raw)) {
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(name))
      say(['operations', name], `"${name}" is no name for an operation`, 'use small letters, digits and "-"');
    const operation = readOperation(value, ['operations', name], say);
    if (operation !== undefined) read.set(name, operation);
  }
  return read;
}

function readOperation(raw: unknown, path: readonly string[], say: Say): Operation | undefined {
  if (!isFields(raw)) return say(path, 'an operation has an argv', HINT);
  const { argv, effects, parameters, ...rest } = raw;
  for (const key of Object.keys(rest)) say([...path, key], `an operation has no "${key}"`, HINT);
  if (!Array.isArray(argv) || argv.length === 0 || !argv.every((one) => typeof one === 'string' && !one.includes('\0')))
    return say([...path, 'argv'], 'argv is a list of words, the program first', HINT);
  if (String(argv[0]).match(PLACEHOLDER)) say([...path, 'argv'], 'the program itself is no parameter', HINT);
  if (
    !Array.isArray(effects) ||
    effects.length === 0 ||
    !effects.every((one) => (EFFECTS as readonly unknown[]).includes(one))
  )
    return say([...path, 'effects'], `effects is a list of ${EFFECTS.join(', ')}`, HINT);
  const types = readParameters(parameters, [...path, 'parameters'], say);
  for (const [, name] of argv.join('\n').matchAll(PLACEHOLDER))
    if (!types.has(name as string)) say([...path, 'argv'], `{${name}} is no parameter of it`, HINT);
  return { argv: argv as string[], effects: new Set(effects as Effect[]), parameters: types };
}

const TYPE_HINT = 'write it as { oneOf: [a, b] }, { integer: { min: 1, max: 9 } } or { name: { max: 32 } }';

function readParameters(raw: unknown, path: readonly string[], say: Say): Map<string, ParameterType> {
  const types = new Map<string, ParameterType>();
  if (raw === undefined) return types;
  if (!isFields(raw)) say(path, 'parameters are written by their names', TYPE_HINT);
  for (const [name, value] of Object.entries(isFields(raw) ? raw : {})) {
    const type = isFields(value) ? parameterType(value) : undefined;
    if (!/^[a-z][A-Za-z0-9_]*$/.test(name) || type === undefined)
      say([...path, name], `the parameter "${name}" has no type that is known`, TYPE_HINT);
    else types.set(name, type);
  }
  return types;
}

function parameterType(raw: Record<string, unknown>): ParameterType | undefined {
  const [[kind, value] = [], other] = Object.entries(raw);
  if (other !== undefined) return undefined;
  if (kind === 'oneOf' && Array.isArray(value) && value.length > 0 && value.every(isSafeWord))
    return { kind, values: value as string[] };
  if (!isFields(value)) return undefined;
  const { min = 0, max } = value;
  if (typeof min !== 'number' || typeof max !== 'number' || !Number.isSafeInteger(max) || max < min) return undefined;
  if (kind === 'integer') return { kind, min, max };
  return kind === 'name' && max > 0 ? { kind, max } : undefined;
}

function isSafeWord(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !/[\0-\x1f]/.test(value);
}

function isFields(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}
