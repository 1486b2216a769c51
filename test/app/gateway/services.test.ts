/** Who may see and do what at the API, attacked: namesakes, guessed ids, people who were revoked meanwhile. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { ApprovalView, UserCaller } from '../../../src/api/index.ts';
import { approvalLoginsFor } from '../../../src/app/gateway/approval-logins.ts';
import { createServices } from '../../../src/app/gateway/services.ts';
import { createDesk } from '../../../src/approvals/index.ts';
import type { HoopError } from '../../../src/base/error.ts';
import type { ApprovalQuestion } from '../../../src/domain/approval.ts';
import { type Principal, principalKey } from '../../../src/domain/principal.ts';
import type { LogLeaf } from '../../../src/record/index.ts';
import { ask, dana, riley } from '../../fakes/gate.ts';
import { gatewayUnderTest, OPEN, VERIFIER } from '../../fakes/gateway.ts';
import { aSession } from '../../store/samples.ts';

const alex: Principal = { ...dana, subject: 'alex', name: 'alex@example.test', groups: [] };
const admin: Principal = { ...dana, subject: 'ada', name: 'ada@example.test', groups: ['admins'] };
const auditor: Principal = { ...dana, subject: 'otto', name: 'otto@example.test', groups: ['audit'] };
const namesake: Principal = { ...alex, issuer: 'https://other.test', subject: 'dana@example.test', name: 'other/x' };

const POLICY = {
  ...OPEN,
  roles: ({ groups }: Principal) =>
    groups.includes('admins') ? (['admin'] as const) : groups.includes('audit') ? (['auditor'] as const) : [],
};

/** What a followed recording gives; a test may make it wait. */
let tailLine: (line: number) => Promise<string | undefined> = async (line) => `{"seq":${line}}`;

async function api(people: readonly Principal[] = [dana, riley, alex, admin, auditor]) {
  const under = await gatewayUnderTest();
  under.policy = POLICY;
  const { clock, store, runs, registry, revocations, door } = under;
  const desk = createDesk({
    store,
    clock,
    publicUrl: 'https://gateway.test',
    policy: () => under.policy,
    isDead: (principal, since) => revocations.barred({ principal, vouchedAt: since }) !== undefined,
    launcher: (run, nonce) => runs.byId(run)?.launcher.check(nonce) ?? 'absent',
  });
  const logins = new Map<string, { principal: Principal; request: string; madeAt: number }>();
  const begun: { id: string; from: string }[] = [];
  const rotated: string[] = [];
  const logged: LogLeaf[] = [];
  const kept = {
    target: { name: 'kept-db', protocol: 'postgres', labels: {}, account: 'app', settings: {} },
    protocol: { forget: ({ name }: { name: string }) => void forgotten.push(name) },
  } as never;
  const forgotten: string[] = [];
  const services = createServices({
    config: { local: false } as never,
    gatewayId: 'gw-1',
    isolation: undefined,
    clock,
    maxAge: 3_600_000,
    store,
    policy: { current: () => under.policy, onChange: () => () => {} },
    targets: new Map([['kept-db', kept]]),
    runs,
    registry,
    revocations,
    desk,
    door,
    approvalLogins: {
      ...approvalLoginsFor(
        {
          start: async ({ id }: { id: string }, from: string) => {
            begun.push({ id, from });
            return { id: 'login', verificationUri: 'https://idp.test', userCode: 'X', expiresIn: 60, interval: 5 };
          },
        } as never,
        () => desk,
      ),
      byToken: (token) => logins.get(token),
    },
    // Tokens are names; the time of issue is now.
    async authenticateUser(token) {
      const principal = people.find(({ name }) => name === token);
      if (!principal) return { ok: false, code: 'TOKEN_UNKNOWN', message: 'who?' };
      return { ok: true, principal, issuedAt: clock.now(), expiresAt: clock.now() + 300_000 };
    },
    acceptTunnel: () => {
      throw new Error('not used here');
    },
    async recording() {
      return (async function* () {
        for (let line = 0; line < 1_000; line++) yield `{"seq":${line}}`;
      })();
    },
    async recordingTail() {
      return (async function* () {
        for (let line = 0; ; line++) yield tailLine(line);
      })();
    },
    explain: async () => ({ verdict: 'deny', rules: [], statements: [] }),
    health: async () => ({
      ok: false,
      problems: ['store: /var/lib/hoop is full'],
      policyProblem: 'policy.yaml:3 no such target',
      leastPrivilegeOff: ['orders-db'],
      accounts: [{ target: 'orders-db', account: 'app', kind: 'rotate', problem: 'db.internal does not answer' }],
    }),
    log: { info: () => {} },
    async *reindex() {
      yield { read: 1, of: 1, restored: 0, unreadable: [], gone: 0, done: true };
    },
    auditFile: async (name) => (name === 'checkpoint' || name === 'tile/0/000' ? Buffer.from(name) : undefined),
    logRevocation: (leaf) => void logged.push(leaf),
    rotate: async ({ target }) => {
      rotated.push(target.name);
      return { target: target.name, account: target.account, changedAt: 0, nextAt: 86_400_000 };
    },
  });
  const as = async (principal: Principal): Promise<UserCaller> => {
    const answer = await services.authenticate(principal.name);
    assert.ok(answer.ok, JSON.stringify(answer));
    return answer.caller as UserCaller;
  };
  for (const principal of people) await as(principal);
  const start = async (principal: Principal, agent?: string, launcherKey?: string) => {
    const vouchedAt = clock.now();
    const request = {
      kind: 'run',
      targets: [{ name: 'orders-db', verifier: VERIFIER }],
      ...(agent ? { agent } : {}),
      ...(launcherKey ? { launcherKey } : {}),
    } as const;
    return runs.start({ principal, vouchedAt }, request);
  };
  const { run: asking } = await start(dana);
  const question = (more: Partial<ApprovalQuestion> = {}): ApprovalQuestion => ({
    ask,
    digest: 'a'.repeat(64),
    session: 'ses_1',
    run: asking.id,
    target: 'orders-db',
    protocol: 'postgres',
    account: 'app',
    requester: dana,
    text: "UPDATE c SET ssn = '919-01-0031'",
    bytes: 32,
    effects: ['write'],
    resources: [],
    afterwards: { text: "UPDATE c SET ssn = '***'" },
    ...more,
  });
  return { under, clock, services, desk, logins, begun, rotated, forgotten, logged, as, start, question };
}

