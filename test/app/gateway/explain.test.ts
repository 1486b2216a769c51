/** `policy explain`, attacked: whom one may ask about, and what the answer gives away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExplainRequest, UserCaller } from '../../../src/api/index.ts';
import { explainText } from '../../../src/app/gateway/explain.ts';
import type { OfflineReader } from '../../../src/app/policy-text.ts';
import type { HoopError } from '../../../src/base/error.ts';
import type { Command } from '../../../src/domain/command.ts';
import { parseTargetName, type TargetName } from '../../../src/domain/target.ts';
import type { Circumstances, Policy } from '../../../src/domain/verdict.ts';
import { ask, command, dana } from '../../fakes/gate.ts';
import { GRANT, OPEN } from '../../fakes/gateway.ts';

function noReader(): never {
  throw new Error('the protocol reads by itself');
}

type Reading = (text: string) => Promise<readonly Command[] | undefined>;

async function readHere(text: string): Promise<readonly Command[]> {
  return text.split('; ').map(statement);
}

const shop = parseTargetName('shop') as TargetName;

function asking(
  policy: Partial<Policy> = {},
  roles: UserCaller['roles'] = [],
  { interpret = readHere, reader = noReader }: { interpret?: Reading; reader?: () => OfflineReader } = {},
) {
  const judged: Circumstances[] = [];
  const served = {
    target: { name: shop, protocol: 'postgres', labels: {}, account: 'app', settings: {} },
    protocol: { interpret },
  };
  const caller: UserCaller = { kind: 'user', principal: dana, issuedAt: 0, expiresAt: 0, roles };
  return {
    judged,
    explain: (more: Partial<ExplainRequest> = {}) =>
      explainText({
        caller,
        request: { target: 'shop', text: 'SELECT 1', ...more },
        policy: {
          ...OPEN,
          judge: (_command, circumstances) => {
            judged.push(circumstances);
            return { kind: 'allow', rules: ['all'] };
          },
          ...policy,
        },
        targets: new Map([['shop', served as never]]),
        reader,
      }),
  };
}

function statement(text: string) {
  if (text.startsWith('SELECT')) return command(text, ['read']);
  return command(text, ['unknown'], { impossible: { code: 'HOOP_DENIED', reason: 'cannot be parsed' } });
}

function refusedWith(code: string) {
  return (error: unknown) => (error as HoopError).code === code;
}

test('a rule that has it watched while it runs is named', async () => {
  const moderated = { ...ask, moderated: true } as const;
  const { explain } = asking({ judge: () => ({ kind: 'hold', rules: ['all', ask.rule], asks: [ask, moderated] }) });
  assert.deepEqual(
    (await explain()).statements.map(({ verdict, moderated }) => [verdict, moderated]),
    [['hold', [ask.rule]]],
  );
  const held = asking({ judge: () => ({ kind: 'hold', rules: ['all', ask.rule], asks: [ask] }) });
  assert.equal((await held.explain()).statements[0]?.moderated, undefined);
});

test('without a role one asks about oneself alone, and not with other groups', async () => {
  const { explain } = asking();
  await explain({ as: dana.name });
  await assert.rejects(explain({ as: 'riley@example.test' }), refusedWith('FORBIDDEN'));
  await assert.rejects(explain({ groups: ['db-owners'] }), refusedWith('FORBIDDEN'));
});

test('an unknown and a forbidden target read alike', async () => {
  const { explain } = asking({ admit: () => undefined });
  const messages: string[] = [];
  for (const target of ['shop', 'nothing']) {
    await explain({ target }).catch((error: HoopError) =>
      messages.push(`${error.code} ${error.message.replace(target, 'X')}`),
    );
  }
  assert.equal(messages.length, 2);
  assert.equal(messages[0], messages[1]);
});

test('where nothing is known of the target, it is read without, and the answer says what was assumed', async () => {
  const offline = {
    assumptions: ['taken for a table'],
    interpret: async (_target: unknown, text: string) => [statement(text)],
    close: async () => {},
  };
  const { explain } = asking({}, [], { interpret: async () => undefined, reader: () => offline });
  assert.deepEqual((await explain()).hint, 'taken for a table');
});

test("somebody else's agent is not one's own by naming it", async () => {
  const { explain, judged } = asking({ agent: (name) => ({ name, owners: { users: ['riley@example.test'] } }) });
  await explain({ agent: 'weekly-report' });
  assert.equal(judged[0]?.agent, undefined);
});

test('asked about somebody else, nothing of the caller is lent to them', async () => {
  const { explain, judged } = asking({ admit: () => GRANT }, ['auditor']);
  await explain({ as: 'riley@example.test' });
  const { principal } = judged[0] as Circumstances;
  assert.deepEqual([principal.name, principal.groups, principal.claims], ['riley@example.test', [], {}]);
});

test('what cannot be read is denied whatever policy says, and whatever stands beside it', async () => {
  const { explain } = asking();
  for (const text of ['SELEC', 'SELEC; SELECT 1', 'SELECT 1; SELEC']) {
    const view = await explain({ text });
    assert.deepEqual([view.verdict, view.reason], ['deny', 'cannot be parsed'], text);
  }
});
