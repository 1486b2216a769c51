/** What may stand under the cursor, by the commands' own forms. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Completes } from '../../../src/cli/command.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { placeOf } from '../../../src/cli/completion/walk.ts';

const offered = async (...words: string[]) => (await placeOf(words)).candidates.map(({ value }) => value);

test('before a command is named, every command may be', async () => {
  assert.deepEqual(
    await offered(''),
    COMMANDS.map(({ name }) => name),
  );
  assert.deepEqual(await offered('--gateway', 'https://gateway.example', ''), await offered(''));
});

test('a dash asks for options: those of the command and the global ones, each once', async () => {
  const options = await offered('targets', 'show', '--');
  assert.deepEqual(options, ['--output', '--json', '--quiet', '--verbose', '--gateway', '--ca', '--help']);
  assert.ok((await offered('--')).includes('--version'));
});

test('an option that is there already is offered again only if it may be repeated', async () => {
  const options = await offered('run', '--max', '1h', '--target', 'a', '--');
  assert.deepEqual([options.includes('--max'), options.includes('--target')], [false, true]);
});

test('an option that help hides is not offered', async () => {
  const options = await offered('tunnel', '--');
  assert.deepEqual([options.includes('--background'), options.includes('--held')], [true, false]);
});

test('a command with subcommands offers them, and the options of the one that is meant without a name', async () => {
  assert.deepEqual((await offered('approvals', '')).includes('show'), true);
  assert.ok((await offered('sessions', '--')).includes('--live'));
  assert.deepEqual(await offered('sessions', '--target', 'orders-db', ''), await offered('sessions', ''));
});

test('choices are offered behind the option, with a space or with =', async () => {
  const states = ['open', 'approved', 'consumed', 'denied', 'expired', 'withdrawn', 'all'];
  assert.deepEqual(await offered('approvals', 'list', '--state', ''), states);
  assert.deepEqual(await offered('approvals', '--state', ''), states);
  const { candidates, prefix } = await placeOf(['approvals', 'list', '--state=']);
  assert.deepEqual([candidates.map(({ value }) => value), prefix], [states, '--state=']);
});

test('--output offers what the command can print', async () => {
  assert.deepEqual(await offered('targets', 'list', '-o', ''), ['text', 'json']);
  assert.deepEqual(await offered('exec', 'orders-db', '--output', ''), ['text', 'json', 'csv', 'tsv']);
});

test('behind an option that takes a free text, and after the last argument, nothing is offered', async () => {
  for (const words of [
    ['exec', '--purpose', ''],
    ['targets', 'show', 'orders-db', ''],
    ['whoami', '--claims=x'],
    ['no-such-command', ''],
    ['approvals', 'no-such-thing', ''],
  ])
    assert.deepEqual(await placeOf(words), { candidates: [], given: [], prefix: '' }, words.join(' '));
});

describe('what has to be looked up', () => {
  const rows: readonly (readonly [line: string, kind: Completes])[] = [
    ['exec ', 'target'],
    ['exec --max 1h ', 'target'],
    ['connect ', 'target'],
    ['connect orders-db -- ', 'file'],
    ['tunnel ', 'target'],
    ['tunnel a b ', 'target'],
    ['targets show ', 'target'],
    ['policy explain ', 'target'],
    ['run --target ', 'target'],
    ['run --target=o', 'target'],
    ['sessions --target ', 'target'],
    ['env ', 'openTunnel'],
    ['url ', 'openTunnel'],
    ['approve ', 'approval'],
    ['deny ', 'approval'],
    ['approvals show ', 'approval'],
    ['sessions show ', 'session'],
    ['sessions replay ', 'session'],
    ['sessions tail ', 'session'],
    ['init ', 'template'],
    ['init shell-agent ', 'folder'],
    ['sessions kill ', 'liveSession'],
    ['revoke --session ', 'liveSession'],
    ['audit verify --session ', 'session'],
    ['run --agent ', 'agent'],
    ['agents show ', 'agent'],
    ['revoke --agent ', 'agent'],
    ['revoke --user ', 'person'],
    ['people show ', 'person'],
    ['revoke --run ', 'run'],
    ['sessions list --run ', 'run'],
    ['revocations show ', 'revocation'],
    ['unrevoke ', 'standingRevocation'],
    ['gateways use ', 'gateway'],
    ['targets --gateway ', 'gateway'],
    ['--gateway ', 'gateway'],
    ['--ca ', 'file'],
    ['run ', 'file'],
    ['run agent.ts --target ', 'file'],
    ['run --env ', 'variable'],
    ['run -- ', 'program'],
    ['run -- psql ', 'file'],
    ['exec --file ', 'file'],
    ['trust ', 'folder'],
    ['gateway start --config ', 'file'],
    ['help ', 'command'],
  ];
  for (const [line, kind] of rows)
    test(`${line}→ ${kind}`, async () => {
      assert.equal((await placeOf(line.split(' '))).completes, kind);
    });
});

test('the gateway that is asked is the one on the command line', async () => {
  const { gateway, ca } = await placeOf(['--gateway', 'https://a.example', 'exec', '--ca=ca.pem', '']);
  assert.deepEqual({ gateway, ca }, { gateway: 'https://a.example', ca: 'ca.pem' });
});

test('every option and argument that stands for something known says what', async () => {
  const silent: string[] = [];
  for (const { load } of COMMANDS) {
    const { command } = await load();
    for (const form of [command, ...(command.subcommands ?? [])])
      for (const { flags, choices, completes, hidden } of form.options ?? [])
        if (KNOWN.test(flags) && !hidden && choices === undefined && completes === undefined)
          silent.push(`${command.name} ${form.name} ${flags}`);
  }
  assert.deepEqual(silent, []);
});

/** By what their values are called. `init` and `gateway init` name what is new. */
const KNOWN = /<(file|dir|folder|id)>|--(agent|target|session|run|as) <(name|id|who)>/;
