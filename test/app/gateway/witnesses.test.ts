/** The log's heads, signed by somebody else: what is asked, what counts as an answer, and what is said when there is none. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { startWitnesses } from '../../../src/app/gateway/witnesses.ts';
import { parseHead, parseVerifierKey, type SessionLog, witnessesOf } from '../../../src/record/index.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { type FakeWitness, startWitness } from '../../fakes/witness.ts';
import { keyPair, type LogBench, logBench, policyLeaf, policyLeaves } from '../../record/log/workbench.ts';
import { until } from '../../fakes/until.ts';

const PEM = createPublicKey(keyPair.privateKey).export({ type: 'spki', format: 'pem' }).toString();

interface House {
  readonly at: LogBench;
  readonly clock: FakeClock;
  readonly witness: FakeWitness;
  readonly warnings: string[];
  start(log: SessionLog, keys?: readonly FakeWitness[]): ReturnType<typeof startWitnesses>;
}

async function house(t: TestContext): Promise<House> {
  const at = logBench();
  const clock = new FakeClock();
  const witness = await startWitness();
  witness.trust('hoopctl/gw1', PEM);
  const warnings: string[] = [];
  t.after(async () => {
    await witness.close();
    at[Symbol.dispose]();
  });
  return {
    at,
    clock,
    witness,
    warnings,
    start(log, asked = [witness]) {
      const started = startWitnesses({ log, witnesses: asked, clock, warn: (message) => warnings.push(message) });
      t.after(() => started.stop());
      return started;
    },
  };
}

/** Until the witness has answered so often; the clock goes on meanwhile. */
async function answers({ witness, clock }: House, count: number): Promise<void> {
  await until(`the witness has answered ${count}`, async () => {
    await clock.advance(100);
    return witness.answered.length >= count;
  });
}

test('every head gets the signature of the witness, in the note that is published', async (t) => {
  const under = await house(t);
  const log = await under.at.open();
  const witnesses = under.start(log);
  for (let size = 1; size <= 3; size += 1) {
    await log.append(policyLeaf(size));
    await answers(under, size);
    await until('it is so', () => under.at.text('checkpoint').includes(under.witness.name));
    const head = parseHead(Buffer.from(under.at.text('checkpoint')));
    const verifier = parseVerifierKey(under.witness.key);
    assert.ok(head && verifier);
    assert.equal(head.size, size);
    assert.deepEqual([...witnessesOf(head, [verifier]).keys()], [under.witness.name]);
  }
  assert.deepEqual(under.witness.answered, [200, 200, 200]);
  assert.deepEqual(witnesses.problems(), []);
  await witnesses.stop();
  await log.close();
});

test('a witness that knows the log already is asked from where it stands', async (t) => {
  const under = await house(t);
  const log = await under.at.open();
  await log.append(...policyLeaves(0, 300));
  const first = under.start(log);
  await answers(under, 1);
  await first.stop();
  await log.append(...policyLeaves(300, 700));
  const second = under.start(log);
  await answers(under, 3);
  await until('it is so', () => under.at.text('checkpoint').includes(under.witness.name));
  assert.deepEqual(under.witness.answered, [200, 409, 200]);
  assert.equal(under.witness.logs.get('hoopctl/gw1')?.size, 700);
  await second.stop();
  await log.close();
});

test('a log that was put back as it was is told by its witness', async (t) => {
  const under = await house(t);
  const log = await under.at.open();
  await log.append(policyLeaf(1));
  using older = under.at.afterCrash();
  const first = under.start(log);
  await log.append(policyLeaf(2), policyLeaf(3));
  await until('it is so', () => {
    under.clock.advance(100);
    return under.witness.logs.get('hoopctl/gw1')?.size === 3;
  });
  await first.stop();
  await log.close();
  const again = await older.open();
  const witnesses = under.start(again);
  await until('it is so', () => witnesses.problems().length > 0);
  assert.deepEqual(witnesses.problems(), [
    'witness.example/w1: it has signed 3 leaves of this log, which has 1: an older copy was put back',
  ]);
  await witnesses.stop();
  await again.close();
});

test('a log that was written anew is told by its witness', async (t) => {
  const under = await house(t);
  const log = await under.at.open();
  await log.append(policyLeaf(1), policyLeaf(2));
  const first = under.start(log);
  await answers(under, 1);
  await first.stop();
  await log.close();
  for (const folder of [under.at.folder, under.at.tails]) rmSync(folder, { recursive: true });
  const anew = await under.at.open();
  await anew.append(policyLeaf(7), policyLeaf(8));
  const witnesses = under.start(anew);
  await until('it is so', () => witnesses.problems().length > 0);
  assert.match(witnesses.problems()[0] ?? '', /it has signed another tree of 2 leaves/);
  await anew.append(policyLeaf(9));
  const asked = under.witness.answered.length;
  await answers(under, asked + 1);
  await until('it is so', () => /no continuation/.test(witnesses.problems()[0] ?? ''));
  await witnesses.stop();
  await anew.close();
});

test('a witness that is away holds nothing up, is told of once, and is asked again', async (t) => {
  const under = await house(t);
  const log = await under.at.open();
  under.witness.refuse = 503;
  const witnesses = under.start(log);
  await log.append(policyLeaf(1));
  await answers(under, 3);
  assert.deepEqual(witnesses.problems(), ['witness.example/w1: it answered 503']);
  assert.equal(under.warnings.length, 1);
  under.witness.refuse = undefined;
  await answers(under, under.witness.answered.length + 1);
  await until('it is so', () => witnesses.problems().length === 0);
  await witnesses.stop();
  await log.close();
});

test('an answer that is not signed with the key of the witness does not count', async (t) => {
  const under = await house(t);
  const other = await startWitness('witness.example/other');
  t.after(() => other.close());
  const log = await under.at.open();
  await log.append(policyLeaf(1));
  const witnesses = under.start(log, [{ ...under.witness, key: other.key }]);
  await until('it is so', () => witnesses.problems().length > 0);
  assert.match(witnesses.problems()[0] ?? '', /not signed with its key/);
  assert.equal(under.at.text('checkpoint').includes('witness.example'), false);
  await witnesses.stop();
  await log.close();
});

test('what is no key of a witness is refused at the start', async (t) => {
  const under = await house(t);
  const log = await under.at.open();
  assert.throws(() => under.start(log, [{ ...under.witness, key: 'x+00000000+AAAA' }]), {
    code: 'WITNESS_KEY',
    exit: 2,
  });
  await log.close();
});
