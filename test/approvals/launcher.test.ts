/** `proof: launcher` at the desk: a key press in the terminal that launched the run, and all that only looks like one. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Answer, ProofShown } from '../../src/approvals/index.ts';
import { Token } from '../../src/base/secret.ts';
import type { ApprovalQuestion } from '../../src/domain/approval.ts';
import type { Ask } from '../../src/domain/verdict.ts';
import { createLauncher } from '../../src/gateway/launcher.ts';
import { aQuestion, dana, riley } from '../store/samples.ts';
import { asking, type DeskFixture, openDesk } from './desks.ts';
import { createHash } from 'node:crypto';

const NONCES: Readonly<Record<string, string>> = { 'run-000001': 'A'.repeat(43), 'run-000002': 'B'.repeat(43) };
const WRONG = 'C'.repeat(43);
const own = { approvers: { users: [dana.name, riley.name] }, self: true } as const;
const byLauncher: Partial<Ask> = { ...own, proof: { kind: 'launcher' } };

/** A desk, two runs of dana's with a terminal each, and an ask that a key press in it decides. */
async function terminals(ask: Partial<Ask> = byLauncher, change: Partial<ApprovalQuestion> = {}) {
  const launchers = new Map(
    Object.entries(NONCES).map(([run, nonce]) => {
      const key = createHash('sha256').update(Buffer.from(nonce, 'base64url')).digest('base64url');
      return [run, createLauncher(key, 3)];
    }),
  );
  const f = await openDesk({ launcher: (run, nonce) => launchers.get(run)?.check(nonce) ?? 'absent' });
  const held = await f.ask({ ...asking(ask), ...change });
  const press = (nonce: string, answer: Partial<Answer> = {}, id = held.id) =>
    f.approve(id, { principal: dana, proof: pressed(f, nonce), ...answer });
  return { f, held, press, launchers };
}

function pressed(f: DeskFixture, nonce: string): ProofShown {
  return { kind: 'launcher', issuedAt: f.clock.now(), nonce: Token.of(nonce) };
}

const codeOf = (result: { kind: string; code?: string }) => result.code ?? result.kind;
const right = NONCES['run-000001'] ?? '';
const others = NONCES['run-000002'] ?? '';

