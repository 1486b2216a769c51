/** What a client is told on standard error, and how its command then ends. */
import type { SessionEnd } from '../../domain/end.ts';
import { describeEnd } from '../../domain/end.ts';
import type { HoldNotice, Refusal } from '../../domain/refusal.ts';

/** Exit status of a command that was not let through: no shell's, and not ssh's own 255. */
export const REFUSED = 254;
/**
 * By what hoopctl itself knows it: the words that come with a signal (RFC 4254, section 6.10), which are never a target's. A program may end with any number,
 * after any words.
 */
export const REFUSED_MARK = 'refused by the gateway';
/** What hoopctl calls itself in its version (RFC 4253, section 4.2). */
export const HOOPCTL = 'hoopctl';

/** One line, by whose beginning hoopctl knows it. @param raw a terminal without output processing: lines end with CR LF */
export function refusalText({ message, hint }: Pick<Refusal, 'message' | 'hint'>, raw = false): string {
  return lines([hint === undefined ? message : `${message} hint: ${hint}`], raw);
}

export function holdText({ request, rule, link, waitMs, reason, watch }: HoldNotice, raw = false): string {
  const seconds = Math.round(waitMs / 1000);
  if (watch !== undefined)
    return lines([`waiting for a watcher (rule "${rule}"), at most ${seconds} s: hoopctl sessions tail ${watch}`], raw);
  const why = reason === undefined ? '' : `: ${reason}`;
  return lines(
    [`waiting for approval ${request} (rule "${rule}"${why}), at most ${seconds} s${link === '' ? '' : `; ${link}`}`],
    raw,
  );
}

/** Told while whoever has to watch is away, and once one is there again. */
export function pauseText(paused: boolean, session: string, raw = false): string {
  return `${raw ? '\r\n' : ''}${lines([paused ? `paused, nobody watches: hoopctl sessions tail ${session}` : 'goes on, it is watched again'], raw)}`;
}

/** @param raw in a terminal it may come in the middle of a line */
export function endText(end: SessionEnd, raw = false): string {
  return `${raw ? '\r\n' : ''}${lines([describeEnd(end)], raw)}`;
}

function lines(all: readonly string[], raw: boolean): string {
  const newline = raw ? '\r\n' : '\n';
  // A line each, whatever a rule's reason or a target's words hold.
  return all.map((line) => `hoop: ${line.replace(/[\0-\x1f\x7f-\x9f]+/g, ' ')}${newline}`).join('');
}
