import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BodyMasks, createSseMasker } from '../../src/mask/index.ts';
import { CARD, detecting, FOUND, field, fingerprint, SSN, through } from './bodies.ts';

const masked = (body: string | Buffer, masks: BodyMasks = FOUND, length?: number) =>
  through(createSseMasker(masks, fingerprint), body, length);
const text = (body: string, masks?: BodyMasks) => {
  const flowed = masked(body, masks);
  assert.equal(flowed.failed, undefined);
  assert.equal(masked(body, masks, 1).text, flowed.text, 'byte by byte it is the same');
  return flowed.text;
};

type Tell = (piece: string) => unknown;
/** How those that stream a text a few characters at a time tell it. */
const CHAT: Tell = (content) => ({ id: 'chatcmpl-4111111111', choices: [{ index: 0, delta: { content } }] });
const MESSAGES: Tell = (told) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: told } });
const RESPONSES: Tell = (delta) => ({ type: 'response.output_text.delta', item_id: 'msg_1', output_index: 0, delta });
const COMPLETIONS: Tell = (told) => ({ choices: [{ text: told, index: 0 }] });

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;
const events = (tell: Tell, pieces: readonly string[]) => pieces.map((piece) => event(tell(piece))).join('');

/** The text that a client puts together. */
function told(stream: string, read: (data: never) => string): string {
  const data = [...stream.matchAll(/^data: (\{.*\})$/gm)].map(([, json]) => JSON.parse(json ?? '') as never);
  return data.map(read).join('');
}

const SHAPES: readonly (readonly [string, Tell, (data: never) => string])[] = [
  ['chat completions', CHAT, (data: { choices: [{ delta: { content: string } }] }) => data.choices[0].delta.content],
  ['messages', MESSAGES, (data: { delta: { text: string } }) => data.delta.text],
  ['responses', RESPONSES, (data: { delta: string }) => data.delta],
  ['completions', COMPLETIONS, (data: { choices: [{ text: string }] }) => data.choices[0].text],
];

describe('events', () => {
  test('that hold nothing flow byte for byte, however their lines end', () => {
    for (const end of ['\n', '\r', '\r\n']) {
      const lines = [
        ': ping',
        'event: x',
        'id: 7',
        'retry: 100',
        'data: {"a" : "b"}',
        '',
        'data:text',
        'data',
        'data: more',
        '',
        '',
      ];
      assert.equal(text(lines.join(end)), lines.join(end));
    }
  });

  test('flow when they have come whole', () => {
    const masker = createSseMasker(FOUND, fingerprint);
    assert.equal(masker.push(Buffer.from('data: {"a":1}\n')).length, 0);
    assert.equal(masker.push(Buffer.from('\ndata: {')).toString(), 'data: {"a":1}\n\n');
    assert.equal(masker.held, 7);
  });

  test('are masked as the JSON they hold', () => {
    assert.equal(
      text(`event: row\ndata: {"a":"\\u0039${SSN.slice(1)}",\ndata: "b":${CARD}}\n\n`),
      'event: row\ndata: {"a":"***",\ndata: "b":"***"}\n\n',
    );
    assert.equal(
      text('data: {"c":[{"ssn":1}]}\n\n', { fields: [field('$.c[*].ssn')], detectors: [] }),
      'data: {"c":[{"ssn":"***"}]}\n\n',
    );
  });

  test('are masked as the text they hold, in every line', () => {
    const body = `: ${CARD}\r\nevent: ${SSN}\r\nid: dana@example.test\r\ndata: ssn ${SSN}\r\ndata: ok.\r\n\r\n`;
    assert.equal(text(body), ': ***\r\nevent: ***\r\nid: ***\r\ndata: ssn ***\r\ndata: ok.\r\n\r\n');
  });

  test('that were not ended are masked too', () => {
    assert.equal(text(`data: {"a":"${SSN}"}`), 'data: {"a":"***"}\n');
    assert.equal(text(`data: ${SSN}`), 'data: ***\n');
  });

  test('longer than what is held fail', () => {
    const masker = createSseMasker(FOUND, fingerprint, { limit: 1_000 });
    assert.match(through(masker, `data: ${'x'.repeat(5_000)}`, 100).failed ?? '', /longer than 1000/);
  });

  test('in UTF-16 fail', () => {
    assert.match(masked(Buffer.from(`data: ${SSN}\n\n`, 'utf16le')).failed ?? '', /encoding/);
    assert.match(masked(Buffer.from(`data: ${SSN}\n\n\n\n`, 'utf16le'), FOUND, 1).failed ?? '', /encoding/);
  });

  test('of broken JSON fail where a field is masked', () => {
    const fields = { fields: [field('$..ssn')], detectors: [] };
    assert.match(masked('data: {"ssn":1,}\n\n', fields).failed ?? '', /not JSON/);
    assert.equal(masked('data: [DONE]\n\ndata: hello\n\n', fields).failed, undefined);
  });
});