describe('proof: launcher', () => {
  test('a key press there approves, and the decision says by whom and how, never with what', async () => {
    const { f, held, press } = await terminals();
    await using _ = f;
    assert.equal(codeOf(await press(right)), 'decided');
    assert.deepEqual(await held.decided, { kind: 'approved', by: dana, proof: 'launcher' });
    assert.ok(!JSON.stringify(await f.store.approvals.find(held.id)).includes(right));
    assert.deepEqual(await f.desk.consume([held.id], aQuestion(asking(byLauncher))), { kind: 'consumed' });
  });

  test('a key press there denies, with a reason', async () => {
    const { f, held, press } = await terminals();
    await using _ = f;
    assert.equal(codeOf(await press(right, { decision: 'deny', reason: 'no' })), 'decided');
    assert.deepEqual(await held.decided, { kind: 'denied', by: dana, reason: 'no' });
  });

  const attacks: readonly (readonly [string, (t: Awaited<ReturnType<typeof terminals>>) => Promise<string>, string])[] =
    [
      ["another run's terminal", async ({ press }) => codeOf(await press(others)), 'LAUNCHER_PROOF_WRONG'],
      ['a guess', async ({ press }) => codeOf(await press(WRONG)), 'LAUNCHER_PROOF_WRONG'],
      [
        "another approver's login with the right bits",
        async ({ press }) => codeOf(await press(right, { principal: riley })),
        'LAUNCHER_ONLY',
      ],
      [
        "the launcher's ordinary login",
        async ({ f, press }) => codeOf(await press('', { proof: { kind: 'login', issuedAt: f.clock.now() } })),
        'LAUNCHER_ONLY',
      ],
      [
        "the launcher's sign-in made for the request",
        async ({ f, held, press }) =>
          codeOf(await press('', { proof: { kind: 'fresh', request: held.id, madeAt: f.clock.now() } })),
        'LAUNCHER_ONLY',
      ],
      [
        "another approver's sign-in made for the request",
        async ({ f, held }) => codeOf(await f.approve(held.id)),
        'LAUNCHER_ONLY',
      ],
      [
        'an ordinary login, to deny',
        async ({ f, press }) =>
          codeOf(await press('', { decision: 'deny', proof: { kind: 'login', issuedAt: f.clock.now() } })),
        'LAUNCHER_ONLY',
      ],
      [
        'the digest of another request',
        async ({ press }) => codeOf(await press(right, { digest: 'e'.repeat(64) })),
        'DIGEST_MISMATCH',
      ],
      [
        'a login from before a revocation',
        async ({ f, press }) => {
          f.dead.set(dana.name, f.clock.now());
          return codeOf(await press(right));
        },
        'REVOKED',
      ],
    ];

  for (const [what, attack, code] of attacks) {
    test(`${what} does not decide, and the request stays open`, async () => {
      const set = await terminals();
      await using _ = set.f;
      assert.equal(await attack(set), code);
      assert.equal((await set.f.desk.find(set.held.id))?.state, 'open');
    });
  }

  test('any approver who signed in for the request may deny it', async () => {
    const { f, held } = await terminals();
    await using _ = f;
    assert.equal(codeOf(await f.approve(held.id, { decision: 'deny' })), 'decided');
    assert.equal((await held.decided).kind, 'denied');
  });

  test('it counts once', async () => {
    const { f, press } = await terminals();
    await using _ = f;
    await press(right);
    assert.equal(codeOf(await press(right)), 'APPROVAL_SETTLED');
  });

  test('it counts for a request that is still open: not past its time, not withdrawn with its run', async () => {
    const late = await terminals();
    await using _ = late.f;
    await late.f.clock.advance(600_000);
    assert.equal(codeOf(await late.press(right)), 'APPROVAL_SETTLED');
    const ended = await terminals();
    await using __ = ended.f;
    await ended.f.desk.withdrawRun('run-000001', 'the run ended');
    assert.equal(codeOf(await ended.press(right)), 'APPROVAL_SETTLED');
  });

  test('it counts for nothing once the run is not known any more', async () => {
    const { f, press, launchers } = await terminals();
    await using _ = f;
    launchers.delete('run-000001');
    assert.equal(codeOf(await press(right)), 'LAUNCHER_ONLY');
  });

  test('too many wrong ones, and the terminal decides nothing more; a sign-in can still deny', async () => {
    const { f, held, press } = await terminals();
    await using _ = f;
    for (let i = 0; i < 3; i++) assert.equal(codeOf(await press(WRONG)), 'LAUNCHER_PROOF_WRONG');
    assert.equal(codeOf(await press(right)), 'LAUNCHER_LOCKED');
    assert.equal(codeOf(await press(right, { decision: 'deny' })), 'LAUNCHER_LOCKED');
    assert.equal(codeOf(await f.approve(held.id, { decision: 'deny' })), 'decided');
  });

  test("nobody else uses up the launcher's tries", async () => {
    const { f, press } = await terminals();
    await using _ = f;
    for (let i = 0; i < 9; i++) await press(WRONG, { principal: riley });
    assert.equal(codeOf(await press(right)), 'decided');
  });

  test('the launcher has to be an approver', async () => {
    const { f, press } = await terminals({ ...byLauncher, approvers: { groups: ['db-owners'] } });
    await using _ = f;
    assert.equal(codeOf(await press(right)), 'NOT_AN_APPROVER');
  });

  test('and the rule has to let people approve themselves', async () => {
    const { f, press } = await terminals({ ...byLauncher, self: false });
    await using _ = f;
    assert.equal(codeOf(await press(right)), 'OWN_REQUEST');
  });

  test('where the rule wants a fresh sign-in, the key press gives nothing', async () => {
    const { f, press } = await terminals({ ...own, proof: { kind: 'fresh', freshFor: 600_000 } });
    await using _ = f;
    assert.equal(codeOf(await press(right)), 'PROOF_NEEDED');
  });

  test('where any login does, it is a login', async () => {
    const { f, held, press } = await terminals({ ...own, self: false, proof: { kind: 'login' } });
    await using _ = f;
    assert.equal(codeOf(await press(right)), 'OWN_REQUEST');
    assert.equal(codeOf(await press(WRONG, { principal: riley })), 'decided');
    assert.deepEqual(await held.decided, { kind: 'approved', by: riley, proof: 'login' });
  });
});