function refusedWith(code: string) {
  return (error: unknown) => (error as HoopError).code === code;
}

const revoke = (scope: object) => ({ scope }) as never;

describe('a name', () => {
  test('that two people have revokes neither until it is said which', async () => {
    const { under, services, as } = await api([dana, admin, namesake]);
    await assert.rejects(
      services.revoke(await as(admin), revoke({ kind: 'user', who: 'dana@example.test' })),
      refusedWith('USER_AMBIGUOUS'),
    );
    assert.deepEqual(under.revocations.list(), []);
    const who = `${namesake.issuer}#${namesake.subject}`;
    await services.revoke(await as(admin), revoke({ kind: 'user', who }));
    assert.equal(under.revocations.active({ principal: namesake }), true);
    assert.equal(under.revocations.active({ principal: dana }), false);
  });

  test("that is one's own subject at another issuer does not revoke whom policy calls so", async () => {
    const { under, services, as } = await api([dana, namesake]);
    await services.revoke(await as(namesake), revoke({ kind: 'user', who: 'dana@example.test' }));
    assert.equal(under.revocations.active({ principal: dana }), false);
    assert.equal(under.revocations.active({ principal: namesake }), true);
  });

  test('is kept with the one person it meant', async () => {
    const { under, services, as } = await api();
    await services.revoke(await as(admin), revoke({ kind: 'user', who: dana.name }));
    const [row] = under.revocations.list();
    assert.equal(row?.scope.kind === 'user' && row.scope.principalKey, principalKey(dana));
  });

  test('nobody has revokes nothing, of a person or an agent', async () => {
    const { services, as } = await api();
    await assert.rejects(
      services.revoke(await as(admin), revoke({ kind: 'user', who: 'dane@example.test' })),
      refusedWith('USER_UNKNOWN'),
    );
    await assert.rejects(
      services.revoke(await as(admin), revoke({ kind: 'agent', name: 'weekly-reprot' })),
      refusedWith('AGENT_UNKNOWN'),
    );
  });

  test('people of one name see their own revocations alone', async () => {
    const same = { ...dana, issuer: 'https://other.test' };
    const { services, as, under } = await api([dana]);
    await under.revocations.revoke({ scope: { kind: 'agent', name: 'x' } }, same);
    assert.deepEqual(await services.revocations(await as(dana)), []);
  });
});