describe('a value that is told over several events', () => {
  for (const [name, tell, read] of SHAPES) {
    test(`is found at every cut: ${name}`, () => {
      const said = `It is ${SSN}, or dana@example.test; card 4111 1111 1111 1111 it is.`;
      for (let at = 1; at < said.length; at++) {
        const shown = text(events(tell, [said.slice(0, at), said.slice(at)]));
        assert.equal(told(shown, read), 'It is ***, or ***; card *** it is.', `cut at ${at}`);
      }
    });

    test(`is found character by character: ${name}`, () => {
      const stream = text(events(tell, [...`a ${SSN} b`]));
      assert.equal(told(stream, read), 'a *** b');
      assert.equal(stream.match(/^data/gm)?.length, SSN.length + 4, 'no event is added or left out');
    });
  }

  test('is found in events of text', () => {
    assert.equal(text('data: 919-0\n\ndata: 1-0031\n\ndata: bye\n\n'), 'data: ***\n\ndata: \n\ndata: bye\n\n');
    assert.equal(
      text('data: 4111\n\ndata: 1111\n\ndata: 1111\n\ndata: 1111\n\n'),
      'data: ***\n\ndata: \n\ndata: \n\ndata: \n\n',
    );
  });

  test('is found in strings that are events', () => {
    assert.equal(text('data: "919-0"\n\ndata: "1-0031"\n\n'), 'data: "***"\n\ndata: ""\n\n');
  });

  test('is found where it is a private key over hundreds of events', () => {
    const key = `-----BEGIN PRIVATE KEY-----\n${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n'.repeat(40)}-----END PRIVATE KEY-----\n`;
    const pieces = `key: ${key} done`.match(/[\s\S]{1,7}/g) ?? [];
    const shown = told(text(events(CHAT, pieces)), SHAPES[0]![2]);
    assert.equal(shown, 'key: ***\n done');
  });

  test('is found where another text is told in between', () => {
    const other: Tell = (content) => ({ choices: [{ index: 1, delta: { content } }] });
    const stream = text(event(CHAT('919-0')) + event(other('1-1111')) + event(CHAT('1-0031')) + event(other('!')));
    assert.ok(!stream.includes('0031') && stream.includes('1-1111'));
  });

  test('is found over comments and pings that keep the connection alive', () => {
    const stream = text(
      `${event(MESSAGES('919-0'))}: alive\n\nevent: ping\ndata: {"type":"ping"}\n\n${event(MESSAGES('1-0031'))}`,
    );
    assert.equal(
      told(stream, (data: { delta?: { text: string } }) => data.delta?.text ?? ''),
      '***',
    );
  });

  test('never goes out whole, not where the first part was let go after a while', () => {
    const masker = createSseMasker(FOUND, fingerprint);
    const push = (piece: string) => masker.push(Buffer.from(event(CHAT(piece)))).toString();
    assert.equal(push('919-0'), '');
    assert.equal(masker.idle().toString(), '', 'it looks like the beginning of a value');
    assert.match(masker.idle().toString(), /919-0/);
    const rest = push('1-0031') + push(' ok, ') + masker.end().toString();
    assert.ok(!rest.includes('0031'), rest);
    assert.match(rest, /\*\*\*/);
    assert.match(rest, / ok, /);
  });

  test('leaves other events where they were', () => {
    const stream = text(`${event(CHAT('919-0'))}${event(CHAT('1-0031'))}data: [DONE]\n\n`);
    assert.equal(stream, `${event(CHAT('***'))}${event(CHAT(''))}data: [DONE]\n\n`);
  });
});

