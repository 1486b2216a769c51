import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Chain, lineHash } from '../../src/record/chain.ts';
import { createSigner, keyIdOf } from '../../src/record/checkpoint.ts';
import { readPublicKeys, type VerifyReport, verifyAll, verifyRecording } from '../../src/record/index.ts';
import { LineSplitter } from '../../src/record/lines.ts';
import { type Bench, bench, DAY, intent, opened, outcome, sealedSession } from './workbench.ts';

let at: Bench;
let pem: string;
/** Two sealed recordings of one gateway, as bytes of the lines. */
let first: Buffer;
let second: Buffer;
/** One with checkpoints on its way, not sealed. */
let unsealed: Buffer;

before(async () => {
  at = bench();
  const recordings = await at.start({ checkpoint: { events: 4 } });
  await sealedSession(recordings, 's1', 1);
  await sealedSession(recordings, 's2', 1);
  const recorder = await recordings.open(opened('s3'));
  for (const id of ['c1', 'c2', 'c3']) await recorder.append(intent(id), 'intent');
  unsealed = readFileSync(join(at.recordings, DAY, 's3.ndjson'));
  await recordings.close();
  pem = recordings.publicKey.pem;
  first = gunzipSync(readFileSync(join(at.recordings, DAY, 's1.ndjson.gz')));
  second = gunzipSync(readFileSync(join(at.recordings, DAY, 's2.ndjson.gz')));
});

after(() => at[Symbol.dispose]());

const verify = (bytes: Uint8Array | string, session = 's1'): Promise<VerifyReport> =>
  verifyRecording(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, { keys: readPublicKeys(pem), session });

const linesOf = (bytes: Buffer) => bytes.toString('utf8').split('\n').slice(0, -1);
const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');

describe('what nobody touched', () => {
  test('a sealed recording is complete, every line of it signed', async () => {
    const report = await verify(first);
    assert.equal(report.grade, 'complete');
    assert.deepEqual(report.problems, []);
    assert.deepEqual(report.notices, []);
    assert.equal(report.events, linesOf(first).length);
    assert.equal(report.signedUpTo, report.events);
    assert.equal(report.unsignedTail, 0);
    assert.deepEqual(report.end, { kind: 'closed' });
    assert.equal(report.gateway, 'gw1');
  });

  test('an unsealed one is truncated, and its unsigned tail is named', async () => {
    const report = await verify(unsealed, 's3');
    assert.equal(report.grade, 'truncated');
    assert.equal(report.signedUpTo, 6);
    assert.equal(report.unsignedTail, 2);
    assert.deepEqual(report.notices, ['the last 2 events are not signed']);
  });

  test('it is open when its live gateway says so, or when that is allowed', async () => {
    const keys = readPublicKeys(pem);
    const live = await verifyRecording(unsealed, { keys, isLive: (session) => session === 's3' });
    const dead = await verifyRecording(unsealed, { keys, isLive: () => false });
    const allowed = await verifyRecording(unsealed, { keys, allowOpen: true });
    assert.deepEqual([live.grade, dead.grade, allowed.grade], ['open', 'truncated', 'open']);
  });

  test('a line cut short at the end of a running one is said, and is no tampering', async () => {
    const report = await verifyRecording(unsealed.subarray(0, -10), { keys: readPublicKeys(pem), allowOpen: true });
    assert.equal(report.grade, 'open');
    assert.match(report.notices.join(), /the last line is torn/);
  });
});

