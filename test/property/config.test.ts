/** Any gateway.yaml loads or is refused with problems; and a credential that stands in it in clear text is never repeated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from './drawn.ts';
import { parseDuration } from '../../src/base/duration.ts';
import { openYaml, type Problem } from '../../src/base/document.ts';
import { parseSize } from '../../src/base/size.ts';
import { readGateway, type TargetReader } from '../../src/config/gateway/index.ts';

const toy: TargetReader = {
  defaultPort: 1,
  facts: {},
  settings: (raw) => ({ ok: true, settings: raw, account: 'a', address: { host: 'h', port: 1 }, secrets: {} }),
};

const SAMPLE = `listen: 127.0.0.1:8443
publicUrl: http://127.0.0.1:8443
identity:
  issuers:
    - { issuer: https://idp.example, audience: hoop-gateway, clientId: hoopctl, groupsClaim: groups }
store: sqlite:./data/hoop.db
recordings: { url: file:./data/recordings, durability: effects }
keys: file:./data/keys
policy: ./policy.yaml
notify:
  - { name: oncall, webhook: { url: https://hooks.example, secret: { env: HOOK_SECRET } } }
targets:
  orders-db:
    protocol: toy
    account: { user: app_reader, password: { env: ORDERS_DB_PASSWORD } }
    labels: { env: prod }
`;

const read = (text: string) => readGateway({ file: 'gateway.yaml', text, folder: '/etc/hoop' }, { toy });

test('any text loads or is refused with a problem: nothing is thrown', () => {
  assert.ok(read(SAMPLE).ok);
  const damaged = fc
    .array(fc.tuple(fc.nat(SAMPLE.length), fc.nat(30), fc.string({ maxLength: 5 })), { minLength: 1, maxLength: 4 })
    .map((edits) => edits.reduce((text, [at, gone, put]) => text.slice(0, at) + put + text.slice(at + gone), SAMPLE));
  fc.assert(
    fc.property(fc.oneof(fc.string(), damaged), (text) => {
      const reading = read(text);
      if (!reading.ok) assert.ok(reading.problems.length > 0);
    }),
    { numRuns: 300 },
  );
});

test('a password in the place of its reference is refused and not repeated, whatever it looks like', () => {
  const password = fc.string({ minLength: 8, unit: fc.constantFrom(...'abcXYZ019!$%/+=') }).map((text) => `pw${text}`);
  const place = fc.constantFrom('{ env: HOOK_SECRET }', '{ env: ORDERS_DB_PASSWORD }');
  fc.assert(
    fc.property(password, place, fc.constantFrom('', '"', "'"), (secret, where, quote) => {
      const reading = read(SAMPLE.replace(where, `${quote}${secret}${quote}`));
      assert.ok(!reading.ok);
      assert.ok(!JSON.stringify(reading.problems).includes(secret.slice(0, 8)), JSON.stringify(reading.problems));
    }),
    { numRuns: 200 },
  );
});

test('every problem points at a line of the file', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SAMPLE.split('\n').slice(0, -1)),
      fc.constantFrom('xyz: 1', '- 1', 'a', ''),
      (line, put) => {
        const text = SAMPLE.replace(line, put);
        const reading = read(text);
        if (reading.ok) return;
        for (const problem of reading.problems)
          assert.ok((problem.line ?? 1) >= 1 && (problem.line ?? 1) <= text.split('\n').length);
      },
    ),
  );
});

test('a document gives back what YAML says, for anything JSON can say', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue(), { minKeys: 1, maxKeys: 4 }), (value) => {
      const problems: Problem[] = [];
      const document = openYaml({ file: 'x', text: JSON.stringify(value) }, problems);
      assert.deepEqual(problems, []);
      assert.equal(JSON.stringify(document?.root), JSON.stringify(value));
    }),
    { numRuns: 200 },
  );
});

test('durations and sizes are numbers or nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{1,20}(ms|s|m|h|d|B|KB|KiB|MiB|GiB)?$/)), (text) => {
      for (const value of [parseDuration(text), parseSize(text)])
        assert.ok(value === undefined || (Number.isSafeInteger(value) && value >= 0));
    }),
  );
});
