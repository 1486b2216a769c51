import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseJsonPath } from '../../src/domain/json-path.ts';

const name = (text: string, deep = false) => ({ deep, to: { kind: 'name', name: text } });
const any = { deep: false, to: { kind: 'any' } };

describe('JSON paths', () => {
  test('are read step by step', () => {
    assert.deepEqual(parseJsonPath("$.a[*]['b c'][3]..d.*"), {
      ok: true,
      steps: [name('a'), any, name('b c'), { deep: false, to: { kind: 'index', index: 3 } }, name('d', true), any],
    });
    assert.deepEqual(parseJsonPath('$..[*]'), { ok: true, steps: [{ deep: true, to: { kind: 'any' } }] });
    assert.deepEqual(parseJsonPath('$["it\'s"]'), { ok: true, steps: [name("it's")] });
    assert.deepEqual(parseJsonPath("$['it\\'s']"), { ok: true, steps: [name("it's")] });
    assert.deepEqual(parseJsonPath('$.größe'), { ok: true, steps: [name('größe')] });
  });

  test('that ask for more than can be told as a document flows are not read', () => {
    const steps = ['$.', '$..', '$.a.', '$[-1]', '$[0:2]', "$['a','b']", '$[?@.a]', '$.[0]', '$.a-b', '$[01]', "$['a"];
    for (const path of ['', 'a', '.a', '$a', ...steps]) assert.equal(parseJsonPath(path).ok, false, path);
  });

  test('that name the whole body are not read', () => {
    assert.match(JSON.stringify(parseJsonPath('$')), /whole body/);
  });

  test('say where they cannot be read', () => {
    assert.match(JSON.stringify(parseJsonPath('$.a[?@.b]')), /from .*\[\?@/);
  });
});
