/**
 * Paths to values in JSON, the part of RFC 9535 that policy files use: `$`, `.name`, `['name']`, `[3]`, `.*`, `[*]` and `..` before each.
 *
 * What is left out (filters, slices, unions, negative indices) asks for a value that has not come yet when the first byte of it flows.
 */

export interface PathStep {
  /** At any depth below, rather than right below (`..`). */
  readonly deep: boolean;
  readonly to:
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'index'; readonly index: number }
    | { readonly kind: 'any' };
}

export type JsonPath =
  | { readonly ok: true; readonly steps: readonly PathStep[] }
  | { readonly ok: false; readonly message: string; readonly hint: string };

/** More than any document is worth. */
const MOST_STEPS = 32;

const SHORT_NAME = /^[\p{L}_][\p{L}\p{N}_]*/u;
const QUOTED = /^\[(?:'((?:[^'\\]|\\['\\])*)'|"((?:[^"\\]|\\["\\])*)")\]/;
const INDEX = /^\[(0|[1-9]\d{0,8})\]/;

export function parseJsonPath(text: string): JsonPath {
  if (!text.startsWith('$')) return wrong(text, 'begins with $');
  const steps: PathStep[] = [];
  let rest = text.slice(1);
  while (rest !== '') {
    const deep = rest.startsWith('..');
    // `..[*]` has its dots, `[*]` none, `.name` one.
    const dotted = deep ? 2 : rest.startsWith('.') ? 1 : 0;
    const read = stepAt(rest.slice(dotted), dotted);
    if (read === undefined) return wrong(text, `cannot be read from ${JSON.stringify(rest.slice(0, 40))} on`);
    steps.push({ deep, to: read.to });
    rest = rest.slice(dotted + read.length);
    if (steps.length > MOST_STEPS) return wrong(text, `has more than ${MOST_STEPS} steps`);
  }
  return steps.length > 0 ? { ok: true, steps } : wrong(text, 'names the whole body');
}

interface Step {
  readonly to: PathStep['to'];
  readonly length: number;
}

function stepAt(rest: string, dots: number): Step | undefined {
  if (dots > 0 && rest.startsWith('*')) return { to: { kind: 'any' }, length: 1 };
  const short = dots > 0 ? SHORT_NAME.exec(rest)?.[0] : undefined;
  if (short !== undefined) return { to: { kind: 'name', name: short }, length: short.length };
  // RFC 9535 has no `.[`.
  if (dots === 1) return undefined;
  if (rest.startsWith('[*]')) return { to: { kind: 'any' }, length: 3 };
  const index = INDEX.exec(rest);
  if (index) return { to: { kind: 'index', index: Number(index[1]) }, length: index[0].length };
  const quoted = QUOTED.exec(rest);
  if (!quoted) return undefined;
  const name = (quoted[1] ?? quoted[2] ?? '').replace(/\\(.)/g, '$1');
  return { to: { kind: 'name', name }, length: quoted[0].length };
}

function wrong(text: string, what: string): JsonPath {
  return {
    ok: false,
    message: `the JSON path ${JSON.stringify(text.slice(0, 100))} ${what}`,
    hint: "write $.customers[*].ssn, $..ssn, $['a name with spaces'], $.list[0] or $.anything.*",
  };
}