describe('what is held back', () => {
  test('is the last word alone, until the next piece comes', () => {
    const masker = createSseMasker(FOUND, fingerprint);
    const flows = (piece: string) => masker.push(Buffer.from(event(CHAT(piece)))).toString();
    assert.equal(flows('Hello'), '');
    assert.equal(flows(' world.'), event(CHAT('Hello')));
    assert.equal(flows(' So,'), event(CHAT(' world.')) + event(CHAT(' So,')));
    assert.equal(masker.held, 0);
  });

  test('flows when nothing comes for a while', () => {
    const masker = createSseMasker(FOUND, fingerprint);
    masker.push(Buffer.from(event(CHAT('Hello'))));
    assert.equal(masker.idle().toString(), event(CHAT('Hello')));
  });

  test('flows when something else is told', () => {
    const masker = createSseMasker(FOUND, fingerprint);
    const stop = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    assert.equal(masker.push(Buffer.from(event(CHAT('Hello')) + stop)).toString(), event(CHAT('Hello')) + stop);
  });

  test('is not what is told once: a role, a name, an id', () => {
    const masker = createSseMasker(FOUND, fingerprint);
    const role = event({ choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] });
    assert.equal(masker.push(Buffer.from(role)).toString(), role);
  });

  test('is bounded: a key without end, or a word', () => {
    for (const begins of ['-----BEGIN PRIVATE KEY-----\n', 'eyJ']) {
      const masker = createSseMasker(FOUND, fingerprint);
      let most = 0;
      const pieces = [begins, ...Array.from({ length: 6_000 }, () => 'abcdefgh')];
      for (const piece of pieces) {
        masker.push(Buffer.from(`data: "${piece.replace('\n', '\\n')}"\n\n`));
        most = Math.max(most, masker.held);
      }
      assert.ok(most < 128 * 1024, `${begins}: ${most}`);
      assert.equal(masker.failed, undefined);
    }
  });

  test('waits for no text that went on in none of the last events', () => {
    const masker = createSseMasker(FOUND, fingerprint);
    const first = event({ delta: { note: 'word' } });
    const rest = Array.from({ length: 40 }, () => event(CHAT('x, '))).join('');
    assert.match(masker.push(Buffer.from(first + rest)).toString(), /"word"/);
  });
});

describe("a tool's arguments, and what is said in JSON", () => {
  const tell: Tell = (partial_json) => ({
    type: 'content_block_delta',
    index: 1,
    delta: { type: 'input_json_delta', partial_json },
  });
  const read = (data: { delta: { partial_json: string } }) => data.delta.partial_json;
  const fields = { fields: [field('$..ssn')], detectors: [detecting()] };

  test('are masked as the document they become', () => {
    const shown = text(events(tell, ['', '{"ss', 'n":"1', '2","', 'x":1,"mail":"dana@', 'example.test"}']), fields);
    assert.equal(told(shown, read), '{"ssn":"***","x":1,"mail":"***"}');
  });

  test('show nothing where they never become one', () => {
    assert.equal(told(text(events(tell, ['{"ss', 'n":"12']), fields), read), '***');
  });

  test('are masked wherever they are told, and one after another', () => {
    const said = (content: string) => ({ choices: [{ index: 0, delta: { content } }] });
    const shown = text(events(said, ['\n', ' {"ss', 'n":1}', '\n', '{"ssn"', ':2}', '\n', 'ok']), fields);
    assert.equal(told(shown, SHAPES[0]![2]), '\n {"ssn":"***"}\n{"ssn":"***"}\nok');
  });

  test('are no documents where the text began in another way', () => {
    const body = events(tell, ['see ', '{"a', ' here.\n']);
    assert.equal(text(body, fields), body);
  });

  test('flow as they came where nothing in them is masked', () => {
    const body = events(tell, ['{"a', '":"}"', '}']);
    assert.equal(text(body, fields), body);
  });
});
