/**
 * Finds what detectors look for in one cell. One pass over its bytes; only a telling byte (the first of a run of digits, an `@`, …) leads to a
 * closer look, and none of those looks further than a constant, or past where it stops without going on from there.
 */
import { DETECTORS, type Detector } from '../domain/mask.ts';
import { cardEnd, SHORTEST_CARD } from './card.ts';
import { type Codes, isDigit, isSeparator } from './codes.ts';
import { isOdd, ODD_LEADS } from './odd.ts';
import { awsKeyEnd, domainEnd, ibanEnd, jwtEnd, localStart, privateKeyEnd, ssnEnd } from './pattern.ts';

/** What was found. One object is filled again and again: nothing is allocated for a cell in which nothing is found. */
export interface Found {
  start: number;
  end: number;
  detector: Detector;
}

export type Outcome = 'found' | 'nothing' | 'odd';

/**
 * Looks for the next match at or after `from` in a cell of [start, end).
 * @returns `odd` when characters stand there that may be others in disguise: look again at the cell's normal form. `found.start` is where the first is
 */
export type Find = (codes: Codes, from: number, start: number, end: number, found: Found) => Outcome;

const NONE = 0;
const DIGITS = 1;
const AT_SIGN = 2;
const DASH = 3;
const LETTER_I = 4;
const LETTER_J = 5;
const BACKSLASH = 6;
const ODD = 7;

const BY_DIGITS: readonly Detector[] = ['credit_card', 'us_ssn', 'iban'];

/** One for each set of detectors, of which there are few: it remembers nothing of what it looked at. */
export function createFind(detectors: ReadonlySet<Detector>): Find {
  const key = keyOf(detectors);
  const find = FINDS.get(key) ?? makeFind(detectors);
  FINDS.set(key, find);
  return find;
}

const FINDS = new Map<string, Find>();

function keyOf(detectors: ReadonlySet<Detector>): string {
  return DETECTORS.filter((name) => detectors.has(name)).join();
}

function makeFind(detectors: ReadonlySet<Detector>): Find {
  const triggers = triggersFor(detectors);
  const cards = detectors.has('credit_card');
  const ssns = detectors.has('us_ssn');
  const ibans = detectors.has('iban');

  /** At the first digit of a run, which ends at `runEnd`. */
  const atDigits = (codes: Codes, at: number, runEnd: number, start: number, end: number, found: Found): boolean => {
    // Most runs are short and stand alone, as in hexadecimal text: they can be neither.
    const grouped = runEnd + 1 < end && isDigit(codes[runEnd + 1]) && isSeparator(codes[runEnd]);
    if (cards && (grouped || runEnd - at >= SHORTEST_CARD)) {
      const to = cardEnd(codes, at, start, end);
      if (to > 0) return fill(found, at, to, 'credit_card');
    }
    if (ssns && grouped) {
      const to = ssnEnd(codes, at, end);
      if (to > 0) return fill(found, at, to, 'us_ssn');
    }
    if (ibans) {
      const to = ibanEnd(codes, at, start, end);
      if (to > 0) return fill(found, at - 2, to, 'iban');
    }
    return false;
  };

  return (codes, from, start, end, found) => {
    for (let at = from; at < end; at++) {
      while (at < end && triggers[codes[at]!] === NONE) at++;
      if (at === end) return 'nothing';
      switch (triggers[codes[at]!]) {
        case DIGITS: {
          let runEnd = at + 1;
          while (runEnd < end && triggers[codes[runEnd]!] === DIGITS) runEnd++;
          if (atDigits(codes, at, runEnd, start, end, found)) return 'found';
          at = runEnd - 1;
          break;
        }
        case AT_SIGN: {
          const local = localStart(codes, at, from);
          const to = local < at ? domainEnd(codes, at, end) : -1;
          if (to > 0) return fill(found, local, to, 'email') && 'found';
          break;
        }
        case DASH: {
          // The last of the dashes before BEGIN, so that a row of dashes costs one look each.
          if (codes[at + 1] !== 0x42 || at - 4 < from) break;
          const to = privateKeyEnd(codes, at - 4, end);
          if (to > 0) return fill(found, at - 4, to, 'private_key') && 'found';
          break;
        }
        case LETTER_I: {
          const to = awsKeyEnd(codes, at - 2, start, end);
          if (to > 0 && at - 2 >= from) return fill(found, at - 2, to, 'aws_key') && 'found';
          break;
        }
        case LETTER_J: {
          if (codes[at - 1] !== 0x79 || codes[at - 2] !== 0x65 || at - 2 < from) break;
          const to = jwtEnd(codes, at - 2, start, end);
          if (to > 0) return fill(found, at - 2, to, 'jwt') && 'found';
          break;
        }
        case BACKSLASH:
          if (codes[at + 1] === 0x75 && at + 1 < end) return oddAt(found, at);
          break;
        case ODD:
          if (at + 1 < end && isOdd(codes[at]!, codes[at + 1]!)) return oddAt(found, at);
          break;
      }
    }
    return 'nothing';
  };
}

function oddAt(found: Found, at: number): 'odd' {
  found.start = at;
  return 'odd';
}

function fill(found: Found, start: number, end: number, detector: Detector): true {
  found.start = start;
  found.end = end;
  found.detector = detector;
  return true;
}

/** By byte: not zero where a closer look is worth while. Without any of them a text holds nothing. One for each set: nobody writes to it. */
export function triggersFor(detectors: ReadonlySet<Detector>): Uint8Array {
  const key = keyOf(detectors);
  const triggers = TRIGGERS.get(key) ?? makeTriggers(detectors);
  TRIGGERS.set(key, triggers);
  return triggers;
}

const TRIGGERS = new Map<string, Uint8Array>();

function makeTriggers(detectors: ReadonlySet<Detector>): Uint8Array {
  const triggers = new Uint8Array(256);
  if (BY_DIGITS.some((name) => detectors.has(name)))
    for (let digit = 0x30; digit <= 0x39; digit++) triggers[digit] = DIGITS;
  if (detectors.has('email')) triggers[0x40] = AT_SIGN;
  if (detectors.has('private_key')) triggers[0x2d] = DASH;
  // AKIA, ASIA, ABIA: the third letter is the rarest; ACCA has its C there.
  if (detectors.has('aws_key')) triggers[0x49] = triggers[0x43] = LETTER_I;
  if (detectors.has('jwt')) triggers[0x4a] = LETTER_J;
  triggers[0x5c] = BACKSLASH;
  for (const lead of ODD_LEADS) triggers[lead] = ODD;
  return triggers;
}
