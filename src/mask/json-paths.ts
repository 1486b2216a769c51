/**
 * Where in a document the masked fields are, followed as its tokens come: all paths at once, as one automaton whose states are made when they are met.
 *
 * A state says how far each path has come. In a document without any of the names it is a comparison of lengths for each key.
 */
import { parseJsonPath, type PathStep } from '../domain/json-path.ts';
import type { FieldMask } from '../domain/mask.ts';
import { shown } from './scanner.ts';

export interface PathState {
  /** What is to be done with the value as a whole. */
  readonly mask: FieldMask | undefined;
  /** No path goes on below. */
  readonly dead: boolean;
  /** Behind the key in bytes [from, to). */
  name(bytes: Uint8Array, from: number, to: number): PathState;
  element(index: number): PathState;
}

/** Documents choose which states are met; further ones are made anew each time. */
const MOST_STATES = 4_096;

/** Of the masks of a plan, which serve many bodies. */
const FOLLOWED = new WeakMap<readonly FieldMask[], Followed>();

interface Followed {
  readonly root: PathState;
  /** No further states are kept. */
  full(): boolean;
}

/** @returns the state of a whole document. Paths are such that `parseJsonPath` reads them */
export function followPaths(fields: readonly FieldMask[]): PathState {
  const known = FOLLOWED.get(fields);
  // A document that met every state there is room for is not to make the next ones slow.
  if (known && !known.full()) return known.root;
  const followed = makeAutomaton(fields);
  FOLLOWED.set(fields, followed);
  return followed.root;
}

function makeAutomaton(fields: readonly FieldMask[]): Followed {
  const paths = fields.map((mask) => {
    const path = parseJsonPath(mask.path);
    if (!path.ok) throw new TypeError(path.message);
    return { mask, steps: path.steps };
  });
  const states = new Map<string, State>();

  interface Position {
    readonly path: number;
    readonly step: number;
  }

  class State implements PathState {
    readonly mask: FieldMask | undefined;
    readonly dead: boolean;
    readonly #positions: readonly Position[];
    /** Names that lead elsewhere than others, and where they do. */
    readonly #names: readonly Buffer[];
    readonly #byName: (State | undefined)[] = [];
    #otherName: State | undefined;
    readonly #indices: ReadonlySet<number>;
    readonly #byIndex = new Map<number, State>();
    #otherIndex: State | undefined;

    constructor(positions: readonly Position[]) {
      this.#positions = positions;
      const next = positions.flatMap(({ path, step }) => paths[path]!.steps[step] ?? []);
      this.dead = next.length === 0;
      this.mask = strictest(positions.flatMap(({ path, step }) => (isLast(path, step) ? paths[path]!.mask : [])));
      const names = next.flatMap(({ to }) => (to.kind === 'name' ? to.name : []));
      this.#names = [...new Set(names)].map((name) => Buffer.from(name));
      this.#indices = new Set(next.flatMap(({ to }) => (to.kind === 'index' ? to.index : [])));
    }

    name(bytes: Uint8Array, from: number, to: number): State {
      const names = this.#names;
      for (let i = 0; i < names.length; i++) {
        const name = names[i]!;
        if (name.length !== to - from || !isAt(bytes, from, name)) continue;
        const known = this.#byName[i];
        if (known) return known;
        const text = name.toString();
        const state = this.#after((step) => step.kind === 'any' || (step.kind === 'name' && step.name === text));
        if (states.size < MOST_STATES) this.#byName[i] = state;
        return state;
      }
      if (this.#otherName) return this.#otherName;
      const state = this.#after((step) => step.kind === 'any');
      if (states.size < MOST_STATES) this.#otherName = state;
      return state;
    }

    element(index: number): State {
      const named = this.#indices.size > 0 && this.#indices.has(index);
      const known = named ? this.#byIndex.get(index) : this.#otherIndex;
      if (known) return known;
      const state = this.#after((step) => step.kind === 'any' || (step.kind === 'index' && step.index === index));
      if (states.size >= MOST_STATES) return state;
      if (named) this.#byIndex.set(index, state);
      else this.#otherIndex = state;
      return state;
    }

    #after(meets: (to: PathStep['to']) => boolean): State {
      const positions: Position[] = [];
      for (const position of this.#positions) {
        const step = paths[position.path]!.steps[position.step];
        if (step?.deep) positions.push(position);
        if (step && meets(step.to)) positions.push({ path: position.path, step: position.step + 1 });
      }
      return stateOf(positions);
    }
  }

  function isLast(path: number, step: number): boolean {
    return step === paths[path]!.steps.length;
  }

  function stateOf(positions: readonly Position[]): State {
    const distinct = new Map(positions.map((position) => [`${position.path}.${position.step}`, position]));
    const key = [...distinct.keys()].sort().join();
    const known = states.get(key);
    if (known) return known;
    const state = new State([...distinct.values()]);
    if (states.size < MOST_STATES) states.set(key, state);
    return state;
  }

  return {
    root: stateOf(paths.map((_, path) => ({ path, step: 0 }))),
    full: () => states.size >= MOST_STATES,
  };
}

/** Where several masks name a field, the one that shows least. */
function strictest(masks: readonly FieldMask[]): FieldMask | undefined {
  return masks.reduce<FieldMask | undefined>(
    (held, mask) => (held === undefined || shown(mask.with) < shown(held.with) ? mask : held),
    undefined,
  );
}

function isAt(bytes: Uint8Array, from: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[from + i] !== name[i]) return false;
  return true;
}
