/**
 * Finds values that come in pieces: a text that is told in many messages, a few characters each. Messages are held back, whole and in order, while their
 * text may end within a value; where one is found, its stand-in goes into the message in which it begins, and the others lose their part of it.
 *
 * Where nobody can wait any longer (`release`), the messages go as they are. The rest of such a value is masked all the same, so it never goes out whole.
 */
import type { DetectorMask } from '../domain/mask.ts';
import { type Counts, REDACTED } from './body.ts';
import { type Fingerprint, standIn } from './cell.ts';
import { isDigit } from './codes.ts';
import { createFind, type Found } from './find.ts';
import { holdFrom } from './hold.ts';
import { matchesIn, strictestByDetector } from './scanner.ts';
import { openFrom } from './stream-open.ts';

/** A piece of text in one message. */
export interface Piece {
  readonly text: Buffer;
  /** What may flow instead; undefined as long as that cannot be told, the text itself where nothing was found. */
  readonly flows: Buffer | undefined;
}

export interface Texts {
  /** @param key whose pieces make one text */
  add(key: string, text: Buffer): Piece;
  /** A message begins. A text that went on in none of the last ones has ended: other texts wait behind it. */
  step(): void;
  /** @param all what looks like the beginning of a value too; a private key is waited for all the same, unless nothing more comes (`final`) */
  release(how: 'quiet' | 'all' | 'final'): void;
}

/** Texts that are followed at a time: the one that was quiet longest is given up. */
const MOST_TEXTS = 256;
/** Bytes of a text that wait at most: of a private key, and of anything else. Each piece has all that waits looked at anew, but for a key. */
const LONGEST_KEY = 32 * 1024;
const LONGEST_WAIT = 8 * 1024;
/** A key's last line may have begun so far back. */
const KEY_END = 64;
/** So many messages without a piece of it. */
const MOST_STEPS = 32;
/** What decides whether a value may begin: what stands before it. */
const CONTEXT = 8;
/** Bytes of a text that flowed though they may begin a value; more than any value but a key or token has. */
const REMEMBERED = 320;

interface Held {
  readonly text: Buffer;
  flows: Buffer | undefined;
  /** Where it begins in the text as a whole. */
  start: number;
  parts: Buffer[];
  /** So much of it is decided. */
  done: number;
}