describe('every small change to a sealed recording is found', () => {
  for (const mask of [0x01, 0xff]) {
    test(`any one byte changed by 0x${mask.toString(16)}`, async () => {
      for (let i = 0; i < first.length; i += 1) {
        const changed = Buffer.from(first);
        changed[i] = (changed[i] as number) ^ mask;
        const { grade } = await verify(changed);
        assert.ok(grade === 'tampered' || grade === 'truncated', `byte ${i}: ${grade}`);
        // Only what looks like a loss at the end may be called one.
        if (grade === 'truncated') assert.equal(i, first.length - 1);
      }
    });
  }

  test('any one line dropped', async () => {
    const lines = linesOf(first);
    for (let i = 0; i < lines.length; i += 1) {
      const { grade } = await verify(textOf(lines.toSpliced(i, 1)));
      assert.equal(grade, i === lines.length - 1 ? 'truncated' : 'tampered', `line ${i}`);
    }
  });

  test('any two neighbouring lines swapped', async () => {
    const lines = linesOf(first);
    for (let i = 1; i < lines.length; i += 1) {
      const swapped = lines.toSpliced(i - 1, 2, lines[i] as string, lines[i - 1] as string);
      assert.equal((await verify(textOf(swapped))).grade, 'tampered', `line ${i}`);
    }
  });

  test('any one line written twice', async () => {
    const lines = linesOf(first);
    for (let i = 0; i < lines.length; i += 1) {
      const { grade } = await verify(textOf(lines.toSpliced(i, 0, lines[i] as string)));
      assert.equal(grade, 'tampered', `line ${i}`);
    }
  });

  test('cut anywhere', async () => {
    for (let length = 0; length < first.length; length += 1) {
      const { grade } = await verify(first.subarray(0, length));
      assert.equal(grade, 'truncated', `cut to ${length}`);
    }
  });

  test('cut anywhere, and a newline put there', async () => {
    for (let length = 0; length < first.length - 1; length += 1) {
      const { grade } = await verify(Buffer.concat([first.subarray(0, length), Buffer.from('\n')]));
      assert.equal(grade, first[length] === 10 ? 'truncated' : 'tampered', `cut to ${length}`);
    }
  });

  test('any one line taken from another session', async () => {
    const lines = linesOf(first);
    const others = linesOf(second);
    for (let i = 0; i < lines.length; i += 1) {
      assert.equal((await verify(textOf(lines.with(i, others[i] as string)))).grade, 'tampered', `line ${i}`);
    }
  });

  test('anything after the seal', async () => {
    for (const more of ['\n', '{}\n', 'x', '\0', linesOf(first)[2] as string, `${linesOf(first)[2]}\n`]) {
      assert.equal((await verify(Buffer.concat([first, Buffer.from(more)]))).grade, 'tampered', JSON.stringify(more));
    }
  });

  test("another session's recording under this one's name", async () => {
    assert.equal((await verify(second, 's1')).grade, 'tampered');
  });

  test('the chain made good again after an edit, for the signature then speaks of other lines', async () => {
    const events = linesOf(first).map((line) => JSON.parse(line));
    events[2].sent.text = 'SELECT 1';
    const chain = new Chain();
    const rebuilt = events.map(({ seq: _, at: time, prev: __, ...event }) =>
      chain.line(event.type === 'checkpoint' ? { ...event, at: time } : event, time),
    );
    const report = await verify(rebuilt.join(''));
    assert.equal(report.grade, 'tampered');
    assert.ok(report.problems.every(({ code }) => code === 'signature'));
  });
});

