/** What the task pages show of gateway.yaml and policy.yaml loads as it stands, and does with a provider's tokens what the page says. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { openPolicy } from '../../src/app/policy.ts';
import { systemClock } from '../../src/base/clock.ts';
import { packageRoot } from '../../src/base/entry.ts';
import { readGateway } from '../../src/config/gateway/index.ts';
import type { IssuerConfig } from '../../src/domain/issuer.ts';
import { createIdentity } from '../../src/identity/index.ts';
import { githubClaims, gitlabClaims } from '../fakes/ci.ts';
import { DISCOVERY, startFakeIssuer } from '../fakes/issuer.ts';

const read = (path: string) => readFileSync(join(packageRoot(), path), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'hoop-snippets-'));
after(() => rmSync(folder, { recursive: true }));

function snippets(page: string): string[] {
  return [...read(page).matchAll(/^```yaml\n(.*?)^```/gms)].map(([, yaml]) => yaml ?? '');
}

/** The issuers a page shows, through the loader a gateway uses. */
function issuersOf(snippet: string): readonly IssuerConfig[] {
  const rest = 'store: sqlite:./d/a.db\nrecordings: file:./d/r\nkeys: file:./k\npolicy: ./policy.yaml\ntargets: {}\n';
  const reading = readGateway({ file: 'gateway.yaml', text: snippet + rest, folder: '/etc/hoop' }, {});
  assert.deepEqual(reading.ok ? [] : reading.problems, []);
  assert.ok(reading.ok);
  return reading.config.identity.issuers;
}

interface Shape {
  readonly header: Record<string, unknown>;
  readonly claims: Record<string, unknown>;
}

/** What the gateway makes of a token that this issuer signed. */
async function principalOf(issuers: readonly IssuerConfig[], which: number, { header, claims }: Shape) {
  const { issuer } = issuers[which] ?? assert.fail('no such issuer');
  const fake = await startFakeIssuer(issuer);
  await fake.addKey('rsa', 'RS256');
  fake.answer(`${new URL(issuer).pathname.replace(/\/$/, '')}${DISCOVERY}`, () =>
    Response.json({ issuer, jwks_uri: new URL('/jwks', issuer).href }),
  );
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, exp: now + 3600 };
  const token = await fake.token({ iss: issuer, ...times, ...claims }, { alg: 'RS256', kid: 'rsa', ...header });
  const result = await createIdentity({ issuers, clock: systemClock, fetch: fake.fetch }).authenticate(token);
  if (result.kind === 'refused') return { refused: result.code };
  const { name, groups } = result.principal;
  return { name, groups, claims: result.principal.claims };
}

describe('okta.md', () => {
  const [issuers] = snippets('docs/identity-providers/okta.md').map(issuersOf);
  const shape: Shape = {
    header: {},
    claims: {
      ver: 1,
      jti: 'AT.x',
      aud: 'hoop-gateway',
      cid: '0oa1a2b3c4d5e6f7g8h9',
      uid: '00u1',
      scp: ['openid', 'offline_access'],
      sub: 'dana@example.test',
      groups: ['data-agents'],
    },
  };

  test('takes what a custom authorization server issues', async () => {
    const { claims: _, ...who } = await principalOf(issuers ?? [], 0, shape);
    assert.deepEqual(who, { name: 'dana@example.test', groups: ['data-agents'] });
  });

  test('refuses somebody of whom no group matches the filter', async () => {
    const { groups: _, ...claims } = shape.claims;
    assert.deepEqual(await principalOf(issuers ?? [], 0, { ...shape, claims }), { refused: 'GROUPS_MISSING' });
  });
});

describe('entra.md', () => {
  const [byRoles = [], byGroups = []] = snippets('docs/identity-providers/entra.md').map(issuersOf);
  const shape: Shape = {
    header: { typ: 'JWT' },
    claims: {
      aud: '22222222-2222-2222-2222-222222222222',
      azp: '33333333-3333-3333-3333-333333333333',
      azpacr: '0',
      name: 'Dana',
      oid: '0a0a',
      preferred_username: 'dana@example.test',
      scp: 'access',
      sub: 'pairwise',
      tid: '11111111-1111-1111-1111-111111111111',
      ver: '2.0',
    },
  };
  const withClaims = (more: Record<string, unknown>) => ({ ...shape, claims: { ...shape.claims, ...more } });

  test('takes app roles for groups', async () => {
    const { claims: _, ...who } = await principalOf(byRoles, 0, withClaims({ roles: ['data-agents'] }));
    assert.deepEqual(who, { name: 'dana@example.test', groups: ['data-agents'] });
  });

  test('names groups that come as ids', async () => {
    const groups = ['44444444-4444-4444-4444-444444444444', '66666666-6666-6666-6666-666666666666'];
    const found = await principalOf(byGroups, 0, withClaims({ groups }));
    assert.deepEqual(found.groups, ['data-agents', '66666666-6666-6666-6666-666666666666']);
  });

  test('refuses what its table says, for the reason it says', async () => {
    const overage = {
      _claim_names: { groups: 'src1' },
      _claim_sources: { src1: { endpoint: 'https://graph.example' } },
    };
    const v1 = { iss: 'https://sts.windows.net/11111111-1111-1111-1111-111111111111/', ver: '1.0' };
    const one = byRoles.map((issuer) => ({ ...issuer, audience: issuer.clientId ?? '' }));
    assert.deepEqual(
      [
        await principalOf(byRoles, 0, shape),
        await principalOf(byGroups, 0, withClaims(overage)),
        await principalOf(byRoles, 0, withClaims(v1)),
        await principalOf(byRoles, 0, withClaims({ aud: 'api://22222222-2222-2222-2222-222222222222' })),
        await principalOf(one, 0, withClaims({ aud: '33333333-3333-3333-3333-333333333333', roles: [] })),
      ].map(({ refused }) => refused),
      ['GROUPS_MISSING', 'GROUPS_OVERAGE', 'TOKEN_ISSUER', 'TOKEN_AUDIENCE', 'TOKEN_TYPE'],
    );
  });
});

