/** The commands that speak to a gateway: what they ask it, what they print, how they end. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { approvalView, HOSTILE, receipt, refusal, revocationView, sessionView, startApi, targetView } from './api.ts';
import { jsonError, newHome } from './cli.ts';

const CANARY = 'canary.token.value';

async function place(t: Parameters<typeof startApi>[0]) {
  const api = await startApi(t);
  const home = newHome(t);
  Object.assign(home.env, { HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: CANARY });
  return { api, home };
}

test("the gateway's refusal gives its code, hint and exit", async (t) => {
  const { api, home } = await place(t);
  api.on('GET /v1/me', refusal(403, 'HOOP_REVOKED', 'access was revoked', 7, 'ask an administrator'));
  assert.deepEqual(await home.run(['whoami']), {
    code: 7,
    stdout: '',
    stderr: 'hoopctl: error: access was revoked [HOOP_REVOKED]\nhoopctl: hint: ask an administrator\n',
  });
});

test('a gateway that is not there is exit 6', async (t) => {
  const home = newHome(t);
  const ended = await home.run(['whoami', '--gateway', 'http://127.0.0.1:9', '--json'], {
    env: { HOOPCTL_TOKEN: CANARY },
  });
  assert.equal(ended.code, 6);
  assert.equal(jsonError(ended).exit, 6);
});

test('no gateway is exit 2, no login is exit 3', async (t) => {
  const home = newHome(t);
  assert.equal((await home.run(['whoami'])).code, 2);
  const ended = await home.run(['whoami', '--gateway', 'http://127.0.0.1:9']);
  assert.equal(ended.code, 3);
  assert.match(
    ended.stderr,
    /\[NOT_LOGGED_IN\]\nhoopctl: hint: run: hoopctl login --gateway http:\/\/127\.0\.0\.1:9\n/,
  );
});

test('a token is never shown to a gateway over plain http elsewhere', async (t) => {
  const ended = await newHome(t).run(['whoami', '--gateway', 'http://gw.example'], { env: { HOOPCTL_TOKEN: CANARY } });
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /GATEWAY_URL/);
});

test('whoami --claims shows the claims of the token and not the token', async (t) => {
  const { home } = await place(t);
  const token = `h.${Buffer.from('{"sub":"s-1","groups":["a"]}').toString('base64url')}.sig`;
  const ended = await home.run(['whoami', '--claims', '--json'], { env: { HOOPCTL_TOKEN: token } });
  assert.deepEqual(JSON.parse(ended.stdout).claims, { sub: 's-1', groups: ['a'] });
  assert.equal(ended.stdout.includes('sig'), false);
});

test('lists are NDJSON with --json, and an empty list is nothing on stdout', async (t) => {
  const { api, home } = await place(t);
  api.on('GET /v1/targets', { json: [targetView('a'), targetView('b')] });
  const lines = (await home.run(['targets', '--json'])).stdout.trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).name),
    ['a', 'b'],
  );
  api.on('GET /v1/targets', { json: [] });
  assert.deepEqual(await home.run(['targets']), {
    code: 0,
    stdout: '',
    stderr: 'hoopctl: no target is granted to you\n',
  });
});

test('an unknown target is exit 4 with the one that was meant', async (t) => {
  const { api, home } = await place(t);
  api.on('GET /v1/targets', { json: [targetView('orders-db')] });
  const ended = await home.run(['targets', 'show', 'order-db', '--json']);
  assert.equal(ended.code, 4);
  assert.equal(jsonError(ended).hint, 'did you mean "orders-db"?');
});

test('options of sessions narrow what the gateway is asked', async (t) => {
  const { api, home } = await place(t);
  api.on('GET /v1/sessions', { json: [sessionView()] });
  await home.run(['sessions', '--live', '--would-be', '--target', 'orders-db', '--limit', '5']);
  assert.equal(api.asked.at(-1)?.path, '/v1/sessions?target=orders-db&limit=5&live=true&wouldBe=true');
});

describe('deciding', () => {
  const started = {
    id: 'login_1',
    verificationUri: 'https://idp.example/device',
    userCode: 'ABCD-EFGH',
    expiresIn: 60,
    interval: 0,
  };

  test('approve shows the exact text, then link and code, and decides with the token of that sign-in alone', async (t) => {
    const { api, home } = await place(t);
    let polls = 0;
    api.on('GET /v1/approvals/apr_1', { json: approvalView('plain') });
    api.on('POST /v1/approval-logins', { json: started });
    api.on('POST /v1/approval-logins/login_1/poll', () => {
      polls += 1;
      return {
        json:
          polls < 3
            ? { state: 'pending', interval: 0 }
            : { state: 'done', token: 'approval-canary', name: 'riley', expiresIn: 60 },
      };
    });
    api.on('POST /v1/approvals/apr_1/decision', { json: approvalView('plain', { state: 'approved' }) });
    const ended = await home.run(['approve', 'apr_1', '--reason', 'fine']);
    assert.equal(ended.code, 0);
    assert.match(ended.stdout, /^ {2}│ DELETE FROM orders plain$/m);
    assert.match(ended.stdout, /^length +20 bytes$/m);
    assert.match(ended.stdout, /^sha256 +[0-9a-f]{64}$/m);
    assert.match(ended.stderr, /ABCD-EFGH/);
    assert.doesNotMatch(ended.stdout + ended.stderr, /approval-canary|canary\.token/);
    const decision = api.asked.at(-1);
    assert.equal(decision?.token, 'approval-canary');
    assert.deepEqual(decision?.body, { decision: 'approve', digest: 'd'.repeat(64), reason: 'fine' });
    const unauthorised = api.asked.filter(({ path }) => path.startsWith('/v1/approval-logins'));
    assert.deepEqual(
      unauthorised.map(({ token }) => token),
      Array(4).fill(undefined),
    );
  });

  test('with --json link and code are one event on stderr, and the decided request one document on stdout', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/approvals/apr_1', { json: approvalView('plain') });
    api.on('POST /v1/approval-logins', { json: started });
    api.on('POST /v1/approval-logins/login_1/poll', {
      json: { state: 'done', token: 'x', name: 'riley', expiresIn: 60 },
    });
    api.on('POST /v1/approvals/apr_1/decision', { json: approvalView('plain', { state: 'denied' }) });
    const ended = await home.run(['deny', 'apr_1', '--json', '--quiet']);
    assert.equal(JSON.parse(ended.stdout).state, 'denied');
    assert.deepEqual(JSON.parse(ended.stderr), {
      event: 'approvalLogin',
      verificationUri: 'https://idp.example/device',
      userCode: 'ABCD-EFGH',
      expiresIn: 60,
    });
  });

  test('inside a run no sign-in is started, even with a token that was given', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/approvals/apr_1', { json: approvalView('plain') });
    const ended = await home.run(['approve', 'apr_1', '--json'], { env: { HOOP_RUN_ID: 'run_1' } });
    assert.equal(jsonError(ended).code, 'LOGIN_IN_RUN');
    assert.deepEqual(
      api.asked.map(({ method }) => method),
      ['GET'],
    );
  });

  test('where the rule says proof: login the given token decides, without a sign-in', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/approvals/apr_1', { json: approvalView('plain', { proof: 'login' }) });
    api.on('POST /v1/approvals/apr_1/decision', { json: approvalView('plain', { state: 'approved' }) });
    const ended = await home.run(['approve', 'apr_1']);
    assert.equal(ended.code, 0);
    assert.equal(api.asked.at(-1)?.token, CANARY);
    assert.equal(
      api.asked.some(({ path }) => path.includes('approval-logins')),
      false,
    );
  });

  const refused: [string, Parameters<typeof approvalView>[1], string[], number, string][] = [
    ['one with another digest', {}, ['--digest', 'e'.repeat(64)], 5, 'DIGEST_DIFFERS'],
    ['one that is over', { state: 'expired' }, [], 5, 'NOT_OPEN'],
    ['one that is not yours', { mayDecide: false }, [], 4, 'NOT_YOURS'],
  ];
  for (const [name, change, args, exit, code] of refused) {
    test(`${name} is not decided, and nobody is asked to sign in`, async (t) => {
      const { api, home } = await place(t);
      api.on('GET /v1/approvals/apr_1', { json: approvalView('plain', change) });
      const ended = await home.run(['approve', 'apr_1', '--json', ...args]);
      assert.equal(ended.code, exit);
      assert.equal(jsonError(ended).code, code);
      assert.deepEqual(
        api.asked.map(({ method }) => method),
        ['GET'],
      );
    });
  }

  describe('without a login here', () => {
    const signedIn = { json: { state: 'done', token: 'approval-canary', name: 'riley', expiresIn: 60 } };
    async function nobody(t: Parameters<typeof startApi>[0]) {
      const { api, home } = await place(t);
      delete home.env['HOOPCTL_TOKEN'];
      api.on('POST /v1/approval-logins', { json: started });
      api.on('POST /v1/approval-logins/login_1/poll', signedIn);
      api.on('GET /v1/approvals/apr_1', { json: approvalView('plain') });
      api.on('POST /v1/approvals/apr_1/decision', { json: approvalView('plain', { state: 'approved' }) });
      return { api, home };
    }

    test('one signs in first, and the request is shown and decided with that sign-in alone', async (t) => {
      const { api, home } = await nobody(t);
      const ended = await home.run(['approve', 'apr_1', '--digest', 'd'.repeat(64)]);
      assert.equal(ended.code, 0, ended.stderr);
      assert.match(ended.stdout, /^ {2}│ DELETE FROM orders plain$/m);
      assert.deepEqual(
        api.asked.map(({ method, path, token }) => [method, path, token]),
        [
          ['POST', '/v1/approval-logins', undefined],
          ['POST', '/v1/approval-logins/login_1/poll', undefined],
          ['GET', '/v1/approvals/apr_1', 'approval-canary'],
          ['POST', '/v1/approvals/apr_1/decision', 'approval-canary'],
        ],
      );
    });

    test('and who has not seen it and cannot be asked decides nothing', async (t) => {
      const { api, home } = await nobody(t);
      const ended = await home.run(['approve', 'apr_1', '--json']);
      assert.equal(ended.code, 2);
      const last = ended.stderr.trim().split('\n').at(-1) ?? '';
      assert.equal(JSON.parse(last).error.code, 'NOT_CONFIRMED');
      assert.match(JSON.parse(last).error.hint, new RegExp(`--digest ${'d'.repeat(64)}`));
      assert.equal(
        api.asked.some(({ path }) => path.endsWith('/decision')),
        false,
      );
    });

    test('inside a run nobody is asked to sign in', async (t) => {
      const { api, home } = await nobody(t);
      const ended = await home.run(['approve', 'apr_1', '--json'], { env: { HOOP_RUN_ID: 'run_1' } });
      assert.equal(jsonError(ended).code, 'LOGIN_IN_RUN');
      assert.equal(api.asked.length, 0);
    });

    test('nor with one that has nothing to do with the request, where the one who signs in has', async (t) => {
      const { api, home } = await nobody(t);
      home.env['HOOPCTL_TOKEN'] = CANARY;
      const unknown = { status: 404, json: { error: { code: 'NOT_FOUND', message: 'no approval request', exit: 4 } } };
      api.on('GET /v1/approvals/apr_1', ({ token }) => (token === CANARY ? unknown : { json: approvalView('plain') }));
      const ended = await home.run(['approve', 'apr_1', '--digest', 'd'.repeat(64)]);
      assert.equal(ended.code, 0, ended.stderr);
      assert.equal(api.asked.at(-1)?.token, 'approval-canary');
    });
  });

  test('a key press in the launching terminal cannot be made up for by a sign-in; a no needs one', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/approvals/apr_1', { json: approvalView('plain', { proof: 'launcher' }) });
    const approved = await home.run(['approve', 'apr_1', '--json']);
    assert.equal(approved.code, 4);
    assert.equal(jsonError(approved).code, 'LAUNCHER_ONLY');
    api.on('POST /v1/approval-logins', { json: started });
    api.on('POST /v1/approval-logins/login_1/poll', {
      json: { state: 'done', token: 'approval-canary', name: 'riley', expiresIn: 60 },
    });
    api.on('POST /v1/approvals/apr_1/decision', { json: approvalView('plain', { state: 'denied' }) });
    const denied = await home.run(['deny', 'apr_1']);
    assert.equal(denied.code, 0, denied.stderr);
    assert.match(denied.stdout, /^proof +a key press in the terminal that launched the agent$/m);
    assert.equal(api.asked.at(-1)?.token, 'approval-canary');
  });

  test('a sign-in that fails decides nothing and is exit 3', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/approvals/apr_1', { json: approvalView('plain') });
    api.on('POST /v1/approval-logins', { json: started });
    api.on('POST /v1/approval-logins/login_1/poll', {
      json: { state: 'failed', code: 'ACCESS_DENIED', message: 'refused at the provider' },
    });
    const ended = await home.run(['approve', 'apr_1']);
    assert.equal(ended.code, 3);
    assert.equal(
      api.asked.some(({ path }) => path.endsWith('/decision')),
      false,
    );
  });

  test('Ctrl-C while waiting for the sign-in is exit 130 and decides nothing', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/approvals/apr_1', { json: approvalView('plain') });
    api.on('POST /v1/approval-logins', { json: { ...started, interval: 600, expiresIn: 6000 } });
    const running = home.start(['approve', 'apr_1']);
    await running.says('ABCD-EFGH');
    running.kill('SIGINT');
    assert.equal((await running.ended).code, 130);
    assert.equal(
      api.asked.some(({ path }) => path.endsWith('/decision')),
      false,
    );
  });
});

test('approvals watch prints what is open and then each change once, as NDJSON, until Ctrl-C', async (t) => {
  const { api, home } = await place(t);
  api.on('GET /v1/approvals', { json: [approvalView('one')] });
  api.on('GET /v1/approvals/stream', {
    events: [approvalView('one'), approvalView('one', { state: 'approved' }), approvalView('two', { id: 'apr_2' })],
  });
  const running = home.start(['approvals', 'watch', '--json']);
  await running.says('apr_2');
  running.kill('SIGINT');
  const ended = await running.ended;
  const told = ended.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    told.map(({ id, state }) => `${id} ${state}`),
    ['apr_1 open', 'apr_1 approved', 'apr_2 open'],
  );
  assert.equal(ended.code, 130);
});

describe('revoking', () => {
  test('without a terminal and without --yes nothing is revoked', async (t) => {
    const { api, home } = await place(t);
    const ended = await home.run(['revoke', '--all', '--json']);
    assert.equal(ended.code, 2);
    assert.deepEqual(jsonError(ended), {
      code: 'NO_TERMINAL',
      message: 'there is no terminal to ask: revoke everyone?',
      hint: 'answer it with --yes',
      exit: 2,
    });
    assert.equal(api.asked.length, 0);
  });

  test('the receipt is printed, and a gateway that did not confirm is exit 6 after it', async (t) => {
    const { api, home } = await place(t);
    api.on('POST /v1/revocations', { json: receipt('plain', { gateways: [{ id: 'gw-2', state: 'unconfirmed' }] }) });
    const ended = await home.run(['revoke', '--user', 'dana@example.test', '--reason', 'left', '--yes']);
    assert.equal(ended.code, 6);
    assert.match(ended.stdout, /^revoked user plain in 0\.4s$/m);
    assert.match(ended.stdout, /cancelled/);
    assert.match(ended.stderr, /not confirmed by gw-2 \[UNCONFIRMED\]/);
    assert.deepEqual(api.asked[0]?.body, { scope: { kind: 'user', who: 'dana@example.test' }, reason: 'left' });
  });

  test('--dry-run asks for a dry run and says so', async (t) => {
    const { api, home } = await place(t);
    api.on('POST /v1/revocations', { json: receipt() });
    const ended = await home.run(['revoke', '--run', 'run_1', '--dry-run']);
    assert.equal(ended.code, 0);
    assert.deepEqual(
      api.asked.map(({ body }) => body),
      [{ scope: { kind: 'run', id: 'run_1' }, dryRun: true }],
    );
    assert.match(ended.stderr, /would cut 1 run and 1 session/);
  });

  for (const args of [
    [],
    ['--user', 'a', '--all'],
    ['--user', ''],
    ['--all', '--until', 'tomorrow'],
    ['--all', '--until', '2020-01-01T00:00:00Z'],
  ]) {
    test(`wrong usage is exit 2: revoke ${args.join(' ')}`, async (t) => {
      const { api, home } = await place(t);
      assert.equal((await home.run(['revoke', '--yes', ...args])).code, 2);
      assert.equal(api.asked.length, 0);
    });
  }

  test('--until takes a duration or a time', async (t) => {
    const { api, home } = await place(t);
    api.on('POST /v1/revocations', { json: receipt() });
    await home.run(['revoke', '--agent', 'a', '--yes', '--until', '2099-12-01T10:00:00+01:00']);
    assert.deepEqual(api.asked[0]?.body, { scope: { kind: 'agent', name: 'a' }, until: '2099-12-01T09:00:00.000Z' });
  });

  test('unrevoke needs a reason, and finds the revocation by whom it is about', async (t) => {
    const { api, home } = await place(t);
    assert.equal((await home.run(['unrevoke', '--user', 'dana'])).code, 2);
    api.on('GET /v1/revocations', {
      json: [{ ...revocationView('dana'), liftedAt: '2026-01-01T00:00:00Z', id: 'rev_0' }, revocationView('dana')],
    });
    api.on('DELETE /v1/revocations/rev_1', { json: revocationView('dana') });
    const ended = await home.run(['unrevoke', '--user', 'dana', '--reason', 'back']);
    assert.deepEqual(ended, { code: 0, stdout: 'lifted rev_1 (user dana)\n', stderr: '' });
    assert.deepEqual(api.asked.at(-1)?.body, { reason: 'back' });
  });
});

describe('replay', () => {
  test('from the gateway: statements with their verdicts and rows', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/sessions/ses_1/events', { lines: recording('plain') });
    const ended = await home.run(['sessions', 'replay', 'ses_1']);
    assert.equal(ended.code, 0);
    assert.match(ended.stdout, /asked +\[allow, plain\]\n {2}│ SELECT plain\n/);
    assert.match(ended.stdout, /^plain\n\*\*\*$/m);
  });

  test('with --json the events as they were recorded', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/sessions/ses_1/events', { lines: recording(HOSTILE) });
    const ended = await home.run(['sessions', 'replay', 'ses_1', '--json']);
    assert.deepEqual(
      ended.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
      recording(HOSTILE),
    );
  });
});

describe('inside a run', () => {
  const commands = ['whoami', 'targets', 'approvals', 'approve apr_1', 'revoke --all --yes', 'sessions'];
  for (const args of commands) {
    test(`${args} does not use the stored login`, async (t) => {
      const { api, home } = await place(t);
      const { HOOPCTL_TOKEN: _, ...env } = home.env;
      const ended = await newHome(t).run(args.split(' '), { env: { ...env, HOOP_RUN_ID: 'run_1' } });
      assert.equal(ended.code, 3);
      assert.match(ended.stderr, /\[LOGIN_IN_RUN\]/);
      assert.equal(api.asked.length, 0);
    });
  }
});

/** Lines of a recording, as the gateway hands them out. */
function recording(text: string): Record<string, unknown>[] {
  const said = { text: `SELECT ${text}`, bytes: 10, sha256: 'a'.repeat(64) };
  const events = [
    {
      type: 'session.opened',
      session: 'ses_1',
      run: text,
      target: text,
      protocol: 'postgres',
      account: text,
      principal: { issuer: text, subject: text, name: text },
      agent: { kind: 'claimed', name: text },
      via: 'run',
      policy: 'p',
      gateway: 'gw-1',
    },
    {
      type: 'verdict',
      command: 'c1',
      verdict: 'allow',
      text: said,
      effects: ['read'],
      resources: [],
      facts: {},
      rules: [text],
      policy: 'p',
    },
    {
      type: 'command',
      command: 'c1',
      by: 'client',
      sent: { ...said, text: `${text} rewritten`, sha256: 'b'.repeat(64) },
      effects: ['read'],
    },
    { type: 'result', command: 'c1', columns: [text], rows: [['***']] },
    { type: 'outcome', command: 'c1', state: 'completed', rows: 1, tag: text, durationMs: 3 },
    { type: 'notice', notice: text, detail: text },
    { type: 'session.closed', end: { kind: 'targetGone', message: text } },
  ];
  return events.map((event, seq) => ({ seq, at: '2026-11-21T18:00:00.000Z', ...event, prev: '0'.repeat(64) }));
}
