/** What hoop.yaml and the user's own file may say. */
import * as z from 'zod';
import { byShape, fields, filled, say, word } from '../../base/schema.ts';
import { parseTargetName } from '../../domain/target.ts';
import { ENDPOINT_FORMS } from './types.ts';

const text = z.string().min(1);
const line = z.string().regex(/^\P{C}{1,500}$/u, 'must be one line of at most 500 characters');

const noToken = byShape<never>(() =>
  say('a token may not stand here in clear text', 'use tokenFile or tokenCmd, or the variable HOOPCTL_TOKEN'),
);

const connection = {
  gateway: text.exactOptional(),
  ca: text.exactOptional(),
  tokenFile: text.exactOptional(),
  tokenCmd: text.exactOptional(),
};

export const user = fields({
  ...connection,
  token: noToken.exactOptional(),
  output: word(['text', 'json']).exactOptional(),
  tokenStore: word(['keychain', 'file', 'plain']).exactOptional(),
});

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const variable = z
  .string()
  .regex(
    VARIABLE,
    say('must be the name of a variable, without a value', 'values come from the environment or --env-file'),
  );

const targetName = z
  .string()
  .refine(
    (name) => parseTargetName(name) !== undefined,
    'must be small letters, digits and "-", beginning with a letter',
  );

// HOOP_… is what hoopctl itself says to the agent, and loaders obey the other names before the agent's first line runs.
const RESERVED = /^(HOOP_|LD_|DYLD_|NODE_OPTIONS$|PATH$|HOME$)/;
const assigned = variable.refine((name) => !RESERVED.test(name), 'is not for an endpoint');

const target = byShape<{ env?: Record<string, (typeof ENDPOINT_FORMS)[number]> }>((value) =>
  value === null
    ? z.null().transform(() => ({}))
    : fields({ env: z.record(assigned, word(ENDPOINT_FORMS)).exactOptional() }),
);

export const project = fields({
  ...connection,
  // Of a folder that is not trusted it is ignored with the others; of one that is, it is refused as in the user's own file.
  token: z.unknown().exactOptional(),
  agent: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'must be letters, digits, "." "_" "-"')
    .exactOptional(),
  purpose: line.exactOptional(),
  command: filled(text).exactOptional(),
  env: z.array(variable).exactOptional(),
  targets: z.record(targetName, target).exactOptional(),
});

export type ProjectDocument = z.infer<typeof project>;
export type UserDocument = z.infer<typeof user>;
