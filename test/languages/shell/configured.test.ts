import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readPrograms, readShell } from '../../../src/languages/shell/index.ts';

function table(raw: unknown) {
  const read = readPrograms(raw);
  assert.ok(read.ok, JSON.stringify(read));
  return read.table;
}

function effectsOf(text: string, raw: unknown, stdin?: boolean): string[] {
  return [...readShell(text, { programs: table(raw), ...(stdin !== undefined && { stdin }) }).effects];
}

describe('a program that configuration adds', () => {
  const deploy = { deploy: { effects: ['execute'], options: ['-v', '--to=', '-n='] } };

  test('has the effects it is given', () =>
    assert.deepEqual(effectsOf('deploy -v --to x -n5 web', deploy), ['execute']));
  test('is found through a wrapper', () => assert.deepEqual(effectsOf('sudo deploy', deploy), ['execute']));
  test('knows no other options', () => assert.ok(effectsOf('deploy --from x', deploy).includes('unknown')));
  test('may become anything by a variable', () => assert.ok(effectsOf('deploy $X', deploy).includes('unknown')));
  test('may take any option', () => {
    const any = { deploy: { effects: ['execute'], options: 'any' } };
    assert.deepEqual(effectsOf('deploy --whatever $X', any), ['execute']);
  });
  test('may be named by its path', () => {
    const raw = { '/opt/app/deploy': { effects: ['execute'] } };
    assert.ok(effectsOf('deploy', raw).includes('unknown'));
    assert.ok(!effectsOf('/opt/app/deploy', raw).includes('unknown'));
  });
  test('that takes commands is unknown while its standard input is open', () => {
    const raw = { console: { effects: ['execute'], stdin: 'commands' } };
    assert.ok(effectsOf('console', raw).includes('unknown'));
    assert.deepEqual(effectsOf('console', raw, false), ['execute']);
    assert.ok(effectsOf('echo x | console', raw, false).includes('unknown'));
  });
  test('may say what an interpreter does here', () => {
    assert.deepEqual(effectsOf('python3 x.py', { python3: { effects: ['execute'] } }), ['execute']);
  });
});

test('nothing is added by nothing', () => assert.equal(table(undefined).size, 0));

describe('what does not load', () => {
  const rows: readonly (readonly [raw: unknown, path: string, message: string])[] = [
    [{ rm: { effects: ['read'] } }, 'rm', 'is in the table already'],
    [{ 'a b': { effects: ['read'] } }, 'a b', 'is not the name of a program'],
    [{ './x': { effects: ['read'] } }, './x', 'is not the name of a program'],
    [{ x: {} }, 'x.effects', 'is missing'],
    [{ x: { effects: [] } }, 'x.effects', 'must not be empty'],
    [
      { x: { effects: ['reed'] } },
      'x.effects.0',
      'must be one of: read, write, delete, define, execute, administer, transfer, control, unknown',
    ],
    [{ x: { effects: ['read'], options: 'all' } }, 'x.options', 'must be any, or a list of options'],
    [{ x: { effects: ['read'], options: ['v'] } }, 'x.options.0', 'must be one option'],
    [{ x: { effects: ['read'], options: ['-v!unknown'] } }, 'x.options.0', 'must be one option'],
    [{ x: { effects: ['read'], stdin: 'open' } }, 'x.stdin', 'must be one of: none, data, commands'],
    [{ x: { effects: ['read'], option: [] } }, 'x.option', 'unknown key "option"'],
    [[], '', 'must be a mapping (key: value)'],
    ['x', '', 'must be a mapping (key: value)'],
  ];
  for (const [raw, path, message] of rows) {
    test(JSON.stringify(raw), () => {
      const read = readPrograms(raw);
      assert.ok(!read.ok);
      assert.deepEqual(
        read.problems.map((one) => [one.path.join('.'), one.message]),
        [[path, message]],
      );
    });
  }
});