describe('checkpoints that prove nothing', () => {
  /** The first recording with its last line replaced by a checkpoint made with these parts. */
  const resealed = (
    change: (sign: ReturnType<typeof createSigner>['sign']) => Record<string, unknown>,
    key = privateKey(),
  ) => {
    const events = linesOf(first).map((line) => JSON.parse(line));
    const last = events.pop();
    const lines = linesOf(first).slice(0, -1);
    const { type, seq, at: time, prev } = last;
    const parts = change(createSigner(key).sign);
    const { session, size, root, key: id, signature, ...more } = parts;
    return textOf([
      ...lines,
      JSON.stringify({ seq, at: time, type, session, size, root, key: id, signature, prev, ...more }),
    ]);
  };
  const privateKey = () => generateKeyPairSync('ed25519').privateKey;
  const honest = () => {
    const last = JSON.parse(linesOf(first).at(-1) as string);
    return { session: 's1', size: last.size as number, root: last.root as string, at: last.at as string };
  };
  const withoutAt = ({ at: _, ...rest }: { at: string; [key: string]: unknown }) => rest;

  test("one made with somebody else's key", async () => {
    const report = await verify(resealed((sign) => withoutAt({ ...sign(honest()) })));
    assert.equal(report.grade, 'tampered');
    assert.equal(report.problems[0]?.code, 'key');
  });

  test("one made with somebody else's key under the trusted key's name", async () => {
    const [trusted] = readPublicKeys(pem).keys();
    const report = await verify(resealed((sign) => withoutAt({ ...sign(honest()), key: trusted })));
    assert.equal(report.grade, 'tampered');
    assert.equal(report.problems[0]?.code, 'signature');
  });

  test('the same signature spelt in other base64', async () => {
    const line = linesOf(first).at(-1) as string;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const { signature } = JSON.parse(line);
    const last = alphabet.indexOf(signature.at(-3));
    const twin = `${signature.slice(0, -3)}${alphabet[last ^ 1]}==`;
    assert.deepEqual(Buffer.from(twin, 'base64'), Buffer.from(signature, 'base64'));
    const changed = textOf([...linesOf(first).slice(0, -1), line.replace(signature, twin)]);
    assert.equal((await verify(changed)).grade, 'tampered');
  });

  test('one with a further field, which no signature covers', async () => {
    const lines = linesOf(first);
    const { prev, ...rest } = JSON.parse(lines.at(-1) as string);
    const changed = textOf([...lines.slice(0, -1), JSON.stringify({ ...rest, note: 'approved by the auditor', prev })]);
    const report = await verify(changed);
    assert.equal(report.grade, 'tampered');
    assert.equal(report.problems[0]?.code, 'signature');
  });

  test('one of another session', async () => {
    const lines = linesOf(first);
    const stolen = linesOf(second).at(-1) as string;
    const { signature, session } = JSON.parse(stolen);
    const mine = JSON.parse(lines.at(-1) as string);
    for (const forged of [
      { ...mine, signature },
      { ...mine, signature, session },
      { ...mine, session },
    ]) {
      const changed = textOf([...lines.slice(0, -1), JSON.stringify(forged)]);
      assert.equal((await verify(changed)).grade, 'tampered');
    }
  });

  test('an earlier one of the same session moved to the end', async () => {
    const lines = linesOf(first);
    const early = lines.find((line) => line.includes('"type":"checkpoint"')) as string;
    assert.notEqual(early, lines.at(-1));
    assert.equal((await verify(textOf([...lines.slice(0, -1), early]))).grade, 'tampered');
  });

  test('an end without its checkpoint seals nothing', async () => {
    assert.equal((await verify(textOf(linesOf(first).slice(0, -1)))).grade, 'truncated');
  });

  test('a checkpoint without an end before it seals nothing', async () => {
    const lines = linesOf(unsealed);
    const upTo = lines.findIndex((line) => line.includes('"type":"checkpoint"'));
    const report = await verify(textOf(lines.slice(0, upTo + 1)), 's3');
    assert.equal(report.grade, 'truncated');
    assert.equal(report.unsignedTail, 0);
  });

  test('where the chain breaks, what was signed before still counts and nothing after', async () => {
    const lines = linesOf(unsealed);
    const broken = lines.with(6, (lines[6] as string).replace('DELETE', 'SELECT'));
    const report = await verify(textOf(broken), 's3');
    assert.equal(report.grade, 'tampered');
    assert.equal(report.signedUpTo, 6);
    assert.deepEqual(
      report.problems.map(({ code, line }) => ({ code, line })),
      [{ code: 'chain', line: 8 }],
    );
  });
});

