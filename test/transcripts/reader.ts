/**
 * Runs golden dialogues against the PostgreSQL conversation, with the real SQL reader and a gate that says what the dialogue says.
 *
 *     client > Q begin            the client sends
 *     gate   < begin              what is submitted, one command after the other; `(prepare)` and `(continue)` mark parts
 *     gate   > permit             what the gate answers: permit, or a refusal's code and text
 *     target < Q begin            what the target gets
 *     target > C BEGIN | Z T      what the target says
 *     client < C BEGIN | Z T      what the client gets
 *     record < begin: completed   what is recorded of each command
 *
 * Every line of output must come, in the order of its own side, before the next line of input, and nothing else may. `*` stands for the rest of a message's text.
 */
import assert from 'node:assert/strict';
import { createSqlReader, EMPTY_CATALOG, type SqlBasis } from '../../src/languages/sql/index.ts';
import type { RefusalCode } from '../../src/domain/command.ts';
import { NO_MASK } from '../../src/domain/mask.ts';
import { mintPermit, type Permit } from '../../src/domain/permit.ts';
import type { Refusal, Turn as SubmittedTurn } from '../../src/domain/session.ts';
import type { Happening, Step } from '../../src/protocols/conversation.ts';
import { PostgresConversation } from '../../src/protocols/postgres/conversation.ts';
import type { Judged } from '../../src/protocols/postgres/flight.ts';
import { createJudge } from '../../src/protocols/postgres/judging.ts';
import { createScrub } from '../../src/protocols/postgres/scrub.ts';
import { SessionState } from '../../src/protocols/postgres/state.ts';
import { Mirror } from '../../src/protocols/postgres/statements.ts';
import type { Turn } from '../../src/protocols/postgres/turn.ts';
import { UNLIMITED } from '../fakes/house.ts';
import { clientBytes, clientWord, targetBytes, targetWord } from './words.ts';

export interface Dialogue {
  readonly name: string;
  readonly lines: readonly {
    readonly who: string;
    readonly way: '<' | '>';
    readonly what: string;
    readonly line: number;
  }[];
}

/** Dialogues are separated by lines that begin with `# `; other lines are empty or `who > what`. */
export function readDialogues(text: string): Dialogue[] {
  const dialogues: { name: string; lines: Dialogue['lines'][number][] }[] = [];
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('//')) continue;
    if (line.startsWith('# ')) {
      dialogues.push({ name: line.slice(2), lines: [] });
      continue;
    }
    const match = /^(client|gate|target|record|session)\s*([<>])\s?(.*)$/.exec(line);
    if (!match || dialogues.length === 0) throw new Error(`line ${i + 1} is no line of a dialogue: ${line}`);
    dialogues
      .at(-1)
      ?.lines.push({ who: match[1] as string, way: match[2] as '<' | '>', what: match[3] as string, line: i + 1 });
  }
  return dialogues;
}

/** @param split how bytes arrive: whole, or cut after every so many */
export async function runDialogue(dialogue: Dialogue, split = Number.POSITIVE_INFINITY): Promise<void> {
  const stage = new Stage(split);
  try {
    for (const { who, way, what, line } of dialogue.lines) {
      const at = `line ${line}: ${who} ${way} ${what}`;
      if (way === '>') {
        assert.deepEqual(stage.rest(), [], `before ${at}`);
        await stage.enter(who, what, at);
      } else await stage.expect(who, what, at);
    }
    await stage.quiet();
    assert.deepEqual(stage.rest(), [], 'nothing but what the dialogue shows may happen');
  } finally {
    await stage.close();
  }
}

const reader = createSqlReader();

/** Ends the threads that read SQL. */
export function closeReader(): Promise<void> {
  return reader.close();
}

const BASIS: SqlBasis = {
  catalog: EMPTY_CATALOG,
  masks: [],
  guarded: false,
  searchPath: ['public'],
  trustedFunctions: [],
};

class Stage {
  readonly #split: number;
  readonly #said: string[] = [];
  readonly #conversation: PostgresConversation;
  readonly #judge: (turn: Turn) => Promise<Judged>;
  #answer: ((answer: Permit | Refusal) => void) | undefined;
  #submitted: SubmittedTurn | undefined;
  #busy = 0;

