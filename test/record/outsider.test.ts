/** Somebody with every right to the folder of the recordings, and without the key, tries what he can think of. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Grade } from '../../src/domain/recording.ts';
import { canonicalJson, GENESIS, lineHash } from '../../src/record/chain.ts';
import { createSigner } from '../../src/record/checkpoint.ts';
import {
  type PublicKeys,
  verifyAll,
  verifyLogs,
  verifyRecording,
  type LogReport,
  type LoggedReport,
} from '../../src/record/index.ts';
import { type Bench, bench, DAY, intent, opened, outcome, sealedSession } from './workbench.ts';

let at: Bench;
let keys: PublicKeys;
let yesterday: Bench;
let note: Buffer;

const LOG = { log: { version: '0' } };

/** s1 and s2 are of yesterday; s3 is of today. */
before(async () => {
  at = bench();
  let recordings = await at.start(LOG);
  keys = recordings.publicKey.trusted;
  for (const session of ['s1', 's2']) await sealedSession(recordings, session, 6);
  await recordings.close();
  note = readFileSync(join(at.recordings, '.log/gw1/checkpoint'));
  yesterday = at.afterCrash();
  recordings = await at.start(LOG);
  await sealedSession(recordings, 's3', 6);
  await recordings.close();
});
after(() => {
  at[Symbol.dispose]();
  yesterday[Symbol.dispose]();
});

const fileOf = (place: Bench, session: string) => join(place.recordings, DAY, `${session}.ndjson.gz`);
const textOf = (place: Bench, session: string) => gunzipSync(readFileSync(fileOf(place, session))).toString('utf8');

function pack(text: string | Buffer): Buffer {
  const bytes = gzipSync(text, { level: 3 });
  bytes[9] = 3;
  return bytes;
}

interface Found {
  readonly grades: Readonly<Record<string, Grade>>;
  readonly log: Grade | undefined;
}

async function look(place: Bench, since = false): Promise<Found> {
  const grades: Record<string, Grade> = {};
  let log: Grade | undefined;
  const noted = since ? { since: [{ bytes: note, from: 'the note' }] } : {};
  const reports: AsyncGenerator<LogReport | LoggedReport> = verifyLogs(place.recordings, { keys, ...noted });
  for await (const report of reports) {
    if (report.kind === 'log') log = report.grade;
    else grades[report.session ?? report.path ?? '?'] = report.grade;
  }
  return { grades, log };
}

async function alone(place: Bench, trusted = keys): Promise<Readonly<Record<string, Grade>>> {
  const grades: Record<string, Grade> = {};
  for await (const { session, path, grade } of verifyAll(place.recordings, { keys: trusted }))
    grades[session ?? path ?? '?'] = grade;
  return grades;
}

/** Chains the lines anew, as everybody can. */
function rechained(lines: readonly string[]): string {
  let prev = GENESIS;
  return lines
    .map((line, seq) => {
      const event = { ...(JSON.parse(line) as Record<string, unknown>), seq, prev };
      const text = canonicalJson(event);
      prev = lineHash(text);
      return `${text}\n`;
    })
    .join('');
}