describe('lines no recorder writes, though their chain and signature are right', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const keys = new Map([[keyIdOf(publicKey), publicKey]]);

  /** Chains and signs whatever lines it is given, as somebody with the key could. */
  async function signed(events: readonly object[], spell: (line: string) => string = (line) => line) {
    const chain = new Chain();
    const time = '2026-11-21T18:00:00.000Z';
    let text = '';
    for (const event of [opened('s1'), ...events, { type: 'session.closed', end: { kind: 'closed' } }]) {
      const line = spell(chain.line(event as never, time).slice(0, -1));
      chain.root = lineHash(line);
      text += `${line}\n`;
    }
    const checkpoint = createSigner(privateKey).sign({ session: 's1', size: chain.size, root: chain.root, at: time });
    text += chain.line({ type: 'checkpoint', ...checkpoint }, time);
    return verifyRecording(Buffer.from(text), { keys, session: 's1' });
  }

  const [verdict, command] = intent('c1') as [object, object];
  const deny = { ...verdict, verdict: 'deny' };
  const decided = { type: 'approval.decided', command: 'c1', approval: 'a1', decision: 'denied' };
  const requested = { type: 'approval.requested', command: 'c1', approval: 'a1', rule: 'r', digest: 'd' };
  const result = { type: 'result', command: 'c1' };
  const done = outcome('c1');

  const good: [string, object[]][] = [
    ['a whole command', [verdict, command, result, done]],
    ['a held and approved one', [verdict, requested, { ...decided, decision: 'approved' }, command, done]],
    ['one refused after it was recorded', [verdict, command, { ...done, state: 'notForwarded' }]],
    ["the gateway's own", [{ ...command, by: 'gateway' }, done]],
    [
      'two at once',
      [verdict, { ...verdict, command: 'c2' }, command, { ...command, command: 'c2' }, done, outcome('c2')],
    ],
    ['an intent without an outcome', [verdict, command]],
    ['a withdrawn one', [verdict, requested, { ...decided, decision: 'withdrawn' }]],
    ['an event of a later version', [{ type: 'something.new', x: 1 }]],
  ];
  for (const [name, events] of good) {
    test(`${name} is in order`, async () => {
      const report = await signed(events);
      assert.deepEqual(report.problems, []);
      assert.equal(report.grade, 'complete');
    });
  }

  const bad: [string, object[]][] = [
    ['a command without a verdict', [command, done]],
    ['a command after a denial', [deny, command]],
    ['a command after a denied approval', [verdict, requested, decided, command]],
    ['a verdict after the command', [command, verdict]],
    ['an approval asked for after the command', [verdict, command, requested]],
    ['a result of what was not sent', [verdict, result]],
    ['an outcome of what was not sent', [verdict, done]],
    ['an outcome of nothing', [done]],
    ['two verdicts', [verdict, verdict, command]],
    ['one command sent twice', [verdict, command, command]],
    ['a result after the outcome', [verdict, command, done, result]],
    ['a verdict of no command', [{ type: 'verdict', verdict: 'allow' }]],
    ['a second beginning', [opened('s1')]],
    ['an event after the end', [{ type: 'session.closed', end: { kind: 'idle' } }]],
  ];
  for (const [name, events] of bad) {
    test(`${name} is not`, async () => {
      const report = await signed(events);
      assert.equal(report.grade, 'tampered');
      assert.ok(report.problems.every(({ code }) => code === 'order' || code === 'sequence'));
    });
  }

  const spellings: [string, (line: string) => string][] = [
    ['a space', (line) => line.replace('"type":', '"type": ')],
    ['a key given twice', (line) => line.replace('"type":', '"type":"notice","type":')],
    ['an escape nobody needs', (line) => line.replace('orders-db', '\\u006frders-db')],
    ['a carriage return at its end', (line) => `${line}\r`],
    ['a number written otherwise', (line) => line.replace(/^\{"seq":(\d)/, '{"seq":$1.0')],
  ];
  for (const [name, spell] of spellings) {
    test(`a line with ${name} is not as the recorder writes`, async () => {
      const report = await signed([verdict, command, done], spell);
      assert.equal(report.grade, 'tampered');
      assert.equal(report.problems[0]?.code, 'canonical');
    });
  }

  test('bytes that are not UTF-8 are found', async () => {
    const changed = Buffer.from(first);
    changed[changed.indexOf('weekly')] = 0xff;
    const report = await verify(changed);
    assert.match(report.problems[0]?.message ?? '', /UTF-8/);
  });
});

describe('compressed recordings', () => {
  test('any one byte changed: not complete, or the very same lines', async () => {
    const gz = gzipSync(first);
    const same = await verify(gz);
    assert.equal(same.grade, 'complete');
    let unharmed = 0;
    for (let i = 0; i < gz.length; i += 1) {
      const changed = Buffer.from(gz);
      changed[i] = (changed[i] as number) ^ 0xff;
      const report = await verify(changed);
      if (report.grade === 'complete') unharmed += 1;
    }
    assert.equal(unharmed, 0);
  });

  test('cut anywhere', async () => {
    const gz = gzipSync(first);
    for (let length = 0; length < gz.length; length += 1) {
      const { grade } = await verify(gz.subarray(0, length));
      assert.ok(grade === 'truncated' || (length < 2 && grade === 'tampered'), `cut to ${length}: ${grade}`);
    }
  });

  test('bytes after its end, zeros too', async () => {
    for (const more of [Buffer.alloc(1), Buffer.alloc(512), Buffer.from('x'), gzipSync('{}\n')]) {
      const { grade } = await verify(Buffer.concat([gzipSync(first), more]));
      // One byte more reads like the beginning of a second part that was cut.
      assert.ok(grade === 'tampered' || (grade === 'truncated' && more.equals(Buffer.from('x'))));
    }
  });
});