describe('the log of sessions', () => {
  test('is told of every revocation and of its lifting', async () => {
    const { services, as, logged } = await api();
    const who = riley.name;
    const { revocation } = await services.revoke(await as(admin), revoke({ kind: 'user', who }));
    await services.lift(await as(admin), revocation.id, 'a mistake');
    assert.deepEqual(logged, [
      { type: 'revocation.made', revocation: revocation.id, scope: 'user', by: admin.name },
      { type: 'revocation.lifted', revocation: revocation.id, by: admin.name },
    ]);
  });

  test('shows its head to everybody, and what is in it to who has a role', async () => {
    const { services, as } = await api();
    assert.equal(String(await services.auditFile(await as(dana), 'checkpoint')), 'checkpoint');
    await assert.rejects(async () => services.auditFile(await as(dana), 'tile/0/000'), refusedWith('FORBIDDEN'));
    assert.equal(String(await services.auditFile(await as(auditor), 'tile/0/000')), 'tile/0/000');
  });
});

describe('what is not theirs', () => {
  test("another's run or session and an unknown one read alike, and neither is revoked", async () => {
    const { under, services, as, start } = await api();
    const { run } = await start(dana);
    const { session } = await under.connect(run);
    for (const [kind, id] of [
      ['run', run.id],
      ['session', session.id],
    ] as const) {
      const messages: string[] = [];
      for (const one of [id, `${kind}_unknown`]) {
        await services.revoke(await as(alex), revoke({ kind, id: one })).catch((error: HoopError) => {
          messages.push(error.code, error.message.replace(one, 'ID'));
        });
      }
      assert.deepEqual(messages.slice(0, 2), messages.slice(2));
      assert.equal(messages[0], 'NOT_FOUND');
    }
    assert.equal(run.state, 'live');
    assert.equal(session.signal.aborted, false);
  });

  test('an agent is told by the last slash in its name', async () => {
    const slashed = { ...alex, name: 'dana@example.test/team' };
    const { services, as, start } = await api([dana, slashed]);
    await start(slashed, 'report');
    await assert.rejects(
      services.revoke(await as(dana), revoke({ kind: 'agent', name: 'dana@example.test/team/report' })),
      refusedWith('FORBIDDEN'),
    );
    await services.revoke(await as(slashed), revoke({ kind: 'agent', name: 'dana@example.test/team/report' }));
  });

  test('an auditor sees and ends nothing', async () => {
    const { under, services, as, start } = await api();
    const { run } = await start(dana);
    const { session } = await under.connect(run);
    const otto = await as(auditor);
    assert.equal((await services.session(otto, session.id))?.id, session.id);
    await assert.rejects(services.killSession(otto, session.id, undefined), refusedWith('NOT_FOUND'));
    await assert.rejects(services.revoke(otto, revoke({ kind: 'run', id: run.id })), refusedWith('NOT_FOUND'));
    await assert.rejects(services.revoke(otto, revoke({ kind: 'all' })), refusedWith('FORBIDDEN'));
    await assert.rejects(services.lift(otto, 'x', 'because'), refusedWith('FORBIDDEN'));
  });
});

