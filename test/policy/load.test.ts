/** What a policy file may not say: each mistake is refused at its line, with what to do about it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile } from '../../src/policy/index.ts';
import { problemsOf, policy, refuses, SAMPLE, SURROUNDINGS } from './fixtures.ts';

const ACCESS = "{ name: a, subjects: {}, targets: ['*'] }";
const rule = (rest: string) => `rules: [{ name: r, ${rest} }]`;
const held = (hold: string) => rule(`then: { hold: { approvers: { groups: [g] }, ${hold} } }`);

test('all problems are told at once, each at its line', () => {
  const problems = problemsOf(`version: 1
acess: []
access:
  - name: a
    subjects: { groups: [] }
    targets: [order-db]
  - name: b
    subjects: {}
    targets: [order-db]
    effects: [reed]
rules:
  - { name: c, targets: [orders-db], when: { postgres.were: false }, then: hold }
  - { name: d, then: forbid }
`);
  assert.deepEqual(
    problems.map(({ line, message }) => [line, message]),
    [
      [2, 'unknown key "acess"'],
      [5, 'access[0].subjects.groups: must not be empty'],
      [
        10,
        'access[1].effects[0]: must be one of: read, write, delete, define, execute, administer, transfer, control, unknown',
      ],
      [12, '"c" when.postgres.were: no target of this rule has such a fact'],
      [12, '"c" holds, but names no approvers'],
      [13, 'rules[1].then: must be one of: allow, deny, hold, { hold: { … } }'],
    ],
  );
  assert.equal(problems[0]?.hint, 'did you mean "access"?');
  assert.equal(problems[2]?.hint, 'did you mean "read"?');
  assert.equal(problems[3]?.hint, 'did you mean "postgres.where"?');
});

describe('names must lead somewhere', () => {
  test('a target that gateway.yaml does not define', () => {
    refuses(
      'access: [{ name: prod-read, subjects: {}, targets: [order-db] }]',
      /^"prod-read" names target "order-db", which gateway.yaml does not define$/,
      /did you mean "orders-db"\?/,
    );
    refuses('rules: [{ name: r, targets: [order-db], then: deny }]', /names target "order-db"/);
    refuses('agents: { bot: { owners: { users: [x] }, targets: [order-db] } }', /"bot" names target "order-db"/);
    refuses(
      `trustedFunctions: [{ target: order-db, signature: f(), sha256: ${'a'.repeat(64)} }]`,
      /names target "order-db"/,
    );
  });

  test('an agent that is not registered', () => {
    refuses(
      "agents: { weekly: { owners: { users: [x] } } }\naccess: [{ name: a, subjects: { agents: [weakly] }, targets: ['*'] }]",
      /names agent "weakly"/,
      /did you mean "weekly"\?/,
    );
  });

  test('a notifier that gateway.yaml does not define', () => {
    refuses(held('notify: [onkall]'), /notifies "onkall"/, /did you mean "oncall"\?/);
  });

  test('without gateway.yaml the names of targets and notifiers are not checked', () => {
    policy(
      `${rule('targets: [anything], when: { postgres.where: true }, then: { hold: { approvers: { groups: [g] }, notify: [any] } }')}`,
      {
        facts: SURROUNDINGS.facts,
      },
    );
  });
});

describe('a rule that can never match', () => {
  test('by its targets', () => {
    refuses(rule("targets: ['prod-*'], then: deny"), /can never match/);
    refuses(rule('targets: [{ labels: { env: production } }], then: deny'), /can never match/);
    refuses("masks: [{ name: m, targets: ['prod-*'], detect: [email], with: redact }]", /can never match/);
    refuses("limits: [{ name: l, targets: ['prod-*'], rowsPerRun: 1 }]", /can never match/);
  });

  test('by a fact that none of its targets has, though another protocol does', () => {
    refuses(
      rule('targets: [web], when: { postgres.where: false }, then: deny'),
      /no target of this rule has such a fact/,
    );
    policy(rule("targets: ['*'], when: { postgres.where: false }, then: deny"));
  });

  test('by facts of two protocols at once', () => {
    refuses(rule('when: { postgres.where: false, http.method: GET }, then: deny'), /no target has all of/);
  });

  test('by its values', () => {
    refuses(rule('when: { postgres.where: maybe }, then: deny'), /must be true or false/);
    refuses(rule('when: { postgres.depth: { lt: 3, gt: 5 } }, then: deny'), /contradict/);
    refuses(rule('when: { postgres.where: { not: [true, false] } }, then: deny'), /contradict/);
    refuses(rule('when: { postgres.statement: { all: [delete, insert] } }, then: deny'), /contradict/);
    refuses(rule('when: { postgres.statement: { any: [delete], not: [delete] } }, then: deny'), /contradict/);
    refuses(rule("when: { postgres.statement: { any: [delete], glob: 'in*' } }, then: deny"), /contradict/);
    refuses(rule('when: { postgres.tables: { all: [a, b], not: [b] } }, then: deny'), /contradict/);
    refuses(rule('when: { postgres.tables: [] }, then: deny'), /must not be empty/);
    refuses(rule('when: { effects: [] }, then: deny'), /must not be empty/);
    refuses(rule('when: { resources: [] }, then: deny'), /must not be empty/);
  });

  test('by an operator that does not fit', () => {
    refuses(rule('when: { postgres.statement: { lt: 5 } }, then: deny'), /lt compares numbers/);
    refuses(rule('when: { postgres.depth: { glob: a } }, then: deny'), /glob compares texts/);
    refuses(rule('when: { postgres.tables: { some: [a] } }, then: deny'), /unknown operator "some"/);
  });
});

describe('hold', () => {
  test('without approvers anywhere', () => {
    refuses(rule('then: hold'), /holds, but names no approvers/, /defaults.hold/);
    refuses(rule('then: { hold: {} }'), /holds, but names no approvers/);
    refuses(rule('then: { hold: { approvers: {} } }'), /names nobody/);
    refuses(rule('then: { hold: { approvers: { groups: [] } } }'), /must not be empty/);
  });

  test('with a proof that there is not', () => {
    refuses(held('proof: weak'), /must be one of: fresh, login, launcher/);
  });

  test("with a key press in the launcher's terminal, where the launcher may not approve", () => {
    refuses(held('proof: launcher'), /can never be approved/, /proof: launcher needs self: true/);
    refuses(held('self: false, proof: launcher'), /can never be approved/);
  });

  test('moderated belongs to a rule that holds and is enforced', () => {
    refuses(
      rule('then: { hold: { approvers: { groups: [g] }, moderated: true } }, mode: shadow'),
      /moderated, and in shadow/,
    );
    refuses(rule('then: deny, moderated: true'), /unknown key/);
    refuses(held('moderated: sometimes'), /moderated/);
    refuses('defaults: { hold: { moderated: true } }', /said by its own rule/);
    refuses(
      'limits: [{ name: l, rowsPerRun: 1, then: { hold: { approvers: { groups: [g] }, moderated: true } } }]',
      /limit asks for more/,
    );
  });

  test('that waits longer than it lives', () => {
    refuses(held('within: 1m, wait: 2m'), /waits longer/);
  });

  test('for oneself with an ordinary login', () => {
    refuses(held('self: true, proof: login'), /approve themselves/);
  });

  test('with a length of time without a unit', () => {
    refuses(held('within: 10'), /must be a length of time/, /15m/);
  });
});

describe('limits', () => {
  const limit = (rest: string) => `limits: [{ name: l, ${rest} }]`;

  test('per without a window, and a window without per', () => {
    refuses(limit('rowsPerRun: 1, per: agent'), /needs per and window together/);
    refuses(limit('rowsPerRun: 1, window: 1h'), /needs per and window together/);
  });

  test('per something else than an agent or a subject', () => {
    refuses(limit('rowsPerRun: 1, per: target, window: 1h'), /agent.*subject/);
  });

  test('per without a budget that it is about', () => {
    refuses(limit('rowsPerStatement: 1, per: agent, window: 1h'), /no budget that it is about/);
  });

  test('a window that is no length of time, too short, or longer than anything is remembered', () => {
    refuses(limit('rowsPerRun: 1, per: agent, window: 10'), /must be a length of time/);
    refuses(limit('rowsPerRun: 1, per: agent, window: 59s'), /between 1m and 366d/);
    refuses(limit('rowsPerRun: 1, per: agent, window: 367d'), /between 1m and 366d/);
  });

  test('per goes with every budget of a run', () => {
    policy(limit('requestsPerRun: 1, per: agent, window: 1h'));
    policy(limit('tokensPerRun: 1, spendPerRun: 0.5, per: subject, window: 1h'));
  });

  test('a limit that asks people for more requests, tokens or money', () => {
    const then = 'then: { hold: { approvers: { groups: [g] } } }';
    for (const budget of ['requestsPerRun: 1', 'tokensPerRun: 1', 'spendPerRun: 1', 'rowsPerRun: 5, spendPerRun: 1'])
      refuses(limit(`${budget}, ${then}`), /no part of one/, /a limit of their own, with then: deny/);
  });

  test('tokens and spend that no target of the limit counts', () => {
    const at = (counts: readonly ('tokens' | 'spend')[]) => ({
      ...SURROUNDINGS,
      targets: [
        { name: 'orders-db', protocol: 'postgres', labels: {}, counts: [] },
        { name: 'model', protocol: 'http', labels: {}, counts },
      ],
    });
    const said = (text: string, around: typeof SURROUNDINGS) => problemsOf(text, around).map(({ message }) => message);
    assert.match(said(limit('tokensPerRun: 5'), at([])).join(), /tokensPerRun: no target of this limit/);
    assert.match(said(limit('spendPerRun: 5'), at(['tokens'])).join(), /spendPerRun: no target of this limit/);
    assert.match(said(limit('targets: [orders-db], tokensPerRun: 5'), at(['tokens'])).join(), /tokensPerRun/);
    policy(limit('targets: [model], tokensPerRun: 5, requestsPerRun: 5'), at(['tokens']));
    policy(limit("targets: ['*'], spendPerRun: 5"), at(['tokens', 'spend']));
    policy(limit('targets: [orders-db], tokensPerRun: none'), at([]));
  });

  test('a limit that holds, and names nobody to ask', () => {
    refuses(limit('rowsPerRun: 1, then: hold'), /"l" holds, but names no approvers/);
  });

  test('a limit that allows', () => {
    refuses(limit('rowsPerRun: 1, then: allow'), /deny.*hold/);
  });

  test('a limit without a budget', () => {
    refuses(limit('then: deny'), /sets no budget/);
  });

  test('budgets are numbers, sizes or none', () => {
    refuses(limit('rowsPerRun: 1.5'), /whole number or none/);
    refuses(limit('bytesPerRun: 50 miles'), /amount of bytes/);
    refuses(limit('rowsPerRun: -1'), /whole number or none/);
    refuses(limit('requestsPerRun: 1.5'), /whole number or none/);
    refuses(limit('tokensPerRun: 1MiB'), /whole number or none/);
    refuses(limit('spendPerRun: -0.5'), /a number or none/);
    refuses(limit('spendPerRun: 5USD'), /a number or none/);
    policy(limit('requestsPerRun: none, tokensPerRun: 100000, spendPerRun: 2.5'));
    policy(limit('rowsPerRun: none, bytesPerRun: 1GiB, bytesPerStatement: 100'));
  });
});

describe('masks', () => {
  const mask = (rest: string) => `masks: [{ name: m, ${rest} }]`;

  test('columns are schema.relation.column', () => {
    refuses(mask('columns: [customers.ssn], with: redact'), /schema.relation.column/);
    refuses(mask("columns: ['public.customers.*'], with: redact"), /schema.relation.column/);
    refuses(mask(`columns: ['public."Customers".ssn'], with: redact`), /schema.relation.column/);
  });

  test('detectors and ways of masking are known ones', () => {
    refuses(mask('detect: [emial], with: redact'), /must be one of: credit_card/, /did you mean "email"\?/);
    refuses(mask('detect: [email], with: last5'), /must be one of/, /did you mean "last4"\?/);
    policy(mask('detect: [email], with: { fixed: hidden }'));
  });

  test('either columns or detectors', () => {
    refuses(mask('with: redact'), /needs one of columns, detect and json/);
    refuses(mask('columns: [a.b.c], detect: [email], with: redact'), /needs one of columns, detect and json/);
    refuses(mask('columns: [a.b.c], strict: true, with: redact'), /strict belongs to detect/);
  });

  test('a field is named by a path that can be followed as a body flows', () => {
    refuses(mask("targets: [web], json: ['ssn'], with: redact"), /begins with \$/, /\$\.\.ssn/);
    refuses(mask("targets: [web], json: ['$.a[?@.b]'], with: redact"), /cannot be read from/);
    refuses(mask("targets: [web], json: ['$'], with: redact"), /whole body/);
    refuses(mask('targets: [web], json: [7], with: redact'), /must be a JSON path/);
    refuses(mask('targets: [web], json: [], with: redact'), /must not be empty/);
    refuses(
      mask("targets: [web], json: ['$.a'], detect: [email], with: redact"),
      /needs one of columns, detect and json/,
    );
    refuses(mask("targets: [web], json: ['$.a'], strict: true, with: redact"), /strict belongs to detect/);
    policy(mask("targets: [web], json: ['$.a', \"$['b c'][*]..d\"], with: last4, direction: both, mode: shadow"));
  });

  test('fields and what a client sends are masked where targets have bodies, and nowhere else', () => {
    for (const targets of ['[orders-db]', "['*']", '[web, orders-db]', '{ labels: { env: prod } }']) {
      refuses(
        mask(`targets: ${targets}, json: ['$.a'], with: redact`),
        /"m" has json, and its target "orders-db" \(postgres\)/,
      );
      refuses(mask(`targets: ${targets}, detect: [email], direction: request, with: redact`), /"m" has direction, and/);
      refuses(mask(`targets: ${targets}, detect: [email], direction: both, with: redact`), /"m" has direction, and/);
    }
    refuses(mask("json: ['$.a'], with: redact"), /"m" has json/, /name the http targets/);
    refuses(
      mask('targets: [web], columns: [a.b.c], direction: request, with: redact'),
      /direction belongs to detect and json/,
    );
    refuses(
      mask('targets: [web], detect: [email], direction: in, with: redact'),
      /must be one of: response, request, both/,
    );
    policy(mask("targets: ['*'], detect: [email], direction: response, with: redact"));
  });

  test('an exception for nobody in particular would except everyone', () => {
    refuses(mask('detect: [email], with: redact, except: {}'), /except everyone/);
  });
});

describe('subjects', () => {
  test('are required in access', () => {
    refuses("access: [{ name: a, targets: ['*'] }]", /access\[0\].subjects: is missing/);
  });

  test('an empty list is a mistake', () => {
    for (const empty of ['groups: []', 'users: []', 'claims: {}', 'agents: []', 'via: []']) {
      refuses(`access: [{ name: a, subjects: { ${empty} }, targets: ['*'] }]`, /must not be empty/);
    }
    refuses('access: [{ name: a, subjects: {}, targets: [] }]', /must not be empty/);
    refuses("access: [{ name: a, subjects: {}, targets: ['*'], effects: [] }]", /must not be empty/);
  });

  test('roles and owners name someone', () => {
    refuses('roles: { admin: {} }', /names nobody/);
    refuses('agents: { bot: { owners: {} } }', /names nobody/);
    refuses('roles: { root: { groups: [g] } }', /unknown key "root"/);
  });
});

describe('files', () => {
  const load = (...texts: string[]) =>
    compile(
      texts.map((text, i) => ({ file: `${i}.yaml`, text })),
      SURROUNDINGS,
    );
  const messages = (...texts: string[]) => {
    const result = load(...texts);
    return result.ok ? [] : result.problems.map(({ file, message }) => `${file} ${message}`);
  };

  test('a folder of files is one policy', () => {
    const result = load(
      `version: 1\naccess: [${ACCESS}]`,
      'version: 1\nrules: [{ name: r, then: hold }]',
      'version: 1\ndefaults: { hold: { approvers: { groups: [g] } } }',
    );
    assert.ok(result.ok);
  });

  test('a name that two files give is refused, and the other place is told', () => {
    assert.deepEqual(messages(`version: 1\naccess: [${ACCESS}]`, `version: 1\naccess: [${ACCESS}]`), [
      '1.yaml "a" is the name of another entry too (0.yaml:2)',
    ]);
  });

  test('the version is named in each', () => {
    assert.match(messages('access: []')[0]!, /version: is missing/);
    assert.match(messages('version: 2')[0]!, /version: this version of hoopctl reads policies of version 1/);
  });

  test('an empty file is no policy', () => {
    assert.deepEqual(messages(''), ['0.yaml is empty']);
    assert.deepEqual(messages('# only a comment\n'), ['0.yaml is empty']);
    assert.match(compile([], SURROUNDINGS).ok ? '' : 'refused', /refused/);
  });

  test('a file that is not YAML is told with its line', () => {
    const result = load('version: 1\nrules: [');
    assert.ok(!result.ok);
    assert.equal(result.problems[0]?.line, 2);
  });

  test('a key twice, two documents, an unknown alias, a tag: all refused', () => {
    assert.match(messages('version: 1\nversion: 1')[0]!, /second time/);
    assert.match(messages('version: 1\n---\nversion: 1')[0]!, /several documents/);
    assert.match(messages('version: 1\naccess: *nope')[0]!, /alias/);
    assert.match(messages('version: !!binary aGk=')[0]!, /tag/);
  });

  test('aliases that unfold without end are refused', () => {
    const layers = Array.from(
      { length: 20 },
      (_, i) => `k${i + 1}: &k${i + 1} [${Array(10).fill(`*k${i}`).join(', ')}]`,
    );
    assert.match(messages(`version: 1\nk0: &k0 [x]\n${layers.join('\n')}`).join(), /far larger than it looks/);
  });

  test('the digest changes with every byte, and not with the order of the files', () => {
    const digest = (...sources: [string, string][]) => {
      const result = compile(
        sources.map(([file, text]) => ({ file, text })),
        SURROUNDINGS,
      );
      assert.ok(result.ok);
      return result.policy.digest;
    };
    const a: [string, string] = ['a.yaml', 'version: 1'];
    const b: [string, string] = ['b.yaml', SAMPLE];
    assert.equal(digest(a, b), digest(b, a));
    assert.notEqual(digest(a, b), digest(a, ['b.yaml', `${SAMPLE}#`]));
  });
});
