/** An operation's argv is its administrator's; a client fills in typed parameters and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillOperation, readOperations } from '../../../src/protocols/ssh/operations.ts';

const [restart] = [
  ...readOperations(
    {
      restart: {
        argv: ['systemctl', 'restart', 'web@{colour}', '--lines={lines}', '{unit}'],
        effects: ['administer'],
        parameters: {
          colour: { oneOf: ['blue', 'green'] },
          lines: { integer: { min: 1, max: 50 } },
          unit: { name: { max: 8 } },
        },
      },
    },
    () => assert.fail('it is in order'),
  ).values(),
];

test('parameters stand where the argv names them', () => {
  assert.deepEqual(fillOperation(restart!, ['lines=7', 'colour=blue', 'unit=web-1']), {
    argv: ['systemctl', 'restart', 'web@blue', '--lines=7', 'web-1'],
  });
});

for (const given of [
  ['colour=red', 'lines=7', 'unit=a'],
  ['colour=blue', 'lines=51', 'unit=a'],
  ['colour=blue', 'lines=7.5', 'unit=a'],
  ['colour=blue', 'lines=0x7', 'unit=a'],
  ['colour=blue', 'lines= 7', 'unit=a'],
  ['colour=blue', 'lines=07', 'unit=a'],
  ['colour=blue', 'lines=7', 'unit=-rf'],
  ['colour=blue', 'lines=7', 'unit=a;id'],
  ['colour=blue', 'lines=7', 'unit=../x'],
  ['colour=blue', 'lines=7', 'unit=toolongname'],
  ['colour=blue', 'lines=7', 'unit='],
  ['colour=blue', 'lines=7'],
  ['colour=blue', 'colour=green', 'lines=7', 'unit=a'],
  ['colour=blue', 'lines=7', 'unit=a', 'more=1'],
  ['blue', '7', 'a'],
  ['colour={unit}', 'lines=7', 'unit=a'],
])
  test(`${given.join(' ')} is refused`, () => {
    assert.ok('problem' in fillOperation(restart!, given));
  });

test('what a parameter holds is not filled in again', () => {
  const [echo] = [
    ...readOperations(
      {
        echo: {
          argv: ['echo', '{a}', '{b}'],
          effects: ['read'],
          parameters: { a: { oneOf: ['{b}'] }, b: { oneOf: ['x'] } },
        },
      },
      () => assert.fail('it is in order'),
    ).values(),
  ];
  assert.deepEqual(fillOperation(echo!, ['a={b}', 'b=x']), { argv: ['echo', '{b}', 'x'] });
});
