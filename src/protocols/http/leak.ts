/**
 * Finds a credential in what a target says, in whatever spelling: as it is, percent-encoded, escaped for JSON, JavaScript or HTML (any mixture of escaped and
 * plain characters), in base64 at each of its three alignments, in hex, in UTF-16; cut by chunks wherever.
 *
 * All spellings are one nondeterministic automaton; its deterministic form is made as far as the input needs it (as RE2 does), so that a byte costs one
 * look into a table whatever is searched for. Where nothing has begun, most bytes are not even looked at (as in Wu and Manber's search for many words): every
 * spelling has several bytes, so one of few triples of neighbours is seen in it by whoever looks at every sixth place.
 */
import { type Needle, needlesOf, type Spelling } from './leak-spellings.ts';

export interface LeakSearch {
  /** The next bytes of a stream. @returns whether a credential has been seen in it, now or before */
  push(chunk: Uint8Array): boolean;
  /** How many of the last bytes pushed may be the beginning of a credential that goes on in the next chunk. */
  unfinished(): number;
  /** How many characters of a credential that may be, however long their spelling. */
  begun(): number;
  /** A text of its own: a header's value, a trailer, an error. Does not touch the stream. */
  text(text: string): boolean;
}

/** What to look for, ready for many streams. */
export interface Leaks {
  search(): LeakSearch;
}

/** A shorter one would be found by chance in ordinary data. */
export const SHORTEST_SEARCHED = 8;

export function createLeakSearch(secrets: readonly string[]): LeakSearch {
  return prepareLeaks(secrets).search();
}

/** The same secrets are prepared once, whoever asks. */
export function prepareLeaks(secrets: readonly string[]): Leaks {
  const searched = [...new Set(secrets)].filter((secret) => Buffer.byteLength(secret) >= SHORTEST_SEARCHED);
  if (searched.length === 0) return { search: () => NOTHING };
  const key = JSON.stringify(searched);
  const automaton = PREPARED.get(key) ?? createAutomaton(searched.flatMap(needlesOf));
  PREPARED.delete(key);
  PREPARED.set(key, automaton);
  const [oldest] = PREPARED.keys();
  if (PREPARED.size > MOST_PREPARED && oldest !== undefined) PREPARED.delete(oldest);
  return { search: () => searchWith(automaton) };
}

const PREPARED = new Map<string, Automaton>();
/** About 150 KiB each. */
const MOST_PREPARED = 100;

/** Several searches as one. */
export function bothOf(one: LeakSearch, other: LeakSearch): LeakSearch {
  if (other === NOTHING) return one;
  return {
    push(chunk) {
      const found = one.push(chunk);
      return other.push(chunk) || found;
    },
    unfinished: () => Math.max(one.unfinished(), other.unfinished()),
    begun: () => Math.max(one.begun(), other.begun()),
    text: (text) => one.text(text) || other.text(text),
  };
}

const NOTHING: LeakSearch = { push: () => false, unfinished: () => 0, begun: () => 0, text: () => false };

function searchWith(automaton: Automaton): LeakSearch {
  // Held as a set of positions between chunks: the table may be made anew by another stream.
  let at = automaton.begin;
  let seen = 0;
  return {
    push(chunk) {
      at = automaton.run(at, chunk);
      seen += chunk.length;
      return at === HIT;
    },
    unfinished: () => (at === HIT ? 0 : Math.min(seen, automaton.depth(at))),
    begun: () => (at === HIT ? 0 : automaton.begun(at)),
    text: (text) =>
      automaton.run(automaton.begin, Buffer.from(text)) === HIT ||
      (NOT_ASCII.test(text) && automaton.run(automaton.begin, Buffer.from(text, 'latin1')) === HIT),
  };
}

/** Header values arrive as latin1: a credential in UTF-8 shows as other characters there. */
const NOT_ASCII = /[^\0-\x7f]/;

/** Positions in the spellings that what was read so far may have reached, sorted. */
interface Place {
  readonly key: string;
  readonly nodes: readonly number[];
}