describe('an approval request', () => {
  test('is seen by those it is about, and no one else learns of it', async () => {
    const { services, desk, as, question } = await api();
    const request = await desk.request(question());
    const id = request?.id ?? '';
    assert.notEqual(await services.approval(await as(riley), id), undefined);
    assert.notEqual(await services.approval(await as(dana), id), undefined);
    assert.equal(await services.approval(await as(alex), id), undefined);
    assert.deepEqual(await services.approvals(await as(alex), undefined), []);
  });

  test('shows values aimed at masked columns to whoever may decide it, and to nobody else, roles or not', async () => {
    const { services, desk, as, question } = await api();
    const id = (await desk.request(question()))?.id ?? '';
    const shown = async (who: Principal) => (await services.approval(await as(who), id))?.text;
    assert.match((await shown(riley)) ?? '', /919-01-0031/);
    for (const who of [dana, admin, auditor]) assert.equal(await shown(who), "UPDATE c SET ssn = '***'", who.name);
  });

  test('is not decided by an admin whom no rule names', async () => {
    const { services, desk, as, question } = await api();
    const id = (await desk.request(question({ ask: { ...ask, proof: { kind: 'login' } } })))?.id ?? '';
    const decision = { decision: 'approve', digest: 'a'.repeat(64) } as const;
    await assert.rejects(services.decide(await as(admin), id, decision), refusedWith('APPROVAL_UNKNOWN'));
    assert.equal((await services.decide(await as(riley), id, decision)).state, 'approved');
  });

  test('takes a login by its whole id alone: the beginning could be guessed', async () => {
    const { services, desk, begun, question } = await api();
    const id = (await desk.request(question()))?.id ?? '';
    await assert.rejects(services.startApprovalLogin(id.slice(0, 10), 'here'), refusedWith('APPROVAL_UNKNOWN'));
    await services.startApprovalLogin(id, 'here');
    assert.deepEqual(begun, [{ id, from: 'here' }]);
  });

  test("is decided from the launching terminal with that run's bits, by the launcher's login, while the run lives", async () => {
    const { services, desk, as, question, start, under, logins, clock } = await api();
    const bits = (byte: number) => Buffer.alloc(32, byte);
    const keyOf = (byte: number) => createHash('sha256').update(bits(byte)).digest('base64url');
    const { run: one } = await start(dana, undefined, keyOf(1));
    const { run: two } = await start(dana, undefined, keyOf(2));
    const own = { ...ask, approvers: { users: [dana.name] }, self: true, proof: { kind: 'launcher' } } as const;
    const asked = async (run: string, digest: string) =>
      (await desk.request(question({ run, digest: digest.repeat(64), ask: own })))?.id ?? '';
    const ofOne = await asked(one.id, 'b');
    const ofTwo = await asked(two.id, 'c');
    const press = (byte: number, digest = 'b') => ({
      decision: 'approve' as const,
      digest: digest.repeat(64),
      launcherProof: bits(byte).toString('base64url'),
    });
    const caller = await as(dana);
    assert.equal((await services.approval(caller, ofOne))?.proof, 'launcher');
    logins.set('for-one', { principal: dana, request: ofOne, madeAt: clock.now() });
    const fresh = await services.authenticate('for-one');
    assert.ok(fresh.ok && fresh.caller.kind === 'approval');
    await assert.rejects(services.decide(caller, ofOne, press(2)), /LAUNCHER_PROOF_WRONG/);
    await assert.rejects(services.decide(caller, ofOne, press(1, 'c')), /DIGEST_MISMATCH/);
    await assert.rejects(services.decide(fresh.caller, ofOne, press(1)), /LAUNCHER_ONLY/);
    await assert.rejects(services.decide(await as(riley), ofOne, press(1)), refusedWith('APPROVAL_UNKNOWN'));
    assert.equal((await services.decide(caller, ofOne, press(1))).state, 'approved');
    await assert.rejects(services.decide(caller, ofOne, press(1)), /APPROVAL_SETTLED/);
    await under.runs.end(two, 'ended', 'done');
    await assert.rejects(services.decide(caller, ofTwo, press(2, 'c')), /LAUNCHER_ONLY|APPROVAL_SETTLED/);
  });

  test('a login made for one shows no other', async () => {
    const { services, desk, logins, clock, question } = await api();
    const one = (await desk.request(question()))?.id ?? '';
    const other = (await desk.request(question({ digest: 'b'.repeat(64) })))?.id ?? '';
    logins.set('for-one', { principal: riley, request: one, madeAt: clock.now() });
    const answer = await services.authenticate('for-one');
    assert.ok(answer.ok && answer.caller.kind === 'approval');
    assert.notEqual(await services.approval(answer.caller, one), undefined);
    assert.equal(await services.approval(answer.caller, other), undefined);
    await assert.rejects(services.decide(answer.caller, other, { decision: 'approve', digest: 'b'.repeat(64) }));
  });
});

