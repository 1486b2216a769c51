/** What every protocol must keep, whatever it speaks. A protocol gives a stage (a gateway in small with a target behind it) and words of its own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SessionEnd } from '../../src/domain/end.ts';
import type { MaskPlan } from '../../src/domain/mask.ts';
import type { SubmitOptions, Turn } from '../../src/domain/session.ts';
import type { Answer, House } from '../fakes/house.ts';

export interface ContractSubject {
  readonly name: string;
  open(options: StageOptions): Promise<ContractStage>;
  /** A command that reads one value. */
  readonly read: string;
  /** A command that changes something. */
  readonly change: string;
  /** A command whose result holds `4111 1111 1111 1111`. */
  readonly card?: string;
  /** It has no words for a client that waits for its answer. */
  readonly silentWhileHeld?: true;
}

export interface StageOptions {
  judge?(turn: Turn, options: SubmitOptions, house: House): Promise<Answer> | Answer;
  readonly masks?: MaskPlan;
}

export interface ContractStage {
  readonly house: House;
  /** What the target has been sent by clients: commands only, whole. */
  received(): readonly string[];
  /** @param split bytes written at a time */
  connect(options?: { secret?: string; split?: number }): Promise<ContractClient>;
  close(): Promise<void>;
}

export interface ContractClient {
  /** What the client was told, as text: the answer, a refusal, the end. */
  run(command: string): Promise<string>;
  /** Sends without waiting. */
  send(command: string): void;
  hangUp(): void;
  /** All it is told from here to the end of the connection. */
  untilEnd(): Promise<string>;
}

const DENIED: Answer = { kind: 'refusal', code: 'HOOP_DENIED', message: 'HOOP_DENIED: rule "no": because', rule: 'no' };
const LOST: Answer = {
  kind: 'refusal',
  code: 'HOOP_UNAVAILABLE',
  message: 'HOOP_UNAVAILABLE: the recording cannot be written',
};

export function protocolContract(subject: ContractSubject): void {
  const { read, change } = subject;
  const on = (name: string, options: StageOptions, body: (stage: ContractStage) => Promise<void>) =>
    test(name, async () => {
      const stage = await subject.open(options);
      try {
        await body(stage);
      } finally {
        await stage.close();
      }
    });

  describe(`${subject.name} keeps the contract`, () => {
    on('a permitted command reaches the target, once, and its outcome is recorded', {}, async (stage) => {
      const client = await stage.connect();
      assert.doesNotMatch(await client.run(read), /HOOP/);
      assert.deepEqual(stage.received(), [read]);
      assert.deepEqual(
        stage.house.settled.map(({ outcome }) => outcome.state),
        ['completed'],
      );
    });

    on(
      'a denied command is answered and not forwarded, and the session goes on',
      { judge: (turn) => (isOf(turn, change) ? DENIED : 'permit') },
      async (stage) => {
        const client = await stage.connect();
        assert.match(await client.run(change), /HOOP_DENIED.*rule "no"/s);
        assert.deepEqual(stage.received(), []);
        assert.doesNotMatch(await client.run(read), /HOOP/);
        assert.deepEqual(stage.received(), [read]);
      },
    );

    const approval = Promise.withResolvers<Answer>();
    const asked = Promise.withResolvers<void>();
    on(
      'a held command forwards nothing until it is approved, and then once',
      {
        judge(_, options) {
          options.onHold?.({
            request: 'ap_1',
            link: 'https://gateway.test/approvals/ap_1',
            rule: 'deletes',
            waitMs: 60_000,
          });
          asked.resolve();
          return approval.promise;
        },
      },
      async (stage) => {
        const client = await stage.connect();
        const answer = client.run(change);
        await asked.promise;
        assert.deepEqual(stage.received(), []);
        approval.resolve('permit');
        const told = await answer;
        if (!subject.silentWhileHeld) assert.match(told, /ap_1/);
        assert.doesNotMatch(told, /HOOP_DENIED/);
        assert.deepEqual(stage.received(), [change]);
      },
    );

    const gone = Promise.withResolvers<void>();
    const waits = Promise.withResolvers<void>();
    on(
      'a hang-up while it waits withdraws the question, and nothing is forwarded',
      {
        judge: (_, options) =>
          new Promise<Answer>((resolve) => {
            waits.resolve();
            options.gone?.addEventListener('abort', () => {
              gone.resolve();
              resolve(DENIED);
            });
          }),
      },
      async (stage) => {
        const client = await stage.connect();
        client.send(change);
        await waits.promise;
        client.hangUp();
        await gone.promise;
        await stage.house.ended(1);
        assert.deepEqual(stage.received(), []);
      },
    );

    on('a lost recorder refuses, and nothing is forwarded', { judge: () => LOST }, async (stage) => {
      const client = await stage.connect();
      assert.match(await client.run(read), /HOOP_UNAVAILABLE/);
      assert.deepEqual(stage.received(), []);
    });

    const ends: readonly [SessionEnd, RegExp][] = [
      [{ kind: 'revoked' }, /HOOP_REVOKED/],
      [{ kind: 'expired', deadline: 'run' }, /HOOP_LIMIT/],
      [{ kind: 'shutdown' }, /shutting down/],
    ];
    for (const [end, told] of ends) {
      on(`the session's end is told: ${end.kind}`, {}, async (stage) => {
        const client = await stage.connect();
        await client.run(read);
        const all = client.untilEnd();
        await stage.house.cut(end);
        assert.match(await all, told);
      });
    }

    on('a wrong secret is refused before anything is dialled', {}, async (stage) => {
      await assert.rejects(stage.connect({ secret: 'not the secret' }));
      assert.equal(stage.house.dials.count, 0);
      assert.deepEqual(stage.house.claims, []);
    });

    on(
      'bytes that come one by one decide the same',
      { judge: (turn) => (isOf(turn, change) ? DENIED : 'permit') },
      async (stage) => {
        const client = await stage.connect({ split: 1 });
        assert.match(await client.run(change), /HOOP_DENIED/);
        assert.doesNotMatch(await client.run(read), /HOOP/);
        assert.deepEqual(stage.received(), [read]);
        assert.equal(stage.house.turns.length, 2);
      },
    );

    const { card } = subject;
    if (card !== undefined) {
      const masks: MaskPlan = {
        columns: [],
        detectors: [{ rule: 'cards', detect: ['credit_card'], with: 'redact', strict: false }],
        fields: [],
        shadow: { columns: [], detectors: [], fields: [] },
      };
      on('a mask reaches every value, and the record too', { masks }, async (stage) => {
        const client = await stage.connect();
        const shown = await client.run(card);
        assert.doesNotMatch(shown, /4111/);
        assert.match(shown, /\*\*\*/);
        assert.doesNotMatch(
          JSON.stringify(stage.house.settled.map(({ result, outcome }) => [result, outcome])),
          /4111/,
        );
        assert.ok((stage.house.settled[0]?.outcome.maskedCells ?? 0) > 0);
      });
    }
  });
}

function isOf(turn: Turn, text: string): boolean {
  return turn.commands.some((command) => command.text === text);
}