const HIT: Place = { key: 'hit', nodes: [] };

interface Automaton {
  readonly begin: Place;
  run(from: Place, bytes: Uint8Array): Place;
  /** Bytes of the longest beginning that ends here. */
  depth(place: Place): number;
  /** Characters of it. */
  begun(place: Place): number;
}

/** Rows of the table: half a KiB each. What is in ordinary answers needs a few dozen. */
const MOST_STATES = 2_048;
const UNKNOWN = -1;
const HIT_STATE = 0;
const BEGIN_STATE = 1;

function createAutomaton(needles: readonly Needle[]): Automaton {
  const graph = buildGraph(needles);
  const { first, edges, depths, begun, accepting } = graph;
  const start = depths.length;
  const triples = triplesIn(graph);
  /** From where nothing has begun, to the last triple that the shortest spelling has if it begins there. */
  const leap = shortestIn(graph) - 3;
  const begin: Place = { key: '', nodes: [] };
  let table = new Int16Array(64 * 256);
  let states = new Map<string, number>();
  let places: Place[] = [];

  function reset(): void {
    states = new Map();
    places = [];
    stateOf(HIT);
    table.fill(HIT_STATE, 0, 256);
    stateOf(begin);
  }

  function stateOf(place: Place): number {
    const known = states.get(place.key);
    if (known !== undefined) return known;
    const state = places.length;
    if ((state + 1) * 256 > table.length) {
      const larger = new Int16Array(table.length * 2);
      larger.set(table);
      table = larger;
    }
    table.fill(UNKNOWN, state * 256, state * 256 + 256);
    states.set(place.key, state);
    places.push(place);
    return state;
  }

  function step(from: Place, byte: number): Place {
    const reached = new Set<number>();
    const follow = (node: number) => {
      for (let at = first[node]!; at < first[node + 1]!; at++)
        if ((edges[at]! & 0xff) === byte) reached.add(edges[at]! >>> 8);
    };
    follow(start);
    for (const node of from.nodes) follow(node);
    if (reached.size === 0) return begin;
    for (const node of reached) if (accepting.has(node)) return HIT;
    const sorted = [...reached].sort((a, b) => a - b);
    return { key: sorted.join(), nodes: sorted };
  }

  function grow(state: number, byte: number): number {
    const from = places[state]!;
    const place = step(from, byte);
    if (places.length >= MOST_STATES && !states.has(place.key)) {
      reset();
      return stateOf(place);
    }
    const next = stateOf(place);
    table[state * 256 + byte] = next;
    return next;
  }

  reset();
  return {
    begin,
    run(from, bytes) {
      let state = stateOf(from);
      let rows = table;
      const { length } = bytes;
      /** Up to here there is no leaping: a triple was seen. */
      let close = 0;
      for (let at = 0; at < length; at++) {
        if (state === BEGIN_STATE && at >= close) {
          // Nearly always: no spelling has these three, so whatever there is begins behind the first of them.
          let triple = at + leap;
          while (triple + 2 < length) {
            const place = placeOf(bytes[triple]!, bytes[triple + 1]!, bytes[triple + 2]!);
            if ((triples[place >>> 3]! & (1 << (place & 7))) !== 0) break;
            triple += leap + 1;
          }
          at = triple - leap;
          close = triple + 1;
          if (at >= length) break;
        }
        const next = rows[(state << 8) | bytes[at]!]!;
        if (next >= 0) {
          state = next;
        } else {
          state = grow(state, bytes[at]!);
          rows = table;
        }
      }
      return places[state]!;
    },
    depth: ({ nodes: reached }) => reached.reduce((most, node) => Math.max(most, depths[node]!), 0),
    begun: ({ nodes: reached }) => reached.reduce((most, node) => Math.max(most, begun[node]!), 0),
  };
}

const PLACES = 1 << 16;

/** Where the bit for three bytes is. Others may share it. */
function placeOf(one: number, two: number, three: number): number {
  return ((one << 10) ^ (two << 5) ^ three) & (PLACES - 1);
}

