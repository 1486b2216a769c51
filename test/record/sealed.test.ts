import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import type { SessionEvent } from '../../src/domain/recording.ts';
import {
  createUnsealer,
  type LocalRecordings,
  readEvents,
  readGist,
  readIdentities,
  replay,
  summarize,
} from '../../src/record/index.ts';
import { createSealer, newKey, openLine } from '../../src/record/sealed-lines.ts';
import { type Bench, bench, DAY, intent, opened, outcome, verifyFolder } from './workbench.ts';

const CANARY = 'canary-7f3a91';
const WORDS = ['sql', 'param', 'row', 'column', 'reason', 'purpose', 'rule', 'table', 'tag', 'notice', 'end', 'stream'];
const canary = (what: string) => `${CANARY}-${what}`;

let identity: string;
let recipient: string;
before(async () => {
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
});

/** Every event there is, with a canary in every place that is said, not needed. */
function everything(): SessionEvent[][] {
  const text = { text: canary('sql'), bytes: 20, sha256: '0'.repeat(64) };
  const params = [{ type: 'text', value: canary('param'), format: 'text' as const }];
  const [verdict, command] = intent('c1') as [SessionEvent, SessionEvent];
  return [
    [
      {
        ...verdict,
        text,
        params,
        verdict: 'hold',
        rules: [canary('rule')],
        reason: canary('reason'),
        resources: [{ kind: 'table', name: canary('table'), access: 'read' }],
      } as SessionEvent,
      { type: 'approval.requested', command: 'c1', approval: 'a1', rule: canary('rule'), digest: 'd' },
      { type: 'approval.decided', command: 'c1', approval: 'a1', decision: 'approved', reason: canary('reason') },
      { ...command, sent: text, params } as SessionEvent,
    ],
    [
      { type: 'result', command: 'c1', columns: [canary('column')], rows: [[canary('row'), null]] },
      { ...outcome('c1'), tag: canary('tag') } as SessionEvent,
      { type: 'stream', direction: 'out', data: canary('stream') },
      { type: 'notice', notice: 'search', detail: canary('notice') },
    ],
  ];
}

async function record(at: Bench, options: Parameters<Bench['start']>[0] = {}): Promise<LocalRecordings> {
  const recordings = await at.start({ recipients: [recipient], ...options });
  const recorder = await recordings.open({ ...opened('s1'), purpose: canary('purpose'), client: canary('purpose') });
  for (const events of everything()) await recorder.append(events, 'intent');
  const crash = at.afterCrash();
  assertNoCanary(crash);
  crash[Symbol.dispose]();
  await recorder.finish({ kind: 'targetGone', message: canary('end') });
  return recordings;
}

