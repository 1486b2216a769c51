/** What gateway.yaml says about an SSH target is taken whole, or refused with every mistake in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyFromSeed } from '../../../src/protocols/ssh/keys.ts';
import { readSettings } from '../../../src/protocols/ssh/settings.ts';

const HOST_KEY = keyFromSeed(Buffer.alloc(32, 7)).publicLine;
const GOOD = {
  address: 'web-1.internal',
  account: { user: 'deploy', key: { file: './deploy_key' } },
  hostKey: HOST_KEY,
};

function problemsOf(more: Record<string, unknown>): string[] {
  const read = readSettings({ ...GOOD, ...more });
  return read.ok ? [] : read.problems.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('an address, an account and a host key are enough: one program with literal words, nothing passed on', () => {
  const read = readSettings(GOOD);
  assert.ok(read.ok);
  assert.deepEqual(read.address, { host: 'web-1.internal', port: 22 });
  assert.equal(read.account, 'deploy');
  assert.deepEqual(read.secrets, { key: { file: './deploy_key' } });
  assert.deepEqual([...read.settings.modes], ['argv']);
  assert.deepEqual([...read.settings.forwards], []);
  assert.deepEqual(read.settings.env, ['LANG', 'LC_*']);
});

test('a credential in clear text is refused and not repeated', () => {
  const [problem] = problemsOf({ account: { user: 'deploy', password: 'hunter2' } });
  assert.match(problem!, /^account\.password: a credential may not stand here/);
  assert.doesNotMatch(problem!, /hunter2/);
});

for (const [what, more, expected] of [
  ['no host key', { hostKey: undefined }, /^hostKey: the target's host key is needed/],
  ['a host key that is none', { hostKey: 'ssh-ed25519 AAAA' }, /^hostKey: a host key is written as/],
  [
    'a private key in its place',
    { hostKey: keyFromSeed(Buffer.alloc(32, 7)).privateOpenSsh },
    /^hostKey: a host key is written as/,
  ],
  ['an authority', { hostKey: { ca: HOST_KEY } }, /authority is not in this version/],
  ['neither key nor password', { account: { user: 'deploy' } }, /a key, a password or a certificate, one of them/],
  [
    'both',
    { account: { user: 'd', key: { env: 'K' }, password: { env: 'P' } } },
    /a key, a password or a certificate, one of them/,
  ],
  [
    'a certificate beside a key',
    { account: { user: 'd', key: { env: 'K' }, certificate: { authority: { env: 'C' } } } },
    /one of them/,
  ],
  [
    'a certificate for nobody',
    { account: { user: 'd', certificate: { authority: { env: 'C' }, principals: [] } } },
    /principals is a list/,
  ],
  ['a certificate without its authority', { account: { user: 'd', certificate: {} } }, /needs its authority/],
  ['an unknown mode', { modes: ['argv', 'anything'] }, /^modes: modes is a list of/],
  ['no mode at all', { modes: [] }, /^modes: modes is a list of/],
  ['operations without any', { modes: ['operations'] }, /needs some/],
  ['a key nobody knows', { forwardAgent: true }, /^forwardAgent: an ssh target has no/],
  ['a place without a port', { forwards: ['db.internal'] }, /^forwards: forwards is a list of places/],
  ['a variable that is a pattern of anything', { env: ['*'] }, /^env: env is a list of names/],
  [
    'a program of the table, changed',
    { programs: { rm: { effects: ['read'] } } },
    /^programs\.rm: .*in the table already/,
  ],
] as const)
  test(`${what} does not load`, () => {
    assert.match(problemsOf(more).join('\n'), expected);
  });

for (const [what, operation, expected] of [
  ['without an argv', { effects: ['read'] }, /argv is a list of words/],
  ['without effects', { argv: ['uptime'] }, /effects is a list of/],
  ['with an effect there is not', { argv: ['uptime'], effects: ['look'] }, /effects is a list of/],
  [
    'whose program is a parameter',
    { argv: ['{p}'], effects: ['read'], parameters: { p: { oneOf: ['a'] } } },
    /the program itself is no parameter/,
  ],
  ['with a parameter nobody declared', { argv: ['echo', '{p}'], effects: ['read'] }, /\{p\} is no parameter/],
  [
    'with a parameter of no type',
    { argv: ['echo', '{p}'], effects: ['read'], parameters: { p: 'text' } },
    /has no type that is known/,
  ],
] as const)
  test(`an operation ${what} does not load`, () => {
    assert.match(problemsOf({ modes: ['operations'], operations: { one: operation } }).join('\n'), expected);
  });