  constructor(split: number) {
    this.#split = split;
    const mirror = new Mirror();
    const state = new SessionState({ database: 'shop', searchPath: ['public'], settings: new Map() });
    const scrub = createScrub({ password: 'the-real-password', user: 'app_reader', host: 'db.internal' });
    const parameters = new Map([
      ['client_encoding', 'UTF8'],
      ['standard_conforming_strings', 'on'],
    ]);
    this.#conversation = new PostgresConversation({ scrub, mirror, state, parameters });
    const view = {
      basis: 'p1',
      grant: { entries: [], effects: [], guarded: false },
      masks: NO_MASK,
      trustedFunctions: [],
    };
    const judge = createJudge({
      ...{ mirror, state },
      session: { submit: (turn) => this.#submit(turn), note: () => {} },
      transaction: () => this.#conversation.transaction,
      basis: () => ({ id: 'b1', view, sql: BASIS, guarded: false, detectors: undefined, masked: new Map() }),
      analyse: (text, { sql }) => reader.analyse(text, sql),
    });
    this.#judge = async (turn) => judge(turn, {});
  }

  async enter(who: string, what: string, at: string): Promise<void> {
    if (who === 'client' && what === '(hangs up)') this.#take({ kind: 'ended', side: 'client' });
    else if (who === 'client' && what === '(asks to cancel)') this.#take({ kind: 'cancel' });
    else if (who === 'target' && what === '(hangs up)') this.#take({ kind: 'ended', side: 'target' });
    else if (who === 'target' && what === '(took the cancel)') this.#take({ kind: 'cancelled' });
    else if (who === 'session' && what === '(revoked)') this.#take({ kind: 'over', end: { kind: 'revoked' } });
    else if (who === 'client') this.#bytes('client', clientBytes(what));
    else if (who === 'target') this.#bytes('target', targetBytes(what));
    else if (who === 'gate') this.#decide(what, at);
    else throw new Error(at);
    await this.quiet();
  }

  async expect(who: string, what: string, at: string): Promise<void> {
    for (const word of what.split(' | ')) {
      const expected = `${who} < ${word}`;
      const next = this.#said.findIndex((line) => line.startsWith(`${who} `));
      const [said = '(nothing)'] = next < 0 ? [] : this.#said.splice(next, 1);
      const matches = expected.endsWith('*') ? said.startsWith(expected.slice(0, -1)) : said === expected;
      assert.ok(
        matches,
        `${at}\n  expected: ${expected}\n  happened: ${said}\n  then: ${this.#said.join('\n        ')}`,
      );
    }
  }

  /** Lets reading and judging come to rest. */
  async quiet(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.#busy > 0 && !this.#answer);
  }

  rest(): readonly string[] {
    return this.#said;
  }

  async close(): Promise<void> {
    this.#answer?.({ kind: 'refusal', code: 'HOOP_UNAVAILABLE', message: 'over' });
    await this.quiet();
  }

  #bytes(from: 'client' | 'target', bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += this.#split) {
      this.#take({
        kind: 'bytes',
        from,
        chunk: Buffer.from(bytes.subarray(at, Math.min(bytes.length, at + this.#split))),
      });
    }
  }

  #take(happening: Happening<Judged>): void {
    for (const step of this.#conversation.take(happening)) this.#perform(step);
  }

  #perform(step: Step<Turn>): void {
    switch (step.kind) {
      case 'send':
        this.#sent(step.to, step.bytes);
        break;
      case 'judge':
        this.#busy++;
        void this.#judge(step.work).then((answer) => {
          this.#busy--;
          this.#take({ kind: 'judged', answer });
        });
        break;
      case 'withdraw':
        this.#said.push('gate < (withdrawn)');
        this.#answer?.({ kind: 'refusal', code: 'HOOP_HELD', message: 'HOOP_HELD: withdrawn' });
        this.#answer = undefined;
        break;
      case 'settle': {
        const text = step.permit.commands[step.index]?.id.trim();
        const { state, code, tag } = step.outcome;
        this.#said.push(`record < ${text}: ${[state, code, tag].filter((part) => part !== undefined).join(' ')}`);
        break;
      }
      case 'cancelTarget':
        this.#said.push('target < (cancel)');
        break;
      case 'dismissClient':
        this.#said.push('client < (closed)');
        break;
      case 'finish':
        this.#said.push(`session < ${step.end.kind}`);
        break;
      case 'note':
        this.#said.push(`session < ${step.event.notice}`);
        break;
      default:
    }
  }

  readonly #partial = { client: Buffer.alloc(0), target: Buffer.alloc(0) };

  /** Messages may leave in pieces, as they came; they are told when they are whole. */
  #sent(to: 'client' | 'target', bytes: Buffer): void {
    let all = Buffer.concat([this.#partial[to], bytes]);
    while (all.length >= 5 && all.length > all.readUInt32BE(1)) {
      const whole = all.subarray(0, 1 + all.readUInt32BE(1));
      all = all.subarray(whole.length);
      this.#said.push(`${to} < ${to === 'client' ? targetWord(whole) : clientWord(whole)}`);
    }
    this.#partial[to] = all;
  }

  #submit(turn: SubmittedTurn): Promise<Permit | Refusal> {
    this.#submitted = turn;
    for (const command of turn.commands) {
      this.#said.push(
        `gate < ${command.text.trim()}${command.part ? ` (${command.part})` : ''}${command.impossible ? ` (impossible: ${command.impossible.protocolCode ?? command.impossible.code})` : ''}`,
      );
    }
    const impossible = turn.commands.find((command) => command.impossible)?.impossible;
    if (impossible) {
      const { code, reason, protocolCode } = impossible;
      return Promise.resolve({
        kind: 'refusal',
        code,
        message: `${code}: ${reason}`,
        ...(protocolCode ? { protocolCode } : {}),
      });
    }
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  #decide(what: string, at: string): void {
    const answer = this.#answer;
    assert.ok(answer && this.#submitted, `${at}: nothing waits for the gate`);
    this.#answer = undefined;
    const { commands } = this.#submitted;
    if (what === 'permit') {
      return answer(
        mintPermit({ commands: commands.map(({ text }) => ({ id: text, meter: UNLIMITED })), settle: () => {} }),
      );
    }
    const [code, ...words] = what.split(' ');
    answer({ kind: 'refusal', code: code as RefusalCode, message: `${code}: ${words.join(' ')}` });
  }
}
