/** Whatever the bytes and however they are cut: the same frames, the same rows, the same decisions, and no error but our own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from './drawn.ts';
import type { Happening, Step } from '../../src/protocols/conversation.ts';
import { PostgresConversation } from '../../src/protocols/postgres/conversation.ts';
import { clientLimits, FrameReader, isProblem } from '../../src/protocols/postgres/frames.ts';
import {
  errorResponse,
  int16,
  int32,
  message,
  readClientMessage,
  readErrorFields,
  readRowDescription,
} from '../../src/protocols/postgres/messages.ts';
import { ResultReader } from '../../src/protocols/postgres/results.ts';
import { copyScan, rowScan, type RowScan, Sample } from '../../src/protocols/postgres/rows.ts';
import { createScrub } from '../../src/protocols/postgres/scrub.ts';
import { readClientFirst, serverExchange } from '../../src/protocols/postgres/scram.ts';
import { readFirstPacket } from '../../src/protocols/postgres/startup.ts';
import { SessionState } from '../../src/protocols/postgres/state.ts';
import { Mirror } from '../../src/protocols/postgres/statements.ts';
import type { Judged } from '../../src/protocols/postgres/flight.ts';
import type { Turn } from '../../src/protocols/postgres/turn.ts';
import { mintPermit } from '../../src/domain/permit.ts';
import { createCellScanner } from '../../src/mask/index.ts';
import { meterOf, UNLIMITED } from '../fakes/house.ts';
import {
  bind,
  close,
  describe as describeMessage,
  execute,
  parse,
  query,
  SYNC,
  FLUSH,
} from '../protocols/postgres/frontend.ts';
import { targetBytes } from '../transcripts/words.ts';

const scrub = createScrub({ password: 'canary-password', user: 'app', host: 'db.internal' });

/** Cuts a buffer at the places the property chose. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at]
    .map((start, i) => Buffer.from(bytes.subarray(start, at[i] ?? bytes.length)))
    .filter((chunk) => chunk.length > 0);
}

const places = fc.array(fc.nat(100_000), { maxLength: 40 });
const name = fc.constantFrom('', 's', 't', 'ü');
const clientMessage = fc.oneof(
  fc.string({ maxLength: 60 }).map((text) => query(text.replaceAll('\0', ''))),
  fc
    .tuple(name, fc.string({ maxLength: 40 }))
    .map(([statement, text]) => parse(statement, text.replaceAll('\0', ''), [25])),
  fc
    .tuple(name, name, fc.array(fc.option(fc.string({ maxLength: 10 }))))
    .map(([portal, statement, values]) => bind(portal, statement, values, [0])),
  fc.tuple(fc.constantFrom('S' as const, 'P' as const), name).map(([what, which]) => describeMessage(what, which)),
  fc.tuple(fc.constantFrom('S' as const, 'P' as const), name).map(([what, which]) => close(what, which)),
  name.map((portal) => execute(portal, 0)),
  fc.constantFrom(SYNC, FLUSH, message('c'), message('F', int32(1), int16(0), int16(0), int16(0))),
);

function framesOf(chunks: readonly Buffer[]): string[] {
  const reader = new FrameReader(clientLimits);
  const found: string[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame; frame = reader.next()) {
      if (isProblem(frame)) return [...found, frame.problem];
      found.push(frame.bytes.toString('hex'));
    }
  }
  return found;
}

describe('any cut of the bytes', () => {
  test('gives the same frames', () => {
    fc.assert(
      fc.property(fc.array(clientMessage, { maxLength: 12 }), places, (messages, at) => {
        const stream = Buffer.concat(messages);
        assert.deepEqual(
          framesOf(cut(stream, at)),
          messages.map((one) => one.toString('hex')),
        );
      }),
    );
  });

  test('gives the same frames and the same refusal for bytes that are none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), places, (bytes, at) => {
        assert.deepEqual(framesOf(cut(Buffer.from(bytes), at)), framesOf([Buffer.from(bytes)]));
      }),
    );
  });

  const cell = fc.oneof(
    fc.constant(null),
    fc.string({ maxLength: 30 }),
    fc.constantFrom('4111111111111111', 'x 4111-1111-1111-1111 y', 'canary-password', 'a'.repeat(3000)),
  );
  const row = fc
    .tuple(cell, cell, cell)
    .map((cells) =>
      message(
        'D',
        int16(3),
        ...cells.flatMap((one) => (one === null ? [int32(-1)] : [int32(Buffer.byteLength(one)), Buffer.from(one)])),
      ),
    );
  const scan = (): RowScan => {
    const fields = [0, 1, 2].map(() => ({ name: 'c', table: 0, column: 0, type: 25, format: 0 as const }));
    const made = rowScan(fields, {
      enforced: createCellScanner(
        [{ rule: 'cards', detect: ['credit_card'], with: 'redact', strict: false }],
        () => '',
      ),
      shadow: undefined,
    });
    if ('unscannable' in made) throw new Error('text can be scanned');
    return made;
  };
  for (const [what, makeScan] of [
    ['as they are', () => undefined],
    ['masked', scan],
  ] as const) {
    test(`gives the same rows, ${what}, with the same counts and the same record`, () => {
      fc.assert(
        fc.property(
          fc.array(fc.oneof(row, fc.constant(message('C', 'SELECT 1'))), { maxLength: 30 }),
          places,
          fc.option(fc.nat(20)),
          (messages, at, limit) => {
            const passed = (chunks: readonly Buffer[]) => {
              const flow = {
                meter: limit === null ? UNLIMITED : meterOf(limit),
                scan: makeScan(),
                sample: new Sample(),
                rows: 0,
                bytes: 0,
                maskedCells: 0,
                stopped: undefined,
              };
              const reader = new ResultReader({ message: () => 'pass', flow: () => flow }, scrub);
              const out = Buffer.concat(chunks.flatMap((chunk) => [...reader.push(chunk).out]));
              return {
                out: out.toString('hex'),
                rows: flow.rows,
                bytes: flow.bytes,
                masked: flow.maskedCells,
                stopped: flow.stopped,
                sample: flow.sample.result(undefined),
              };
            };
            const stream = Buffer.concat(messages);
            const whole = passed([Buffer.from(stream)]);
            assert.deepEqual(passed(cut(stream, at)), whole);
            if (makeScan()) assert.doesNotMatch(Buffer.from(whole.out, 'hex').toString('latin1'), /4111/);
            assert.doesNotMatch(Buffer.from(whole.out, 'hex').toString('latin1'), /canary-password/);
          },
        ),
      );
    });
  }

  test('of both sides gives the same conversation', () => {
    const reply = fc.constantFrom(
      'T a | D 1 | C SELECT 1 | Z I',
      'E 22012 no | Z I',
      '1 | 2 | T a | D 1 | C SELECT 1 | Z I',
      'C BEGIN | Z T',
      'I | Z I',
      'N 00000 hello',
      'S TimeZone UTC',
      'E 34000 no | Z E',
      'H | d 1 | c | C COPY 1 | Z I',
      'T a | D 1',
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(clientMessage, reply), { maxLength: 15 }),
        places,
        fc.boolean(),
        (lines, at, permits) => {
          const whole = converse(lines, [], permits);
          assert.deepEqual(converse(lines, at, permits), whole);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Runs a conversation in which every turn is judged at once. @returns what each side was sent and what was recorded */