/** All three that stand next to each other in some spelling. */
function triplesIn({ first, edges }: Graph): Uint8Array {
  const triples = new Uint8Array(PLACES >> 3);
  for (let at = 0; at < edges.length; at++) {
    const [one, node] = [edges[at]! & 0xff, edges[at]! >>> 8];
    for (let then = first[node]!; then < first[node + 1]!; then++) {
      const [two, last] = [edges[then]! & 0xff, edges[then]! >>> 8];
      for (let end = first[last]!; end < first[last + 1]!; end++) {
        const place = placeOf(one, two, edges[end]! & 0xff);
        triples[place >>> 3]! |= 1 << (place & 7);
      }
    }
  }
  return triples;
}

/** Bytes of the shortest spelling. */
function shortestIn({ first, edges, depths, accepting }: Graph): number {
  const seen = new Set<number>();
  let reached: readonly number[] = [depths.length];
  for (let bytes = 1; reached.length > 0; bytes++) {
    const next = new Set<number>();
    for (const node of reached)
      for (let at = first[node]!; at < first[node + 1]!; at++) {
        const to = edges[at]! >>> 8;
        if (accepting.has(to)) return bytes;
        if (!seen.has(to)) next.add(to);
      }
    for (const node of next) seen.add(node);
    reached = [...next];
  }
  throw new TypeError('a needle has no end');
}

/** By numbers: thousands of nodes, a byte or two each. */
interface Graph {
  /** Where the edges of each node begin; behind the last node stands the beginning, which is everywhere. */
  readonly first: Int32Array;
  /** A byte, and above it the node that it leads to. */
  readonly edges: Int32Array;
  /** Bytes on the longest way to a node. */
  readonly depths: Int32Array;
  /** Characters of the needle up to it. */
  readonly begun: Int32Array;
  readonly accepting: ReadonlySet<number>;
}

/** For how many bytes of a repetition (backslashes, zeros) what came before it is kept back. */
const MOST_REPEATED = 8;
const START = -1;

/** A chain of characters for each needle; between two of them a way for each spelling of the character. */
function buildGraph(needles: readonly Needle[]): Graph {
  const drawn: { from: number; edge: number }[] = [];
  const depths: number[] = [];
  const begun: number[] = [];
  const accepting = new Set<number>();
  let character = 0;
  const node = (): number => {
    begun.push(character);
    return depths.push(0) - 1;
  };
  const link = (from: number, bytes: readonly number[], to: number): void => {
    for (const byte of bytes) drawn.push({ from, edge: (to << 8) | byte });
    if (from === to) depths[to] = depths[to]! + MOST_REPEATED;
    else depths[to] = Math.max(depths[to]!, (from === START ? 0 : depths[from]!) + 1);
  };
  for (const needle of needles) {
    let from = START;
    for (const [index, spellings] of needle.entries()) {
      character = index + 1;
      const to = node();
      for (const spelling of spellings) drawSpelling(spelling, from, to, { node, link });
      from = to;
    }
    accepting.add(from);
  }
  const nodes = depths.length;
  const first = new Int32Array(nodes + 2);
  const place = (from: number) => (from === START ? nodes : from);
  for (const { from } of drawn) first[place(from) + 1]!++;
  for (let at = 1; at < first.length; at++) first[at]! += first[at - 1]!;
  const next = first.slice();
  const edges = new Int32Array(drawn.length);
  for (const { from, edge } of drawn) edges[next[place(from)]!++] = edge;
  return { first, edges, depths: Int32Array.from(depths), begun: Int32Array.from(begun), accepting };
}

function drawSpelling(spelling: Spelling, from: number, to: number, { node, link }: Drawing): void {
  let here = from;
  for (const [index, { bytes, more }] of spelling.entries()) {
    const next = index === spelling.length - 1 ? to : node();
    link(here, bytes, next);
    if (more !== undefined) link(next, more, next);
    here = next;
  }
}

interface Drawing {
  node(): number;
  link(from: number, bytes: readonly number[], to: number): void;
}