describe('who was revoked', () => {
  test('comes in with no token: not their own, not one made for an approval', async () => {
    const { under, services, logins, clock } = await api();
    logins.set('fresh', { principal: riley, request: 'apr_1', madeAt: clock.now() });
    await under.revocations.revoke(
      { scope: { kind: 'user', who: riley.name, principalKey: principalKey(riley) } },
      admin,
    );
    for (const token of [riley.name, 'fresh']) {
      const answer = await services.authenticate(token);
      assert.equal(answer.ok === false && answer.code, 'HOOP_REVOKED', token);
    }
  });

  test('hears no more approvals on a stream opened before', async () => {
    const { under, services, desk, as, question } = await api();
    const heard: ApprovalView[] = [];
    let ended = false;
    services.approvalChanges(
      await as(riley),
      (view) => heard.push(view),
      () => {
        ended = true;
      },
    );
    await desk.request(question());
    assert.equal(heard.length, 1);
    await under.revocations.revoke(
      { scope: { kind: 'user', who: riley.name, principalKey: principalKey(riley) } },
      admin,
    );
    await desk.request(question({ digest: 'b'.repeat(64) }));
    assert.equal(heard.length, 1);
    assert.equal(ended, true);
  });

  test('a role that was taken away is gone from a stream opened before', async () => {
    const { under, services, desk, as, question } = await api();
    const heard: ApprovalView[] = [];
    services.approvalChanges(
      await as(auditor),
      (view) => heard.push(view),
      () => {},
    );
    under.policy = OPEN;
    await desk.request(question());
    assert.deepEqual(heard, []);
  });

  test('a stream does not outlive its login by more than groups may be old', async () => {
    const { services, desk, clock, as, question } = await api();
    const heard: ApprovalView[] = [];
    let ended = false;
    services.approvalChanges(
      await as(riley),
      (view) => heard.push(view),
      () => {
        ended = true;
      },
    );
    await clock.advance(3_600_000);
    await desk.request(question());
    assert.deepEqual([heard.length, ended], [0, true]);
  });

  test('is cut from a stream of approvals, though nothing happens to any request', async () => {
    const { under, services, clock, as } = await api();
    let ended = false;
    services.approvalChanges(
      await as(riley),
      () => {},
      () => {
        ended = true;
      },
    );
    await clock.advance(10_000);
    assert.equal(ended, false);
    await under.revocations.revoke(
      { scope: { kind: 'user', who: riley.name, principalKey: principalKey(riley) } },
      admin,
    );
    await clock.advance(1_000);
    assert.equal(ended, true);
  });

  test('is told why, and whom to ask, not just to log in', async () => {
    const { under, services } = await api();
    await under.revocations.revoke(
      { scope: { kind: 'user', who: riley.name, principalKey: principalKey(riley) }, reason: 'lost laptop' },
      admin,
    );
    const answer = await services.authenticate(riley.name);
    assert.equal(answer.ok ? '' : answer.message, 'access was revoked: lost laptop');
    assert.match(answer.ok ? '' : (answer.hint ?? ''), /^ask an administrator/);
  });

  test('gets no further lines of a recording', async () => {
    const { under, services, as, start } = await api();
    const { run } = await start(dana);
    const { session } = await under.connect(run);
    const lines = await services.sessionEvents(await as(dana), session.id);
    let got = 0;
    await assert.rejects(async () => {
      for await (const _ of lines ?? []) {
        if (got++ === 0)
          await under.revocations.revoke(
            { scope: { kind: 'user', who: dana.name, principalKey: principalKey(dana) } },
            admin,
          );
      }
    });
    assert.equal(got, 256);
  });

  test('hears nothing further of a session that is followed, though nothing is recorded', async () => {
    const { under, services, as, start } = await api();
    const { run } = await start(dana);
    const { session } = await under.connect(run);
    const lines = await services.sessionTail(await as(dana), session.id, 'last');
    const got: string[] = [];
    await assert.rejects(async () => {
      for await (const line of lines ?? []) {
        got.push(line);
        await under.revocations.revoke(
          { scope: { kind: 'user', who: dana.name, principalKey: principalKey(dana) } },
          admin,
        );
        tailLine = async () => undefined;
      }
    });
    tailLine = async (line) => `{"seq":${line}}`;
    assert.deepEqual(got, ['{"seq":0}']);
  });

  test('an auditor who is none any more follows no session of others', async () => {
    const { under, services, as, start } = await api();
    const { run } = await start(dana);
    const { session } = await under.connect(run);
    const lines = await services.sessionTail(await as(auditor), session.id, 'last');
    let got = 0;
    await assert.rejects(async () => {
      for await (const _ of lines ?? []) {
        got += 1;
        under.policy = OPEN;
      }
    });
    assert.equal(got, 1);
  });

  test('when everybody is, an admin may still come and lift it, and nobody else comes', async () => {
    const { services, as } = await api();
    const receipt = await services.revoke(await as(admin), revoke({ kind: 'all' }));
    assert.equal((await services.authenticate(dana.name)).ok, false);
    await services.lift(await as(admin), receipt.revocation.id, 'over');
    assert.equal((await services.authenticate(dana.name)).ok, true);
  });
});

