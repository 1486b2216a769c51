/** One request before the gate: read against the target as it is, submitted, and read again where people took their time. */
import type { Impossible } from '../../../domain/command.ts';
import type { Permit } from '../../../domain/permit.ts';
import type { Refusal } from '../../../domain/session.ts';
import { commandOf, type Meaning } from './commands.ts';
import { renumbered, statusName, TYPE } from './frames.ts';
import type { Line } from './line.ts';
import type { Resolved } from './resolve.ts';

/** A request as it would be judged now. */
export interface Reading {
  readonly meaning: Meaning;
  /** The target cannot do it: judged all the same, for what it says is an answer too. */
  readonly failed?: Extract<Resolved, { kind: 'failed' }>;
}

export interface Permitted<R extends Reading> {
  readonly permit: Permit;
  readonly reading: R;
  readonly basis: string;
}

export type Judge = <R extends Reading>(
  client: number,
  read: () => R | Promise<R>,
) => Promise<Permitted<R> | undefined>;

/** Policy may change between reading and submitting; more often than this it is not worth trying. */
const ATTEMPTS = 3;

export interface JudgeParts {
  readonly line: Line;
  /** What the meaning of a path depends on beside the path. */
  readonly context: string;
  /** Aborted when the client is gone: withdraws what waits for people. */
  readonly gone: AbortSignal;
  /** Told when people are asked. */
  held(): void;
}

/** @returns a judge that answers the client itself wherever it lets nothing through, and then resolves with undefined */
export function createJudge({ line, context, gone, held }: JudgeParts): Judge {
  const { session, onHold } = line.parts;

  return async (client, read) => {
    for (let attempt = 1; ; attempt++) {
      const { basis } = session.view();
      const reading = await read();
      let asked = false;
      const answer = await session.submit(
        { commands: [commandOf(reading.meaning, context)], basis },
        {
          gone,
          onHold(notice) {
            asked = true;
            held();
            onHold?.(notice);
          },
        },
      );
      if (answer.kind === 'refusal') {
        if (answer.code === 'HOOP_STALE' && attempt < ATTEMPTS && !line.over) continue;
        line.refuse(client, answer);
        return undefined;
      }
      if (line.over) return unsent(answer, 'notForwarded');
      // While people thought, another name may have been put where this one was.
      const now = asked ? await read() : reading;
      if (line.over || !alike(now, reading)) {
        line.refuse(client, CHANGED);
        return unsent(answer, 'notForwarded');
      }
      if (reading.failed) {
        line.answer(client, renumbered(TYPE.STATUS, client, reading.failed.status));
        return unsent(answer, 'failed', statusName(reading.failed.code));
      }
      return { permit: answer, reading: now, basis };
    }
  };
}

/** What a path that could not be resolved does to the request that named it. */
export function readingOf(resolved: readonly Resolved[], meaning: (...paths: readonly string[]) => Meaning): Reading {
  const paths = resolved.map((one) => (one.kind === 'refused' ? UNKNOWN_PATH : one.path));
  const refused = resolved.find((one) => one.kind === 'refused');
  if (refused) return { meaning: impossible(meaning(...paths), refused.impossible) };
  const failed = resolved.find((one) => one.kind === 'failed');
  return failed ? { meaning: meaning(...paths), failed } : { meaning: meaning(...paths) };
}

export function impossible(meaning: Meaning, why: Impossible): Meaning {
  return { ...meaning, sent: meaning.text, touched: [], impossible: why };
}

function alike(a: Reading, b: Reading): boolean {
  return a.meaning.sent === b.meaning.sent && a.failed?.code === b.failed?.code && effects(a) === effects(b);
}

function effects({ meaning }: Reading): string {
  return meaning.effects.join(' ');
}

function unsent(permit: Permit, state: 'notForwarded' | 'failed', code?: string): undefined {
  permit.settle(0, { state, durationMs: 0, ...(code === undefined ? {} : { code }) });
}

const UNKNOWN_PATH = '?';

const CHANGED: Refusal = {
  kind: 'refusal',
  code: 'HOOP_HELD',
  message: 'HOOP_HELD: the path leads elsewhere than when it was approved; nothing was forwarded',
  hint: 'send the same request again to ask again',
};