describe('one line spelt otherwise, or more than it was', () => {
  const spellings: readonly (readonly [string, (line: string) => string])[] = [
    ['a key twice, the second as it was', (line) => line.replace('{"seq"', '{"seq":1,"seq"')],
    [
      'a key twice in an object within',
      (line) => line.replace('"postgres.where":true', '"postgres.where":false,"postgres.where":true'),
    ],
    ['__proto__ beside the rest', (line) => line.replace('"type":', '"__proto__":{"verdict":"deny"},"type":')],
    ['a number as 1e0', (line) => line.replace('"seq":1,', '"seq":1e0,')],
    ['a number no double holds', (line) => line.replace('"seq":1,', '"seq":1.00000000000000000001,')],
    ['a huge number', (line) => line.replace('"seq":1,', '"seq":1e999,')],
    ['minus zero', (line) => line.replace('"seq":1,', '"seq":-0,')],
    ['an upper-case escape', (line) => line.replace('DELETE', '\\u0044ELETE')],
    ['a lone surrogate', (line) => line.replace('DELETE', '\\ud800ELETE')],
    ['a byte order mark', (line) => `\ufeff${line}`],
    ['a tab at its end', (line) => `${line}\t`],
    ['a carriage return', (line) => `${line}\r`],
    ['an empty line after it', (line) => `${line}\n`],
    ['an array around it', (line) => `[${line}]`],
    ['a slash escaped', (line) => line.replace('"type":', '"x":"\\/","type":')],
    ['other words in it', (line) => line.replace('DELETE', 'SELECT')],
  ];
  for (const [name, change] of spellings) {
    test(`${name} is found`, async () => {
      const lines = textOf(at, 's1').trimEnd().split('\n');
      const before = lines[1] as string;
      lines[1] = change(before);
      assert.notEqual(lines[1], before);
      const { grade } = await verifyRecording(Buffer.from(`${lines.join('\n')}\n`), { keys, session: 's1' });
      assert.equal(grade, 'tampered');
    });
  }

  test('every line with CRLF is found', async () => {
    const bytes = Buffer.from(textOf(at, 's1').replaceAll('\n', '\r\n'));
    assert.equal((await verifyRecording(bytes, { keys, session: 's1' })).grade, 'tampered');
  });

  test('an empty line at its beginning, its end or between is found', async () => {
    const lines = textOf(at, 's1').trimEnd().split('\n');
    for (let i = 0; i <= lines.length; i += 1) {
      const text = `${[...lines.slice(0, i), '', ...lines.slice(i)].join('\n')}\n`;
      assert.equal((await verifyRecording(Buffer.from(text), { keys })).grade, 'tampered', `before line ${i + 1}`);
    }
  });
});