describe('keycloak.md', () => {
  const [issuers = []] = snippets('docs/identity-providers/keycloak.md').map(issuersOf);
  const claims = {
    typ: 'Bearer',
    aud: ['hoop-gateway', 'account'],
    azp: 'hoopctl',
    sub: '7a1b',
    sid: 's1',
    scope: 'openid offline_access email',
    email: 'dana@example.test',
    email_verified: true,
    preferred_username: 'dana',
    groups: ['data-agents'],
  };

  for (const typ of ['JWT', 'at+jwt']) {
    test(`takes its access tokens, marked ${typ}`, async () => {
      const { claims: _, ...who } = await principalOf(issuers, 0, { header: { typ }, claims });
      assert.deepEqual(who, { name: 'dana@example.test', groups: ['data-agents'] });
    });
  }

  test('refuses what its table says, for the reason it says', async () => {
    const { groups: _, ...groupless } = claims;
    const refusals = [{ ...claims, aud: 'account' }, { ...claims, email_verified: false }, groupless];
    const found = await Promise.all(
      refusals.map((each) => principalOf(issuers, 0, { header: { typ: 'JWT' }, claims: each })),
    );
    assert.deepEqual(
      found.map(({ refused }) => refused),
      ['TOKEN_AUDIENCE', 'EMAIL_UNVERIFIED', 'GROUPS_MISSING'],
    );
  });
});

describe('ci.md', () => {
  const [issuers = []] = snippets('docs/ci.md').slice(0, 1).map(issuersOf);
  const header = { typ: 'JWT' };

  test('takes a GitHub token by its claims, under a name of its own', async () => {
    const found = await principalOf(issuers, 1, { header, claims: githubClaims() });
    assert.deepEqual(found, {
      name: 'github:repo:acme/shop:ref:refs/heads/main',
      groups: [],
      claims: {
        repository: 'acme/shop',
        repository_id: '74',
        ref: 'refs/heads/main',
        workflow_ref: 'acme/shop/.github/workflows/hoopctl.yaml@refs/heads/main',
      },
    });
  });

  test('takes a GitLab token by its claims, under a name of its own', async () => {
    const found = await principalOf(issuers, 2, { header, claims: gitlabClaims() });
    assert.deepEqual(found, {
      name: 'gitlab:project_path:acme/shop:ref_type:branch:ref:main',
      groups: [],
      claims: { project_path: 'acme/shop', project_id: '20', ref_path: 'refs/heads/main', ref_protected: 'true' },
    });
  });

  test('shows a stranger by issuer and subject, and refuses a token for another service', async () => {
    const stranger = await principalOf(issuers, 1, { header, claims: githubClaims({ repository: 'mallory/shop' }) });
    assert.equal(stranger.name, 'https://token.actions.githubusercontent.com#repo:mallory/shop:ref:refs/heads/main');
    const elsewhere = await principalOf(issuers, 1, { header, claims: githubClaims({ aud: 'sts.example' }) });
    assert.deepEqual(elsewhere, { refused: 'TOKEN_AUDIENCE' });
  });

  test('what it shows of the policy, and that of the templates, is one', () => {
    const [shown] = parse(snippets('docs/ci.md')[1] ?? '').access;
    assert.deepEqual([shown], parse(read('templates/ci-github/hoopctl/policy.yaml')).access);
  });
});

test('each recipe of policy-howto.md loads beside the policy it is added to', async () => {
  const recipes = snippets('docs/policy-howto.md');
  assert.ok(recipes.length > 5);
  writeFileSync(join(folder, 'gateway.yaml'), read('templates/gateway/gateway.yaml'));
  for (const recipe of recipes) {
    const policy = parse(read('templates/gateway/policy.yaml'));
    for (const [section, entries] of Object.entries<unknown[]>(parse(recipe))) policy[section].push(...entries);
    writeFileSync(join(folder, 'policy.yaml'), stringify(policy));
    assert.deepEqual((await openPolicy(join(folder, 'policy.yaml'))).notes, [], recipe);
  }
});