function converse(
  lines: readonly (Buffer | string)[],
  at: readonly number[],
  permits: boolean,
): Record<string, string> {
  const conversation = newConversation();
  const said = { client: '', target: '', other: '' };
  const take = (happening: Happening<Judged>): void => {
    for (const step of conversation.take(happening)) perform(step);
  };
  const perform = (step: Step<Turn>): void => {
    if (step.kind === 'send') said[step.to] += step.bytes.toString('hex');
    else if (step.kind === 'judge') take({ kind: 'judged', answer: judgedOf(step.work, permits) });
    else if (step.kind === 'settle') said.other += `settle ${step.index} ${step.outcome.state};`;
    // Whether the read-ahead is full, and when a cancel is sent, depends on how much came at once.
    else if (step.kind === 'finish') said.other += `finish ${step.end.kind};`;
  };
  for (const line of lines) {
    const from = typeof line === 'string' ? 'target' : 'client';
    for (const chunk of cut(typeof line === 'string' ? targetBytes(line) : line, at))
      take({ kind: 'bytes', from, chunk });
  }
  return said;
}

function newConversation(): PostgresConversation {
  const state = new SessionState({ database: 'shop', searchPath: ['public'], settings: new Map() });
  return new PostgresConversation({ scrub, mirror: new Mirror(), state, parameters: new Map() });
}