function assertNoCanary(at: Bench): void {
  const files = readdirSync(at.root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  assert.ok(files.length > 3);
  for (const { parentPath, name } of files) {
    const bytes = readFileSync(join(parentPath, name));
    for (const spelt of [
      CANARY,
      Buffer.from(CANARY).toString('hex'),
      Buffer.from(CANARY).toString('base64').slice(0, 16),
    ])
      assert.equal(bytes.includes(spelt), false, `${name} holds ${spelt}`);
  }
}

const fileOf = (at: Bench) => join(at.recordings, DAY, 's1.ndjson.gz');

describe('sealed recordings', () => {
  for (const durability of ['effects', 'process'] as const) {
    test(`hold nothing of what was said in any byte, nor does the journal: ${durability}`, async () => {
      using at = bench();
      const recordings = await record(at, { durability });
      await recordings.close();
      assertNoCanary(at);
    });
  }

  test('are verified without the key', async () => {
    using at = bench();
    const recordings = await record(at);
    await recordings.close();
    const report = (await verifyFolder(at.recordings, recordings)).get('s1');
    assert.equal(report?.grade, 'complete');
    assert.deepEqual(report?.end, { kind: 'targetGone' });
  });

  test('say who and when, and which command, for everybody', async () => {
    using at = bench();
    const recordings = await record(at);
    await recordings.close();
    const events = await Array.fromAsync(readEvents(fileOf(at)));
    const [first] = events;
    assert.ok(first?.type === 'session.opened');
    assert.deepEqual(
      [first.principal.name, first.target, first.account, first.agent?.name, first.purpose],
      ['dana@example.test', 'orders-db', 'app_reader', 'weekly-report', undefined],
    );
    assert.deepEqual(first.encryption?.recipients, [recipient]);
    assert.deepEqual(
      events.map((event) => [event.type, 'command' in event ? event.command : undefined].filter(Boolean).join(' ')),
      [
        'session.opened',
        ...['verdict c1', 'approval.requested c1', 'approval.decided c1', 'command c1', 'result c1', 'outcome c1'],
        ...['stream', 'notice', 'session.closed', 'checkpoint'],
      ],
    );
  });

  test('say all with the key', async () => {
    using at = bench();
    using clear = bench();
    const recordings = await record(at);
    await recordings.close();
    const plain = await clear.start();
    const recorder = await plain.open({ ...opened('s1'), purpose: canary('purpose'), client: canary('purpose') });
    for (const events of everything()) await recorder.append(events, 'intent');
    await recorder.finish({ kind: 'targetGone', message: canary('end') });
    await plain.close();

    const unsealer = createUnsealer([identity]);
    const bare = ({ prev: _, seq: __, at: ___, ...event }: Record<string, unknown>) => {
      const { encryption: ____, ...rest } = event;
      return rest;
    };
    const read = (await Array.fromAsync(readEvents(fileOf(at), unsealer))).map((event) => bare({ ...event }));
    const expected = (await Array.fromAsync(readEvents(fileOf(clear)))).map((event) => bare({ ...event }));
    assert.deepEqual(read.slice(0, -1), expected.slice(0, -1));
    assert.deepEqual(unsealer.state, { kind: 'opened' });
    for (const word of WORDS) assert.ok(JSON.stringify(read).includes(canary(word)), word);
  });

  test('are shown as encrypted without the key, or with another one', async () => {
    using at = bench();
    const recordings = await record(at);
    await recordings.close();
    for (const identities of [undefined, [await generateX25519Identity()]]) {
      const unsealer = createUnsealer(identities);
      const lines = await Array.fromAsync(replay(readEvents(fileOf(at), unsealer)));
      assert.deepEqual(unsealer.state, { kind: 'locked', recipients: [recipient] });
      assert.deepEqual(lines.map(({ kind, text, detail }) => [kind, text, detail].join('|')).slice(1, 2), [
        'asked|(encrypted)|hold, encrypted',
      ]);
      assert.equal(lines.at(-1)?.text, 'the target went away: (encrypted)');
      assert.equal(JSON.stringify(lines).includes(CANARY), false);
      const summary = await summarize(readEvents(fileOf(at), createUnsealer(identities)));
      assert.equal(summary.commands, 1);
      assert.deepEqual(summary.unknown, []);
    }
  });

  test('are closed after a crash by a gateway that cannot read them', async () => {
    using at = bench();
    const recordings = await at.start({ recipients: [recipient] });
    const recorder = await recordings.open(opened('s1'));
    await recorder.append(intent('c1', canary('sql')), 'intent');
    using crashed = at.afterCrash();
    await recordings.close();
    const back = await crashed.start({ recipients: [recipient] });
    assert.deepEqual(back.recovery.problems, []);
    await back.close();
    assert.equal((await verifyFolder(crashed.recordings, back)).get('s1')?.grade, 'crashed');
    const events = await Array.fromAsync(readEvents(fileOf(crashed), createUnsealer([identity])));
    const [sent, fate] = [events.find(({ type }) => type === 'command'), events.find(({ type }) => type === 'outcome')];
    assert.ok(sent?.type === 'command' && sent.sent.text === canary('sql'));
    assert.ok(fate?.type === 'outcome' && fate.state === 'unknown');
  });

  test('are indexed by their counts alone', async () => {
    using at = bench();
    const recordings = await record(at);
    await recordings.close();
    for (const texts of [true, false]) {
      const gist = await readGist(fileOf(at), 's1', { texts });
      assert.deepEqual([gist?.commands, gist?.tables, gist?.texts, gist?.partial], [1, [], [], true]);
      assert.equal(gist?.opened.principal.name, 'dana@example.test');
    }
  });

  test('for several are read by each of them', async () => {
    using at = bench();
    const other = await generateX25519Identity();
    const recordings = await record(at, { recipients: [recipient, await identityToRecipient(other)] });
    await recordings.close();
    for (const one of [identity, other]) {
      const unsealer = createUnsealer([one]);
      await Array.fromAsync(readEvents(fileOf(at), unsealer));
      assert.deepEqual(unsealer.state, { kind: 'opened' });
    }
  });

  test('are not begun for a recipient that is none', async () => {
    using at = bench();
    const wrong = `${recipient.slice(0, -1)}${recipient.endsWith('q') ? 'p' : 'q'}`;
    await assert.rejects(at.start({ recipients: [wrong] }), { code: 'RECIPIENT_INVALID', exit: 2 });
    await (await at.start()).close();
  });
});

describe('a sealed line', () => {
  const event: SessionEvent = { type: 'stream', direction: 'out', data: 'said' };

  test('opens for its session, place and kind alone', () => {
    const key = newKey();
    const { sealed } = createSealer('s1', key).seal(event, 7) as { sealed: string };
    assert.deepEqual(openLine(key, 's1', { seq: 7, type: 'stream', sealed }), { data: 'said' });
    assert.equal(openLine(key, 's2', { seq: 7, type: 'stream', sealed }), undefined);
    assert.equal(openLine(key, 's1', { seq: 8, type: 'stream', sealed }), undefined);
    assert.equal(openLine(key, 's1', { seq: 7, type: 'notice', sealed }), undefined);
    assert.equal(openLine(newKey(), 's1', { seq: 7, type: 'stream', sealed }), undefined);
    for (const short of ['', 'AAAA', '!'])
      assert.equal(openLine(key, 's1', { seq: 7, type: 'stream', sealed: short }), undefined);
  });

  test('never has the nonce of another, though a line that was not written gives its number away', () => {
    const sealer = createSealer('s1', newKey());
    const nonces = [1, 1, 2, 1].map((seq) => (sealer.seal(event, seq)['sealed'] as string).slice(0, 16));
    assert.equal(new Set(nonces).size, 4);
  });

  test('hides what a later version adds to an event', () => {
    const sealer = createSealer('s1', newKey());
    const newer = { ...event, more: 'said too' } as SessionEvent;
    assert.deepEqual(Object.keys(sealer.seal(newer, 1)), ['type', 'direction', 'sealed']);
  });
});

describe('a file of identities', () => {
  test('is read as age-keygen writes it', async () => {
    const text = `# created: 2026-11-21\n# public key: ${recipient}\n${identity}\n\n`;
    assert.deepEqual(readIdentities(text, 'the file'), [identity]);
  });

  test('that is none, or is encrypted itself, is refused, and nothing of it is told', () => {
    for (const text of ['', recipient, `${identity}x`, 'AGE-SECRET-KEY-PQ-1QQ']) {
      assert.throws(() => readIdentities(text, 'FILE'), { code: 'IDENTITY_INVALID', message: /^FILE holds/ });
    }
    assert.throws(() => readIdentities('-----BEGIN AGE ENCRYPTED FILE-----\nxyz', 'FILE'), {
      code: 'IDENTITY_INVALID',
      message: /encrypted/,
    });
  });
});
