/**
 * The OIDC issuers of GitHub Actions and GitLab CI/CD, on this machine: their keys, their documents, and tokens with the header and the claims
 * theirs have (docs.github.com "OpenID Connect reference"; docs.gitlab.com "ID token authentication").
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startFakeIssuer } from './issuer.ts';

export interface FakeCi extends AsyncDisposable {
  readonly issuer: string;
  token(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** What a GitHub job finds as ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN: whoever has both gets a token for the audience they ask for. */
  job(claims: Readonly<Record<string, unknown>>): { readonly url: string; readonly token: string };
  /** How many tokens jobs asked for. */
  readonly asked: number;
}

const JOB_TOKEN = 'job-request-token';
const MINUTE = 60;

export async function startFakeCi(): Promise<FakeCi> {
  const jobs: Readonly<Record<string, unknown>>[] = [];
  let asked = 0;
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', ci.issuer);
    const job = jobs[Number(/^\/job\/(\d+)$/.exec(url.pathname)?.[1] ?? -1)];
    if (job === undefined) {
      const answer = await fake.fetch(url);
      return void response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    }
    asked += 1;
    if (request.headers.authorization !== `Bearer ${JOB_TOKEN}`) return void response.writeHead(401).end();
    const value = await ci.token({ ...job, aud: url.searchParams.get('audience') });
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ count: value.length, value }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake = await startFakeIssuer(issuer);
  await fake.addKey('ci-1', 'RS256');
  const ci: FakeCi = {
    issuer,
    get asked() {
      return asked;
    },
    token(claims) {
      const now = Math.floor(Date.now() / 1000);
      const times = { iat: now, nbf: now - 10 * MINUTE, exp: now + 5 * MINUTE, jti: `jti-${now}` };
      return fake.token({ iss: issuer, ...times, ...claims }, { typ: 'JWT', alg: 'RS256', kid: 'ci-1' });
    },
    job(claims) {
      jobs.push(claims);
      return { url: `${issuer}/job/${jobs.length - 1}?api-version=2.0`, token: JOB_TOKEN };
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return ci;
}

/** A workflow of acme/shop on its main branch, as GitHub would say it. */
export function githubClaims(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const ref = typeof more['ref'] === 'string' ? more['ref'] : 'refs/heads/main';
  const repository = typeof more['repository'] === 'string' ? more['repository'] : 'acme/shop';
  return {
    sub: `repo:${repository}:ref:${ref}`,
    aud: 'hoop-gateway',
    ref,
    sha: '8f2c1e9d4b3a',
    repository,
    repository_owner: repository.split('/')[0],
    repository_owner_id: '65',
    run_id: '30433642',
    run_number: '10',
    run_attempt: '1',
    repository_visibility: 'private',
    repository_id: '74',
    actor_id: '12',
    actor: 'octocat',
    workflow: 'hoopctl',
    head_ref: '',
    base_ref: '',
    event_name: 'schedule',
    ref_protected: 'true',
    ref_type: 'branch',
    workflow_ref: `${repository}/.github/workflows/hoopctl.yaml@${ref}`,
    job_workflow_ref: `${repository}/.github/workflows/hoopctl.yaml@${ref}`,
    runner_environment: 'github-hosted',
    ...more,
  };
}

/** A job of acme/shop on its protected main branch, as GitLab would say it. */
export function gitlabClaims(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const ref = typeof more['ref'] === 'string' ? more['ref'] : 'main';
  const project = typeof more['project_path'] === 'string' ? more['project_path'] : 'acme/shop';
  return {
    sub: `project_path:${project}:ref_type:branch:ref:${ref}`,
    aud: 'hoop-gateway',
    namespace_id: '72',
    namespace_path: project.split('/')[0],
    project_id: '20',
    project_path: project,
    user_id: '1',
    user_login: 'dana',
    user_email: 'dana@example.test',
    user_access_level: 'developer',
    pipeline_id: '574',
    pipeline_source: 'schedule',
    job_id: '302',
    ref,
    ref_type: 'branch',
    ref_path: `refs/heads/${ref}`,
    ref_protected: 'true',
    runner_id: 1,
    runner_environment: 'gitlab-hosted',
    sha: '714a629c0b40',
    project_visibility: 'private',
    ci_config_ref_uri: `gitlab.com/${project}//.gitlab-ci.yml@refs/heads/${ref}`,
    ...more,
  };
}