function judgedOf(turn: Turn, permits: boolean): Judged {
  const units = turn.units.map((unit, first) => ({ unit, first, readings: [], sent: undefined }));
  const commands = turn.units.map((_, i) => ({ id: `c${i}`, meter: UNLIMITED }));
  const answer = permits
    ? mintPermit({ commands, settle: () => {} })
    : ({ kind: 'refusal', code: 'HOOP_DENIED', message: 'no' } as const);
  return { answer, units, basis: 'b', telling: 'all', detectors: undefined, masked: new Map() };
}

describe('random bytes', () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));

  test('from either side never make a conversation throw', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), bytes), { maxLength: 10 }), fc.boolean(), (chunks, permits) => {
        const conversation = newConversation();
        for (const [fromClient, chunk] of chunks) {
          for (const step of conversation.take({ kind: 'bytes', from: fromClient ? 'client' : 'target', chunk })) {
            if (step.kind === 'judge') conversation.take({ kind: 'judged', answer: judgedOf(step.work, permits) });
          }
        }
      }),
    );
  });

  test('behind a good header never make a message reader throw', () => {
    fc.assert(
      fc.property(fc.constantFrom(...'QPBDECSHXFdcf'), bytes, (type, body) => {
        const frame = { type: type.charCodeAt(0), body, bytes: message(type, body) };
        assert.ok(typeof readClientMessage(frame).kind === 'string');
      }),
    );
  });

  test('never make a reader of what comes first, of errors, of columns or of SCRAM throw', () => {
    fc.assert(
      fc.property(bytes, (body) => {
        readFirstPacket(body);
        readErrorFields(body);
        readRowDescription(body);
        scrub.error(body, 'E', 'code');
        const first = readClientFirst(body.toString('latin1'));
        if (first)
          serverExchange(
            { kind: 'scram-sha-256', salt: '', iterations: 1, storedKey: '', serverKey: '' },
            first,
          ).finish(body.toString('latin1'));
      }),
    );
  });

  test('as rows never make a scan throw, or write outside its row', () => {
    const enforced = createCellScanner(
      [{ rule: 'all', detect: ['credit_card', 'email', 'us_ssn'], with: 'redact', strict: false }],
      () => '',
    );
    const types = [25, 114, 3802, 20, 1700, 17, 1009];
    fc.assert(
      fc.property(bytes, fc.constantFrom(0 as const, 1 as const), (body, format) => {
        const fields = types.map((type) => ({ name: 'c', table: 0, column: 0, type, format }));
        const made = rowScan(fields, { enforced, shadow: undefined });
        const whole = message('D', body.length < 2 ? Buffer.from([0, 0]) : body);
        const before = Buffer.from('before');
        const behind = Buffer.from('behind');
        const chunk = Buffer.concat([before, whole, behind]);
        if ('row' in made) made.row(chunk, before.length, before.length + whole.length, { replace: () => {} });
        copyScan('csv', { enforced, shadow: undefined }).row(message('d', body), 0, body.length + 5, {
          replace: () => {},
        });
        assert.ok(
          chunk.subarray(0, before.length).equals(before) &&
            chunk.subarray(chunk.length - behind.length).equals(behind),
        );
      }),
    );
  });
});

describe('what is written', () => {
  test('is read back as it was', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('S', 'C', 'M', 'D', 'H'),
          fc.string({ maxLength: 20 }).map((text) => text.replaceAll('\0', '')),
          { minKeys: 1 },
        ),
        (fields) => {
          const entries = new Map(Object.entries(fields));
          assert.deepEqual(readErrorFields(errorResponse(entries).subarray(5)), entries);
        },
      ),
    );
  });
});