describe('a recording made anew without the key', () => {
  test('with one command left out and everything chained again is found', async () => {
    const lines = textOf(at, 's1').trimEnd().split('\n');
    const text = rechained(lines.filter((line) => !line.includes('"command":"c3"')));
    assert.equal((await verifyRecording(Buffer.from(text), { keys, session: 's1' })).grade, 'tampered');
  });

  test('signed with a key of his own is found, whether the key he names is his or ours', async () => {
    const mine = createSigner(generateKeyPairSync('ed25519').privateKey);
    for (const key of [mine.keyId, [...keys.keys()][0] as string]) {
      const lines = textOf(at, 's1').replace('DELETE', 'SELECT').trimEnd().split('\n');
      const body = rechained(lines.slice(0, -1)).trimEnd().split('\n');
      const root = lineHash(body.at(-1) as string);
      const { at: time } = JSON.parse(lines.at(-1) as string) as { at: string };
      const signed = mine.sign({ session: 's1', size: body.length, root, at: time });
      const { at: _, ...rest } = signed;
      const last = canonicalJson({ seq: body.length, at: time, type: 'checkpoint', ...rest, key, prev: root });
      const { grade } = await verifyRecording(Buffer.from(`${[...body, last].join('\n')}\n`), { keys, session: 's1' });
      assert.equal(grade, 'tampered');
    }
  });

  test('with his public key put into the folder in the place of ours is found: no key is taken from there', async () => {
    using copy = at.afterCrash();
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    writeFileSync(join(copy.recordings, 'recording.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(join(copy.recordings, 'key.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
    const mine = createSigner(privateKey);
    const opening = canonicalJson({ seq: 0, at: '2026-11-21T18:00:00.000Z', ...opened('s9'), prev: GENESIS });
    const signed = mine.sign({ session: 's9', size: 1, root: lineHash(opening), at: '2026-11-21T18:00:00.000Z' });
    const { at: time, ...rest } = signed;
    const seal = canonicalJson({ seq: 1, at: time, type: 'checkpoint', ...rest, prev: lineHash(opening) });
    writeFileSync(join(copy.recordings, DAY, 's9.ndjson'), `${opening}\n${seal}\n`);
    assert.equal((await alone(copy)).s9, 'tampered');
    assert.equal((await look(copy)).grades.s9, 'tampered');
  });

  test('of lines out of several sessions, each of them signed there, is found', async () => {
    const [one, two] = ['s1', 's2'].map((session) => textOf(at, session).trimEnd().split('\n')) as [string[], string[]];
    for (let i = 1; i < one.length; i += 1) {
      const text = `${[...one.slice(0, i), ...two.slice(i)].join('\n')}\n`;
      assert.equal((await verifyRecording(Buffer.from(text), { keys, session: 's1' })).grade, 'tampered', `from ${i}`);
    }
  });
});

describe('a packed recording', () => {
  test('with a second member, another codec or a name in its header is found', async () => {
    const text = textOf(at, 's1');
    const half = text.indexOf('\n', text.length / 2) + 1;
    const named = pack(text);
    named[3] = 8;
    const cases: Readonly<Record<string, Buffer>> = {
      'two members': Buffer.concat([pack(text.slice(0, half)), pack(text.slice(half))]),
      'an empty second member': Buffer.concat([pack(text), pack('')]),
      'itself twice': Buffer.concat([pack(text), pack(text)]),
      'a zstd frame behind gzip': Buffer.concat([pack(text), zstdCompressSync('x\n')]),
      'a flag of the header': named,
      'a newline behind it': Buffer.concat([pack(text), Buffer.from('\n')]),
      'packed twice': pack(pack(text)),
    };
    for (const [name, bytes] of Object.entries(cases)) {
      assert.equal((await verifyRecording(bytes, { keys, session: 's1' })).grade, 'tampered', name);
    }
  });

  test('of which a bomb was made does not fill the memory', async () => {
    const before = process.memoryUsage().rss;
    const bomb = pack(Buffer.alloc(256 * 1024 * 1024, 0x61));
    assert.equal((await verifyRecording(bomb, { keys, session: 's1' })).grade, 'tampered');
    assert.ok(process.memoryUsage().rss - before < 400 * 1024 * 1024 + bomb.length);
  });
});

describe('the folder', () => {
  const attacks: readonly (readonly [string, (copy: Bench) => void, (found: Found) => boolean])[] = [
    [
      'a recording and its entry in the log blanked',
      (copy) => {
        rmSync(fileOf(copy, 's2'));
        const entries = entriesFile(copy);
        const bytes = readFileSync(entries);
        const from = bytes.indexOf('"session":"s2"');
        bytes.fill(0x20, from, from + 14);
        writeFileSync(entries, bytes);
      },
      ({ log }) => log === 'tampered',
    ],
    ['the last tiles gone', (copy) => rmSync(entriesFile(copy)), ({ log }) => log === 'tampered'],
    [
      'the hashes gone',
      (copy) => rmSync(join(copy.recordings, '.log/gw1/tile/0'), { recursive: true }),
      ({ log }) => log === 'tampered',
    ],
    [
      "yesterday's log under today's recordings",
      (copy) => {
        rmSync(join(copy.recordings, '.log'), { recursive: true });
        cpSync(join(yesterday.recordings, '.log'), join(copy.recordings, '.log'), { recursive: true });
      },
      ({ grades }) => grades.s3 === 'tampered',
    ],
    [
      "yesterday's checkpoint over today's tiles",
      (copy) =>
        copyFileSync(join(yesterday.recordings, '.log/gw1/checkpoint'), join(copy.recordings, '.log/gw1/checkpoint')),
      ({ grades }) => grades.s3 === 'tampered',
    ],
    [
      'two recordings swapped',
      (copy) => {
        renameSync(fileOf(copy, 's1'), fileOf(copy, 'x'));
        renameSync(fileOf(copy, 's2'), fileOf(copy, 's1'));
        renameSync(fileOf(copy, 'x'), fileOf(copy, 's2'));
      },
      ({ grades }) => grades.s1 === 'tampered' && grades.s2 === 'tampered',
    ],
    [
      'a recording that is a link to another one',
      (copy) => {
        rmSync(fileOf(copy, 's1'));
        symlinkSync(fileOf(copy, 's2'), fileOf(copy, 's1'));
      },
      ({ grades }) => grades.s1 === 'missing' || grades.s1 === 'tampered',
    ],
    [
      'a recording that is a link into nothing',
      (copy) => {
        rmSync(fileOf(copy, 's1'));
        symlinkSync('/nonexistent', fileOf(copy, 's1'));
      },
      ({ grades }) => grades.s1 === 'missing',
    ],
    [
      'a folder of the name of a recording',
      (copy) => {
        rmSync(fileOf(copy, 's1'));
        mkdirSync(fileOf(copy, 's1'));
      },
      ({ grades }) => grades.s1 === 'missing' || grades.s1 === 'tampered',
    ],
    [
      'a recording moved to another day',
      (copy) => {
        mkdirSync(join(copy.recordings, '2026/11/20'), { recursive: true });
        renameSync(fileOf(copy, 's1'), join(copy.recordings, '2026/11/20/s1.ndjson.gz'));
      },
      ({ grades }) => grades.s1 === 'missing',
    ],
    [
      'a recording hidden under a name with a dot',
      (copy) => renameSync(fileOf(copy, 's1'), join(copy.recordings, DAY, '.s1.ndjson.gz')),
      ({ grades }) => grades.s1 === 'missing',
    ],
    [
      'a whole day as a link',
      (copy) => {
        renameSync(join(copy.recordings, '2026'), join(copy.root, 'elsewhere'));
        symlinkSync(join(copy.root, 'elsewhere'), join(copy.recordings, '2026'));
        rmSync(join(copy.root, 'elsewhere/11/21/s1.ndjson.gz'));
      },
      ({ grades }) => grades.s1 === 'missing',
    ],
    [
      'an empty file in the place of a recording',
      (copy) => truncateSync(fileOf(copy, 's1'), 0),
      ({ grades }) => grades.s1 === 'tampered',
    ],
  ];

  for (const [name, attack, isFound] of attacks) {
    test(`${name}: found`, async () => {
      using copy = at.afterCrash();
      attack(copy);
      const found = await look(copy);
      assert.ok(isFound(found), JSON.stringify(found));
    });
  }

  test('put back as it was yesterday passes by itself, and is found by what was noted since', async () => {
    const todays = readFileSync(join(at.recordings, '.log/gw1/checkpoint'));
    assert.deepEqual(await look(yesterday), { grades: { s1: 'complete', s2: 'complete' }, log: 'complete' });
    let log: Grade | undefined;
    const since = [{ bytes: todays, from: 'today' }];
    for await (const report of verifyLogs(yesterday.recordings, { keys, since }))
      if (report.kind === 'log') log = report.grade;
    assert.equal(log, 'tampered');
    assert.equal((await look(at, true)).log, 'complete');
  });

  test('with further files that are no recordings is as it was', async () => {
    using copy = at.afterCrash();
    writeFileSync(join(copy.recordings, DAY, 'README'), 'hello');
    writeFileSync(join(copy.recordings, DAY, 's1.ndjson.gz.bak'), 'hello');
    mkdirSync(join(copy.recordings, '.trash'));
    assert.deepEqual(await look(copy), await look(at));
  });

  test('with a file of a strange name is told of it and of no other', async () => {
    for (const name of [
      's1.01.ndjson',
      's1.1.ndjson',
      's1.x.ndjson',
      'a b.ndjson',
      '..ndjson',
      's1.2.3.ndjson',
      's1.9999999.ndjson',
    ]) {
      using copy = at.afterCrash();
      writeFileSync(join(copy.recordings, DAY, name), textOf(at, 's1'));
      const grades = await alone(copy);
      const { s1, ...others } = grades;
      const isNone = name.startsWith('.');
      assert.ok(
        isNone || s1 === 'tampered' || Object.values(others).includes('tampered'),
        `${name}: ${JSON.stringify(grades)}`,
      );
      assert.deepEqual([grades.s2, grades.s3], ['complete', 'complete'], name);
    }
  });
});

function entriesFile(place: Bench): string {
  const folder = join(place.recordings, '.log/gw1/tile/entries');
  const name = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort((a, b) => Number(a.split('/').at(-1)) - Number(b.split('/').at(-1)))
    .at(-1);
  return join(folder, name ?? '');
}

describe('while the gateway is away', () => {
  async function dead(): Promise<Bench> {
    using live = bench();
    const recordings = await live.start(LOG);
    const recorder = await recordings.open(opened('s1'));
    for (const id of ['c1', 'c2', 'c3']) {
      await recorder.append(intent(id), 'intent');
      recorder.append([outcome(id)], 'note');
    }
    await recorder.append(intent('c4'), 'intent');
    const crashed = live.afterCrash();
    await recordings.close();
    return crashed;
  }
  const open = (place: Bench) => join(place.recordings, DAY, 's1.ndjson');

  test('a recording cut, edited or exchanged is never signed as if it were whole', async () => {
    using crashed = await dead();
    const text = readFileSync(open(crashed), 'utf8');
    const lines = text.trimEnd().split('\n');
    const attacks: Readonly<Record<string, string>> = {
      'without a line in the middle': `${[...lines.slice(0, 4), ...lines.slice(5)].join('\n')}\n`,
      'with another word': text.replace("id = 'c2'", "id = 'c9'"),
      'chained anew': rechained(lines.map((line) => line.replace("id = 'c2'", "id = 'c9'"))),
      'without its last command, and an end': `${lines.slice(0, -2).join('\n')}\n{"seq":99,"type":"session.closed"}\n`,
    };
    for (const [name, changed] of Object.entries(attacks)) {
      using copy = crashed.afterCrash();
      writeFileSync(open(copy), changed);
      const recordings = await copy.start(LOG);
      await recordings.close();
      const grade = (await alone(copy, recordings.publicKey.trusted)).s1;
      const whole = grade === 'crashed' && textOf(copy, 's1').startsWith(text);
      assert.ok(whole || recordings.recovery.problems.length > 0, `${name}: ${grade}`);
      assert.notEqual(grade, 'complete', name);
    }
  });

  test('an end of his own is not taken for one', async () => {
    using crashed = await dead();
    const text = readFileSync(open(crashed), 'utf8');
    const last = text.trimEnd().split('\n').at(-1) as string;
    const { seq, at: time } = JSON.parse(last) as { seq: number; at: string };
    const end = { seq: seq + 1, at: time, type: 'session.closed', end: { kind: 'closed' }, prev: lineHash(last) };
    appendFileSync(open(crashed), `${canonicalJson(end)}\n`);
    const recordings = await crashed.start(LOG);
    await recordings.close();
    const { grade, end: said } = await verifyRecording(fileOf(crashed, 's1'), { keys: recordings.publicKey.trusted });
    assert.deepEqual([grade, said?.kind], ['crashed', 'crashed']);
  });

  test('a link in the place of a recording is neither followed nor written through', async () => {
    using crashed = await dead();
    const victim = join(crashed.root, 'victim');
    writeFileSync(victim, 'precious');
    rmSync(open(crashed));
    symlinkSync(victim, open(crashed));
    const recordings = await crashed.start(LOG);
    await recordings.close();
    assert.equal(readFileSync(victim, 'utf8'), 'precious');
  });
});
