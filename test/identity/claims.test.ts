/** What an issuer says about a person counts as far as it is believed, and what it leaves out is never taken for "nothing". */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { IssuerConfig } from '../../src/domain/issuer.ts';
import { principalOf } from '../../src/identity/claims.ts';

const GUID = '7f2a';

describe('the name', () => {
  const named: readonly [string, Partial<IssuerConfig>, Record<string, unknown>, string][] = [
    ['is the subject', {}, {}, 'sub-1'],
    [
      'is the claim that the issuer is configured for',
      { subjectClaim: 'preferred_username' },
      { preferred_username: 'dana' },
      'dana',
    ],
    ['may lie deeper', { subjectClaim: 'user.login' }, { user: { login: 'dana' } }, 'dana'],
    [
      'is the e-mail address where that is verified',
      { subjectClaim: 'email' },
      { email: 'd@x', email_verified: true },
      'd@x',
    ],
    ['or where the issuer is trusted with it', { subjectClaim: 'email', trustEmail: true }, { email: 'd@x' }, 'd@x'],
    ['carries the prefix', { prefix: 'corp:' }, {}, 'corp:sub-1'],
    [
      'is believed where trust says so',
      { trust: { users: ['*@example.test'] }, subjectClaim: 'upn' },
      { upn: 'd@example.test' },
      'd@example.test',
    ],
    [
      "else names the issuer's own subject",
      { trust: { users: ['*@example.test'] }, subjectClaim: 'upn' },
      { upn: 'root@evil.test' },
      'https://idp.example#sub-1',
    ],
    ['else too where trust names only groups', { trust: { groups: ['g'] } }, {}, 'https://idp.example#sub-1'],
  ];
  for (const [name, config, claims, expected] of named) {
    test(name, () => assert.equal(principal(config, claims).name, expected));
  }

  const refused: readonly [string, Partial<IssuerConfig>, Record<string, unknown>, string][] = [
    ['an unverified address', { subjectClaim: 'email' }, { email: 'd@x', email_verified: false }, 'EMAIL_UNVERIFIED'],
    ['an address of which nothing is said', { subjectClaim: 'email' }, { email: 'd@x' }, 'EMAIL_UNVERIFIED'],
    [
      '"true" that is only a word',
      { subjectClaim: 'email' },
      { email: 'd@x', email_verified: 'true' },
      'EMAIL_UNVERIFIED',
    ],
    ['a claim that is not there', { subjectClaim: 'upn' }, {}, 'TOKEN_CLAIM'],
    ['a claim that is no text', { subjectClaim: 'upn' }, { upn: ['dana'] }, 'TOKEN_CLAIM'],
    ['an empty one', { subjectClaim: 'upn' }, { upn: '' }, 'TOKEN_CLAIM'],
    ['one that would turn the text around it', { subjectClaim: 'upn' }, { upn: 'a\u202eb' }, 'TOKEN_CLAIM'],
    ['one that comes from every object', { subjectClaim: 'constructor.name' }, {}, 'TOKEN_CLAIM'],
  ];
  for (const [name, config, claims, code] of refused) {
    test(`${name} is refused`, () => assert.equal(refusalOf(config, claims), code));
  }
});