test('so many sessions followed by one person and no more', async () => {
  const { under, services, as, start } = await api();
  const { run } = await start(dana);
  const { session } = await under.connect(run);
  const caller = await as(dana);
  const tail = async () => {
    const lines = (await services.sessionTail(caller, session.id, 0))?.[Symbol.asyncIterator]();
    await lines?.next();
    return lines;
  };
  const tails = await Promise.all(Array.from({ length: 32 }, tail));
  await assert.rejects(tail(), { code: 'STREAMS_TOO_MANY' });
  await tails[0]?.return?.();
  await (await tail())?.return?.();
  for (const lines of tails) await lines?.return?.();
});

test('so many, asked for all at once too', async () => {
  const { under, services, as, start } = await api();
  const { run } = await start(dana);
  const { session } = await under.connect(run);
  const caller = await as(dana);
  const asked = await Promise.allSettled(Array.from({ length: 40 }, () => services.sessionTail(caller, session.id, 0)));
  assert.equal(asked.filter(({ status }) => status === 'rejected').length, 8);
});

test("another's session is not followed, and reads as one that is not there", async () => {
  const { under, services, as, start } = await api();
  const { run } = await start(dana);
  const { session } = await under.connect(run);
  assert.equal(await services.sessionTail(await as(alex), session.id, 0), undefined);
  assert.equal(await services.sessionTail(await as(alex), 'ses_nope', 0), undefined);
});

test('so many streams of approvals for one person and no more', async () => {
  const { services, as } = await api();
  const caller = await as(riley);
  const stops = Array.from({ length: 32 }, () =>
    services.approvalChanges(
      caller,
      () => {},
      () => {},
    ),
  );
  assert.throws(
    () =>
      services.approvalChanges(
        caller,
        () => {},
        () => {},
      ),
    refusedWith('STREAMS_TOO_MANY'),
  );
  stops[0]?.();
  services.approvalChanges(
    caller,
    () => {},
    () => {},
  );
});

test('a run token opens its run alone, and nothing a person may do', async () => {
  const { services, start } = await api();
  const { run, token } = await start(dana);
  const answer = await services.authenticate(token.expose());
  assert.deepEqual(answer, { ok: true, caller: { kind: 'run', run: run.id } });
});

test('how the gateway is, is told to everybody; why, and what they may not reach, to roles alone', async () => {
  const { services, as } = await api();
  const health = async (who: Principal) => {
    const { policy, ...rest } = await services.health(await as(who));
    return { ...rest, policy: { ...policy, digest: '' } };
  };
  const told = { version: undefined, ok: false };
  assert.deepEqual(await health(alex), {
    ...told,
    problems: [],
    policy: { state: 'lastGood', digest: '' },
    leastPrivilegeOff: [],
    accounts: [],
  });
  assert.deepEqual(await health(auditor), {
    ...told,
    problems: ['store: /var/lib/hoop is full'],
    policy: { state: 'lastGood', digest: '', problem: 'policy.yaml:3 no such target' },
    leastPrivilegeOff: ['orders-db'],
    accounts: [
      {
        ...{ target: 'orders-db', account: 'app', kind: 'rotate', state: 'failing' },
        problem: 'db.internal does not answer',
      },
    ],
  });
});

