/** What a method says that a request does (RFC 9110, 9.3; RFC 5789). Of any other nothing is known, however harmless it is called. */
import type { Effect } from '../../domain/command.ts';

const READ: ReadonlySet<Effect> = new Set(['read']);
const WRITE: ReadonlySet<Effect> = new Set(['write']);
const DELETE: ReadonlySet<Effect> = new Set(['delete']);

export const METHOD_EFFECTS: ReadonlyMap<string, ReadonlySet<Effect>> = new Map([
  ['GET', READ],
  ['HEAD', READ],
  ['OPTIONS', READ],
  ['POST', WRITE],
  ['PUT', WRITE],
  ['PATCH', WRITE],
  ['DELETE', DELETE],
]);
