/** Reads what commander parsed, by declared name. */
import { parseDuration } from '../base/duration.ts';
import type { Arguments, CommandForm, Options } from './command.ts';
import { fail } from './errors.ts';

type Parsed = Readonly<Record<string, unknown>>;

export function optionsOf(form: CommandForm, parsed: Parsed): Options {
  const declared = new Map((form.options ?? []).map((option) => [longName(option.flags), option]));
  const get = (name: string): unknown => {
    if (!declared.has(name)) throw new Error(`${form.name} declares no option "${name}"`);
    return parsed[camelCase(name)];
  };
  const text = (name: string) => {
    const value = get(name);
    return typeof value === 'string' ? value : undefined;
  };
  return {
    has: (name) => get(name) !== undefined && get(name) !== false,
    text,
    list(name) {
      const value = get(name);
      return Array.isArray(value) ? value : [];
    },
    duration(name) {
      const value = text(name);
      if (value === undefined) return undefined;
      const ms = parseDuration(value);
      if (ms === undefined)
        throw fail('USAGE', `--${name} "${value}" is not a duration`, { hint: 'write it as 90s, 15m, 8h or 1h30m' });
      return ms;
    },
    integer(name) {
      const value = text(name);
      if (value === undefined) return undefined;
      if (!/^\d{1,15}$/.test(value))
        throw fail('USAGE', `--${name} "${value}" is not a whole number`, { hint: `give digits: --${name} 10` });
      return Number(value);
    },
  };
}

/**
 * @param values commander's processed arguments: strings, and one array where the last takes all that is left
 * @param typed the command line after the command's name, as typed
 */
export function argumentsOf(form: CommandForm, values: readonly unknown[], typed: readonly string[]): Arguments {
  const byName = new Map((form.arguments ?? []).map(({ name }, index) => [name, values[index]]));
  const get = (name: string): unknown => {
    if (!byName.has(name)) throw new Error(`${form.name} declares no argument "${name}"`);
    return byName.get(name);
  };
  const optional = (name: string) => {
    const value = get(name);
    return typeof value === 'string' ? value : undefined;
  };
  return {
    one(name) {
      const value = optional(name);
      if (value === undefined) throw new Error(`argument "${name}" is not required, or takes many`);
      return value;
    },
    optional,
    many(name) {
      const value = get(name);
      return Array.isArray(value) ? value : [];
    },
    afterDashes: afterDashes(
      form,
      values.flat().filter((value) => typeof value === 'string'),
      typed,
    ),
  };
}

// commander drops the `--`, and it matters: `run -- CMD` starts a program, `run SCRIPT -- x` hands `-- x` to the script.
function afterDashes(
  form: CommandForm,
  operands: readonly string[],
  typed: readonly string[],
): readonly string[] | undefined {
  const at = typed.indexOf('--');
  if (at < 0) return undefined;
  const after = typed.slice(at + 1);
  if (form.passThrough && operands.length !== after.length) return undefined;
  return after;
}

/** `-e, --env-file <file>` → `env-file`; `--no-header` → `header`, as commander stores it. */
function longName(flags: string): string {
  const long = /--([a-z][a-z0-9-]*)/.exec(flags)?.[1];
  if (long === undefined) {
    const short = /-([a-z])/.exec(flags)?.[1];
    if (short === undefined) throw new Error(`"${flags}" names no option`);
    return short;
  }
  return long.replace(/^no-/, '');
}

function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
