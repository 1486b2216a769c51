import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BodyMasks, createMessageMasker } from '../../src/mask/index.ts';
import { field, fingerprint, FOUND, SSN } from './bodies.ts';

function through(messages: readonly (string | Buffer)[], masks: BodyMasks = FOUND) {
  const masker = createMessageMasker(masks, fingerprint);
  const flowed = [...messages.flatMap((message) => masker.push(Buffer.from(message as string))), ...masker.end()];
  return { messages: flowed.map(String), masked: masker.masked, failed: masker.failed };
}

const delta = (text: string) => JSON.stringify({ type: 'response.output_text.delta', item_id: 'a', delta: text });

test('messages without anything to mask come out one by one, as they went in', () => {
  const messages = [
    '{"a": 1}',
    '',
    'a text',
    'with\r\nlines\rof \n all kinds',
    '[INFO] started',
    '[]',
    '"x"',
    '\n',
    '✓',
  ];
  assert.deepEqual(through(messages), { messages, masked: 0, failed: undefined });
});

test('each is masked as the JSON or text that it is', () => {
  const { messages, masked } = through([`{"ssn":"${SSN}"}`, `it is ${SSN}, so`, '{"n":"\\u0039"}']);
  assert.equal(messages.length, 3);
  assert.doesNotMatch(messages.join(), new RegExp(SSN));
  assert.equal(masked, 2);
  assert.equal(messages[2], '{"n":"\\u0039"}');
});

test('fields are masked by where they stand', () => {
  const { messages } = through(['{"people":[{"ssn":"any"}]}'], { fields: [field('$..ssn')], detectors: [] });
  assert.deepEqual(messages, ['{"people":[{"ssn":"***"}]}']);
});

test('a value that is told over several messages is found, and no message is added or left out', () => {
  const pieces = ['it is ', SSN.slice(0, 4), SSN.slice(4), ' there'].map(delta);
  const { messages, masked } = through([...pieces, '{"type":"done"}']);
  assert.equal(messages.length, 5);
  assert.equal(masked, 1);
  const text = messages.map((message) => (JSON.parse(message) as { delta?: string }).delta ?? '').join('');
  assert.match(text, /^it is \S+ there$/);
  assert.doesNotMatch(text, /\d/);
});

test('while nothing more comes, what waits is given', () => {
  const masker = createMessageMasker(FOUND, fingerprint);
  const given = [...masker.push(Buffer.from(delta('the number 4111'))), ...masker.idle(), ...masker.idle()];
  assert.deepEqual(given.map(String), [delta('the number 4111')]);
  assert.equal(masker.held, 0);
});

test('several documents in one message are masked each', () => {
  const { messages, masked, failed } = through([`${delta(`a ${SSN} b`)}\n${delta(`c ${SSN} d`)}`]);
  assert.equal(failed, undefined);
  assert.equal(masked, 2);
  assert.doesNotMatch(messages.join(), new RegExp(SSN));
});

test('what is broken JSON where fields are masked, or begins with a byte order mark, lets nothing more through', () => {
  const fields = { fields: [field('$..ssn')], detectors: [] };
  assert.deepEqual(through(['{"ssn":"x",}', '{}'], fields).messages, []);
  assert.match(through(['{"ssn":"x",}', '{}'], fields).failed ?? '', /not JSON/);
  const marked = through(['\ufeff{"ssn":"x"}', '{}'], fields);
  assert.deepEqual(marked.messages, []);
  assert.match(marked.failed ?? '', /byte order mark/);
});

test('lines of text are looked at as one', () => {
  const { messages } = through(['bob@example.test\rnext'], FOUND);
  assert.equal(messages.length, 1);
  assert.doesNotMatch(messages[0] ?? '', /bob/);
});