export function createTexts(masks: readonly DetectorMask[], fingerprint: Fingerprint, counts: Counts): Texts {
  const rules = strictestByDetector(masks);
  const detectors = new Set(rules.keys());
  const find = createFind(detectors);
  const found: Found = { start: 0, end: 0, detector: 'email' };
  /** The one with the latest piece comes last. */
  const texts = new Map<string, Text>();
  let step = 0;

  /** Offsets are into `bytes`, which begins with what was decided before and still matters. */
  class Text {
    #bytes: Buffer = Buffer.alloc(0);
    /** Decided: a match before it cannot be asked for any more. */
    #decided = 0;
    /** Flowed, though it may be part of a value. */
    #flowed = 0;
    #held: Held[] = [];
    /** What waits begins with a private key. */
    #inKey = false;
    latest = 0;

    add(text: Buffer): Piece {
      const held: Held = { text, flows: undefined, start: this.#bytes.length, parts: [], done: 0 };
      this.#bytes = Buffer.concat([this.#bytes, text]);
      this.#held.push(held);
      this.latest = step;
      const waiting = this.#bytes.length - this.#decided;
      const looked = Math.max(0, this.#bytes.length - text.length - KEY_END);
      const goesOn = this.#inKey && !this.#bytes.includes('-----', looked, 'latin1');
      if (waiting > (this.#inKey ? LONGEST_KEY : LONGEST_WAIT)) this.#decide(this.#inKey ? 'final' : 'all');
      else if (!goesOn) this.#decide('wait');
      return held;
    }

    #decide(how: 'wait' | 'quiet' | 'all' | 'final'): void {
      const bytes = this.#bytes;
      const end = bytes.length;
      const base = Math.max(0, this.#decided - CONTEXT);
      const matches = matchesIn(find, bytes, this.#beginning(end), base, end, found);
      const last = matches.at(-1);
      const open = this.#openFrom(how, end);
      const key = last?.detector === 'private_key' && last.end === end && how !== 'final' ? last.start : end;
      // A match that what is open reaches into may grow.
      const across = last !== undefined && last.end > open ? last.start : end;
      const safe = Math.min(open, key, across);
      this.#inKey = key < end && key === safe;
      for (const match of matches) if (match.start < safe) this.#replace(match);
      this.#flow(safe);
      this.#forget(
        how === 'wait' ? safe : Math.min(safe, Math.max(this.#decided, holdFrom(detectors, bytes, this.#decided, end))),
      );
    }

    /** A number is looked for at the first digit of a row alone: what is left of one that was cut is none. */
    #beginning(end: number): number {
      let at = this.#decided;
      if (at > 0 && isDigit(this.#bytes[at - 1])) while (at < end && isDigit(this.#bytes[at])) at++;
      return at;
    }

    #openFrom(how: 'wait' | 'quiet' | 'all' | 'final', end: number): number {
      if (how === 'all' || how === 'final') return end;
      return (how === 'wait' ? holdFrom : openFrom)(detectors, this.#bytes, this.#decided, end);
    }

    #replace({ start, end, detector }: Found): void {
      if (end <= this.#flowed) return;
      const { rule, with: how } = rules.get(detector)!;
      counts.add(rule);
      const whole = start >= this.#flowed;
      // Of a value of which a part has flowed neither end nor hash is to be told.
      const partial = !whole && (how === 'last4' || how === 'hash');
      let stands = Buffer.from(
        how === 'null' ? '' : partial ? REDACTED : standIn(how, this.#bytes.subarray(start, end), fingerprint),
      );
      this.#flow(start);
      for (const held of this.#held) {
        const from = Math.max(start, held.start + held.done);
        const to = Math.min(end, held.start + held.text.length);
        if (from >= to) continue;
        held.parts.push(stands);
        stands = Buffer.alloc(0);
        held.done = to - held.start;
        finish(held);
      }
    }

    /** What stands before `to` flows as it is. */
    #flow(to: number): void {
      for (const held of this.#held) {
        const until = Math.min(held.text.length, to - held.start);
        if (until > held.done) held.parts.push(held.text.subarray(held.done, until));
        held.done = Math.max(held.done, until);
        finish(held);
      }
      this.#held = this.#held.filter(({ flows }) => flows === undefined);
      this.#flowed = Math.max(this.#flowed, to);
    }

    /** Matches are looked for from `to` on. */
    #forget(to: number): void {
      const decided = Math.max(this.#decided, to, this.#bytes.length - REMEMBERED - this.#waiting());
      const first = Math.max(0, decided - CONTEXT);
      this.#bytes = this.#bytes.subarray(first);
      this.#decided = decided - first;
      this.#flowed -= first;
      for (const held of this.#held) held.start -= first;
    }

    #waiting(): number {
      return this.#bytes.length - Math.min(this.#flowed, this.#bytes.length);
    }

    release(how: 'quiet' | 'all' | 'final'): void {
      if (this.#held.length > 0 && !(this.#inKey && how !== 'final')) this.#decide(how);
    }
  }

  return {
    add(key, text) {
      const known = texts.get(key) ?? new Text();
      texts.delete(key);
      texts.set(key, known);
      const piece = known.add(text);
      if (texts.size > MOST_TEXTS) giveUp();
      return piece;
    },
    step() {
      step++;
      for (const text of texts.values()) {
        if (text.latest >= step - MOST_STEPS) break;
        text.release('final');
      }
    },
    release(how) {
      for (const text of texts.values()) text.release(how);
    },
  };

  function giveUp(): void {
    const [oldest] = texts;
    if (oldest === undefined) return;
    oldest[1].release('final');
    texts.delete(oldest[0]);
  }
}

function finish(held: Held): void {
  if (held.flows !== undefined || held.done < held.text.length) return;
  const flows = Buffer.concat(held.parts);
  held.flows = flows.equals(held.text) ? held.text : flows;
}