test('a target is refreshed and rotated by an admin alone; for others every name reads alike', async () => {
  const { services, as, rotated, forgotten, start } = await api();
  await start(dana);
  for (const who of [dana, auditor])
    for (const name of ['kept-db', 'no-such']) {
      const caller = await as(who);
      assert.throws(() => services.refreshTarget(caller, name), refusedWith('FORBIDDEN'));
      await assert.rejects(services.rotateTarget(caller, name), refusedWith('FORBIDDEN'));
    }
  const caller = await as(admin);
  assert.throws(() => services.refreshTarget(caller, 'no-such'), refusedWith('TARGET_UNKNOWN'));
  await assert.rejects(services.rotateTarget(caller, 'no-such'), refusedWith('TARGET_UNKNOWN'));
  assert.deepEqual(rotated, []);
  assert.deepEqual(services.refreshTarget(caller, 'kept-db'), { target: 'kept-db', sessions: 0 });
  assert.deepEqual(forgotten, ['kept-db']);
  const { changedAt, nextAt } = await services.rotateTarget(caller, 'kept-db');
  assert.deepEqual([changedAt, nextAt], ['1970-01-01T00:00:00.000Z', '1970-01-02T00:00:00.000Z']);
  assert.deepEqual(rotated, ['kept-db']);
});

describe('a list of sessions', () => {
  test("is of one's own, whatever is asked for, and tells nothing of others", async () => {
    const { services, under, as, start } = await api();
    const { store } = under;
    const { run } = await start(dana);
    for (const [i, principal] of [dana, riley].entries())
      await store.sessions.insert(aSession({ id: `ses_00000${i}`, run: run.id, principal, openedAt: i }));
    await store.sessions.index({
      id: 'ses_000001',
      allowed: 1,
      denied: 1,
      tables: ['public.secrets'],
      texts: [{ digest: 'd', text: 'SELECT secret' }],
      partial: true,
      at: 1,
    });
    const caller = await as(dana);
    const ids = async (filter: Parameters<typeof services.sessions>[1]) =>
      (await services.sessions(caller, filter)).map(({ id }) => id);
    assert.deepEqual(await ids({}), ['ses_000000']);
    assert.deepEqual(await ids({ user: dana.name }), ['ses_000000']);
    for (const filter of [
      { user: riley.name },
      { user: 'nobody' },
      { user: `${riley.issuer}#${riley.subject}` },
      { table: 'secrets' },
      { text: 'secret' },
      { verdicts: ['denied', 'allowed'] as const },
    ])
      assert.deepEqual(await ids(filter), [], JSON.stringify(filter));
    assert.deepEqual(await ids({ partlyIndexed: true }), ['ses_000000']);
    for (const after of ['ses_000001', 'ses_00000x'])
      await assert.rejects(async () => services.sessions(caller, { after }), {
        code: 'NOT_FOUND',
        message: `no session "${after}"`,
      });

    const sees = await as(auditor);
    const all = async (filter: Parameters<typeof services.sessions>[1]) =>
      (await services.sessions(sees, filter)).map(({ id }) => id);
    assert.deepEqual(await all({ user: riley.name, text: 'SECRET' }), ['ses_000001']);
    assert.deepEqual(await all({ after: 'ses_000001' }), ['ses_000000']);
    await assert.rejects(all({ user: 'nobody' }), { code: 'USER_UNKNOWN' });
  });

  test('is made again from the recordings for an admin alone', async () => {
    const { services, as } = await api();
    for (const who of [dana, auditor])
      await assert.rejects(async () => services.reindexSessions(await as(who)), refusedWith('FORBIDDEN'));
    const lines = await Array.fromAsync(await services.reindexSessions(await as(admin)));
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).done),
      [true],
    );
  });
});
