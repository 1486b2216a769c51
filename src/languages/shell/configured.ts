/** Programs that configuration adds to the table. */
import * as z from 'zod';
import { byShape, type ExplainedIssue, explainIssue, fields, filled, given, say, word } from '../../base/schema.ts';
import { EFFECTS } from '../../domain/command.ts';
import { namesIn } from './options.ts';
import type { Plain, ProgramTable } from './program.ts';
import { findProgram } from './programs/index.ts';

export type ConfiguredPrograms =
  | { readonly ok: true; readonly table: ProgramTable }
  | { readonly ok: false; readonly problems: readonly ExplainedIssue[] };

/** Checks `programs: { NAME: { effects, options, stdin } }`; a name is that of a program, or an absolute path. */
export function readPrograms(raw: unknown): ConfiguredPrograms {
  const result = schema.safeParse(raw ?? {});
  if (!result.success)
    return {
      ok: false,
      problems: result.error.issues.flatMap((issue) => explainIssue(issue, (path) => valueAt(raw, path))),
    };
  return { ok: true, table: new Map(Object.entries(result.data).map(([name, entry]) => [name, planOf(entry)])) };
}

const effects = filled(word(EFFECTS));

const options = byShape<'any' | readonly string[]>((value) => {
  if (value === 'any') return given('any' as const);
  return Array.isArray(value) ? z.array(option) : say('must be any, or a list of options', 'such as [-v, --file=]');
});

const option = byShape<string>((value) =>
  typeof value === 'string' && /^(?:-\w|-NUM|--[\w-]+)(?:=|\[=\])?$/.test(value) && namesIn(value) !== undefined
    ? given(value)
    : say(
        'must be one option',
        'write -v, -n= where it takes a value, --name, --name=, or --name[=] where the value may be left out',
      ),
);

const entry = fields({ effects, options: options.optional(), stdin: word(['none', 'data', 'commands']).optional() });

const NAME = /^(?:[\w.+@-]+|(?:\/[\w.+@-]+)+)$/;

const schema = z.record(z.string(), entry).superRefine((programs, ctx) => {
  for (const name of Object.keys(programs)) {
    const known = findProgram(name);
    const problem = !NAME.test(name)
      ? say('is not the name of a program', 'write its name, or its whole path')
      : known !== undefined && known.kind !== 'opaque'
        ? say(
            'is in the table already',
            'what a program of the table does cannot be changed; give your own program another name or its whole path',
          )
        : undefined;
    if (problem !== undefined)
      ctx.addIssue({ code: 'custom', message: problem, path: [name], params: { about: 'key' } });
  }
});

type Entry = z.infer<typeof entry>;

function planOf({ effects: does, options: known, stdin = 'none' }: Entry): Plain {
  const listed = known === 'any' || known === undefined ? '' : known.join(' ');
  return { kind: 'plain', does, options: listed, anyOption: known === 'any', stdin };
}

function valueAt(raw: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((held, step) => (held as Record<string | number, unknown> | undefined)?.[step], raw);
}
