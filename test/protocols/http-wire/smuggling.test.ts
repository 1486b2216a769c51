import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readTarget } from '../../../src/protocols/http-wire/target.ts';
import { AFTER, BROKEN_BODIES, PATHS, REFUSED } from './corpus.ts';
import { createStage, say, type Stage, statuses } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await createStage();
});
after(() => stage.close());

for (const [trick, rows] of Object.entries(REFUSED))
  describe(trick, () => {
    for (const [name, bytes] of rows)
      test(`${name}: nothing is begun, the answer is a refusal, the connection ends`, async () => {
        const began = stage.begun.length;
        const received = await say(stage.port, bytes + AFTER);
        assert.equal(stage.begun.length, began);
        assert.equal(statuses(received).length, 1, received);
        assert.match(received, /^HTTP\/1\.1 (?:400|408|431|505) [^\r]*\r\n/);
        assert.match(received, /\r\nConnection: close\r\n/);
        assert.deepEqual(Object.keys(JSON.parse(received.slice(received.indexOf('\r\n\r\n'))).error), [
          'code',
          'message',
          'type',
          'param',
        ]);
      });
  });

describe('bodies whose framing breaks', () => {
  for (const [name, bytes] of BROKEN_BODIES)
    test(`${name}: the body fails, the answer is 400, nothing behind it is a request`, async () => {
      const began = stage.begun.length;
      const received = await say(stage.port, bytes + AFTER);
      assert.deepEqual(
        stage.begun.slice(began).map(({ method, target }) => `${method} ${target}`),
        ['POST /'],
      );
      assert.deepEqual(statuses(received), [400], received);
      assert.equal(stage.begun.at(-1)?.gone.aborted, true);
    });
});

describe('paths in another spelling', () => {
  for (const path of PATHS)
    test(`${JSON.stringify(path.slice(0, 60))} is refused`, () => {
      const reading = readTarget(path);
      assert.equal(reading.ok, false);
    });
});