describe('a folder', () => {
  let folder: string;
  const graded = async (options: { allowOpen?: boolean } = {}) => {
    const grades: string[] = [];
    for await (const report of verifyAll(folder, { keys: readPublicKeys(pem), ...options })) {
      grades.push(`${report.session}: ${report.grade}`);
    }
    return grades;
  };
  const put = (name: string, bytes: Uint8Array) => writeFileSync(join(folder, name), bytes);

  before(() => {
    folder = join(at.root, 'copy');
  });

  test('every recording in it gets its grade', async () => {
    cpSync(join(at.recordings, DAY), folder, { recursive: true });
    assert.deepEqual(await graded(), ['s1: complete', 's2: complete', 's3: truncated']);
    assert.deepEqual(await graded({ allowOpen: true }), ['s1: complete', 's2: complete', 's3: open']);
    rmSync(folder, { recursive: true });
  });

  test('a recording under another name is found', async () => {
    mkdirSync(folder);
    put('s9.ndjson', first);
    assert.deepEqual(await graded(), ['s1: tampered']);
    rmSync(folder, { recursive: true });
  });

  test('the plain and the compressed file of one sealed recording count once', async () => {
    mkdirSync(folder);
    put('s1.ndjson', first);
    put('s1.ndjson.gz', gzipSync(first));
    assert.deepEqual(await graded(), ['s1: complete']);
    rmSync(folder, { recursive: true });
  });

  test('two recordings of one session that differ are found', async () => {
    mkdirSync(join(folder, 'other'), { recursive: true });
    put('s1.ndjson', first);
    put('other/s1.ndjson', Buffer.from(textOf(linesOf(first).slice(0, -2))));
    assert.deepEqual(await graded(), ['s1: truncated', 's1: tampered']);
    rmSync(folder, { recursive: true });
  });

  test('one without any recording is an error, not a success', async () => {
    mkdirSync(join(folder, '.gateways'), { recursive: true });
    put('.gateways/s1.ndjson', first);
    put('readme.txt', Buffer.from('x'));
    await assert.rejects(graded(), { code: 'RECORDING_NOT_FOUND', exit: 2 });
    rmSync(folder, { recursive: true });
  });

  test('links out of it are not followed', async () => {
    mkdirSync(folder);
    put('s1.ndjson', first);
    symlinkSync(join(at.recordings, DAY), join(folder, 'linked'));
    symlinkSync(join(at.recordings, DAY, 's2.ndjson.gz'), join(folder, 's2.ndjson.gz'));
    assert.deepEqual(await graded(), ['s1: complete']);
    rmSync(folder, { recursive: true });
  });
});

describe('keys', () => {
  test('without a key nothing is verified', async () => {
    await assert.rejects(verifyRecording(first, { keys: new Map() }), { code: 'KEY_MISSING', exit: 2 });
  });

  test('with the wrong key nothing is complete', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const report = await verifyRecording(first, { keys: new Map([[keyIdOf(publicKey), publicKey]]) });
    assert.equal(report.grade, 'tampered');
    assert.equal(report.signedUpTo, 0);
  });

  test('several public keys may stand in one file', async () => {
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
    assert.equal(readPublicKeys(`${other}${pem}`).size, 2);
    assert.equal((await verifyRecording(first, { keys: readPublicKeys(`${other}${pem}`) })).grade, 'complete');
  });

  test('a private key, a key of another kind, and no key at all are refused', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const rsa = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' });
    for (const text of [privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), rsa.toString(), '', 'x']) {
      assert.throws(() => readPublicKeys(text), { code: 'KEY_INVALID', exit: 2 });
    }
  });
});

test('a line without an end does not fill the memory', async () => {
  async function* endless() {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    for (;;) yield chunk;
  }
  const report = await verifyRecording(endless(), { keys: readPublicKeys(pem) });
  assert.equal(report.grade, 'tampered');
  assert.match(report.problems[0]?.message ?? '', /longer than/);
});

test('a long recording is verified in flat memory', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const base = used();
  let most = 0;
  let bytes = 0;
  async function* long() {
    const chain = new Chain();
    const time = '2026-11-21T18:00:00.000Z';
    const data = 'x'.repeat(256 * 1024);
    yield Buffer.from(chain.line(opened('s1'), time));
    while (bytes < 96 * 1024 * 1024) {
      const line = Buffer.from(chain.line({ type: 'stream', direction: 'out', data }, time));
      bytes += line.length;
      most = Math.max(most, used() - base);
      yield line;
    }
    yield Buffer.from(chain.line({ type: 'session.closed', end: { kind: 'closed' } }, time));
    const { size, root } = chain;
    const checkpoint = createSigner(privateKey).sign({ session: 's1', size, root, at: time });
    yield Buffer.from(chain.line({ type: 'checkpoint', ...checkpoint }, time));
  }
  const { grade } = await verifyRecording(long(), { keys: new Map([[keyIdOf(publicKey), publicKey]]) });
  assert.equal(grade, 'complete');
  assert.ok(most < bytes * 0.7, `${most} bytes in use for ${bytes} bytes read`);
});

test('lines come out the same however the bytes were cut', () => {
  const whole = new LineSplitter().push(first).map(String);
  const splitter = new LineSplitter();
  const single = [...first].flatMap((byte) => splitter.push(Buffer.from([byte])).map(String));
  assert.deepEqual(single, whole);
});