describe('groups', () => {
  const given: readonly [string, Partial<IssuerConfig>, Record<string, unknown>, string[]][] = [
    ['are none where the issuer is not configured for any', {}, { groups: ['admins'] }, []],
    ['are those of the claim', { groupsClaim: 'groups' }, { groups: ['a', 'b'] }, ['a', 'b']],
    ['may be none at all, if that is said', { groupsClaim: 'groups' }, { groups: [] }, []],
    ['may be a single name', { groupsClaim: 'groups' }, { groups: 'a' }, ['a']],
    ['may lie deeper', { groupsClaim: 'realm_access.roles' }, { realm_access: { roles: ['a'] } }, ['a']],
    [
      'may be called by an address',
      { groupsClaim: 'https://x.example/groups' },
      { 'https://x.example/groups': ['a'] },
      ['a'],
    ],
    ['carry the prefix', { groupsClaim: 'groups', prefix: 'corp:' }, { groups: ['a'] }, ['corp:a']],
    [
      'are exactly what is written',
      { groupsClaim: 'groups' },
      { groups: ['Admins ', 'admins'] },
      ['Admins ', 'admins'],
    ],
    [
      'that the issuer is not believed about are left out',
      { groupsClaim: 'groups', trust: { groups: ['ci-*'] } },
      { groups: ['ci-x', 'admins', 'aci-'] },
      ['ci-x'],
    ],
    [
      'are left out whole where trust names none',
      { groupsClaim: 'groups', trust: { users: ['*'] } },
      { groups: ['admins'] },
      [],
    ],
    [
      'are called as groupNames says',
      { groupsClaim: 'groups', groupNames: { [GUID]: 'db-owners' } },
      { groups: [GUID, 'other'] },
      ['db-owners', 'other'],
    ],
    [
      "with an id that reads like one of those names are someone's own",
      { groupsClaim: 'groups', groupNames: { [GUID]: 'db-owners' } },
      { groups: ['db-owners'] },
      [],
    ],
    [
      'called toString are not translated by accident',
      { groupsClaim: 'groups', groupNames: { [GUID]: 'x' } },
      { groups: ['toString'] },
      ['toString'],
    ],
  ];
  for (const [name, config, claims, expected] of given) {
    test(name, () => assert.deepEqual(principal(config, claims).groups, expected));
  }

  const refused: readonly [string, Record<string, unknown>, string][] = [
    ['a missing claim', {}, 'GROUPS_MISSING'],
    ['a claim in other case', { Groups: ['a'] }, 'GROUPS_MISSING'],
    ['more than fit into the token', { _claim_names: { groups: 'src1' }, _claim_sources: {} }, 'GROUPS_OVERAGE'],
    ['more than fit, said the other way', { hasgroups: true }, 'GROUPS_OVERAGE'],
    ['null', { groups: null }, 'GROUPS_MALFORMED'],
    ['a list with something else in it', { groups: ['a', { name: 'b' }] }, 'GROUPS_MALFORMED'],
    ['an object', { groups: { a: true } }, 'GROUPS_MALFORMED'],
  ];
  for (const [name, claims, code] of refused) {
    test(`${name} is refused, and is never "no groups"`, () =>
      assert.equal(refusalOf({ groupsClaim: 'groups' }, claims), code));
  }
});

describe('further claims', () => {
  const payload = { team: 'reports', aud: 'x', exp: 1, nonce: 'n', groups: ['a'] };
  test('are those of the token that speak about the person', () => {
    assert.deepEqual(principal({ groupsClaim: 'groups' }, payload).claims, { sub: 'sub-1', team: 'reports' });
  });
  test('are none from an issuer beside others', () => {
    assert.deepEqual(principal({ prefix: 'a:' }, payload).claims, {});
    assert.deepEqual(principal({ trust: {} }, payload).claims, {});
  });
  test('but for those it is trusted with', () => {
    assert.deepEqual(principal({ trust: { claims: ['team'] } }, payload).claims, { team: 'reports' });
  });
});

describe('a pattern in trust', () => {
  const cases: readonly [string, string, boolean][] = [
    ['*', '', true],
    ['a*', 'a', true],
    ['a*a', 'a', false],
    ['*a*b*', 'xaxbx', true],
    ['*a*b*', 'xbxax', false],
    ['a.c', 'abc', false],
    ['*@x', 'me@x@y', false],
    ['**', 'anything', true],
    ['ab*ba', 'aba', false],
  ];
  for (const [pattern, name, fits] of cases) {
    test(`${pattern} ${fits ? 'fits' : 'does not fit'} "${name}"`, () => {
      const groups = principal({ groupsClaim: 'groups', trust: { groups: [pattern] } }, { groups: [name] }).groups;
      assert.deepEqual(groups, fits ? [name] : []);
    });
  }
});

function principal(config: Partial<IssuerConfig>, claims: Record<string, unknown>) {
  const result = read(config, claims);
  if (result.kind === 'refused') assert.fail(`refused: ${result.code}`);
  return result.principal;
}

function refusalOf(config: Partial<IssuerConfig>, claims: Record<string, unknown>): string {
  const result = read(config, claims);
  return result.kind === 'refused' ? result.code : 'accepted';
}

function read(config: Partial<IssuerConfig>, claims: Record<string, unknown>) {
  const issuer: IssuerConfig = { issuer: 'https://idp.example', audience: 'x', use: 'accessToken', ...config };
  return principalOf({ sub: 'sub-1', ...claims }, issuer);
}
