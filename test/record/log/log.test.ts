import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Disk, realDisk } from '../../../src/record/disk.ts';
import { isTrustedHead, parseHead } from '../../../src/record/log/head.ts';
import { folderReader, readHead } from '../../../src/record/log/restore.ts';
import { readTail } from '../../../src/record/log/tail.ts';
import { tiledRoot } from '../../../src/record/log/tiles.ts';
import { LogWalk } from '../../../src/record/log/walk.ts';
import { errno } from '../workbench.ts';
import { type LogBench, logBench, policyLeaf, policyLeaves, trusted } from './workbench.ts';

async function assertWhole(at: LogBench, size: number): Promise<void> {
  const head = readHead(at.folder);
  assert.ok(head && isTrustedHead(head, trusted));
  assert.equal(head.size, size);
  const walk = new LogWalk(folderReader(at.folder));
  for await (const _ of walk.to(head));
  assert.deepEqual(walk.problems, []);
  assert.deepEqual(await tiledRoot(folderReader(at.folder), size), head.root);
}

describe('a log', () => {
  test('begins with a head that says that it is empty', async () => {
    using at = logBench();
    const log = await at.open();
    assert.equal(
      at.text('checkpoint').split('\n').slice(0, 3).join(),
      'hoopctl/gw1,0,47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
    );
    await log.close();
  });

  test('shows a head for every leaf that was waited for, with all tiles of it', async () => {
    using at = logBench();
    const log = await at.open();
    let size = 0;
    for (const count of [1, 2, 252, 1, 1, 300, 1000]) {
      await log.append(...policyLeaves(size, size + count));
      size += count;
      await assertWhole(at, size);
    }
    await log.close();
  });

  test('signs once for all that wait at one moment', async () => {
    using at = logBench();
    const log = await at.open();
    const heads: number[] = [];
    log.onHead((head) => heads.push(head.size));
    await Promise.all(Array.from({ length: 50 }, (_, number) => log.append(policyLeaf(number))));
    assert.deepEqual(heads, [50]);
    await log.close();
  });

  test('waits for the disk before it says that a leaf is there, and not under process', async () => {
    for (const sync of [true, false]) {
      using at = logBench();
      let synced = 0;
      const disk: Disk = { ...realDisk, sync: async (fd) => realDisk.sync(fd).then(() => void synced++) };
      const log = await at.open({ disk, sync });
      const before = synced;
      await log.append(policyLeaf(1));
      assert.equal(synced - before, sync ? 1 : 0);
      await log.close();
    }
  });

  test('goes on where it was, however many leaves it had', async () => {
    using at = logBench();
    let size = 0;
    for (const count of [1, 254, 1, 1, 1300, 9]) {
      const log = await at.open();
      assert.equal(log.head.size, size);
      await log.append(...policyLeaves(size, size + count));
      await log.close();
      size += count;
      await assertWhole(at, size);
    }
  });

  test('keeps one tail, which begins anew', async () => {
    using at = logBench();
    const log = await at.open();
    for (let size = 0; size < 3000; size += 100) await log.append(...policyLeaves(size, size + 100));
    assert.deepEqual(readdirSync(at.tails).length, 1);
    await log.close();
  });

  test('times never go back', async () => {
    using at = logBench();
    const times = ['2026-11-21T18:00:01.000Z', '2026-11-21T18:00:00.000Z'];
    const log = await at.open({ now: () => times.shift() ?? '2020-01-01T00:00:00.000Z' });
    await log.append(policyLeaf(1));
    await log.append(policyLeaf(2));
    await log.close();
    const again = await at.open({ now: () => '2020-01-01T00:00:00.000Z' });
    await again.append(policyLeaf(3));
    await again.close();
    const head = readHead(at.folder);
    assert.ok(head);
    const seen: string[] = [];
    for await (const { leaf } of new LogWalk(folderReader(at.folder)).to(head)) seen.push(leaf.at);
    assert.deepEqual(
      seen,
      Array.from({ length: 3 }, () => '2026-11-21T18:00:01.000Z'),
    );
  });

  test("witnesses' lines are put under the head while it is the newest, and kept beside it", async () => {
    using at = logBench();
    const log = await at.open();
    await log.append(policyLeaf(1));
    const { head } = log;
    log.witnessed(head, '— witness.example/w1 jWbPPwAAAABkGFDL\n');
    assert.equal(at.text('checkpoint'), at.text('witnessed'));
    assert.equal(parseHead(Buffer.from(at.text('checkpoint')))?.note.signatures.length, 2);
    await log.append(policyLeaf(2));
    assert.notEqual(at.text('checkpoint'), at.text('witnessed'));
    log.witnessed(head, '— witness.example/w1 jWbPPwAAAABkGFDL\n');
    assert.equal(readHead(at.folder)?.size, 2);
    await log.close();
  });
});

describe('a log that cannot be written', () => {
  test('says so to everybody who waits, and takes up again with all that was signed', async () => {
    using at = logBench();
    let broken = false;
    const disk: Disk = {
      ...realDisk,
      write(fd, bytes) {
        if (broken) throw errno('ENOSPC');
        realDisk.write(fd, bytes);
      },
    };
    const log = await at.open({ disk });
    await log.append(policyLeaf(1));
    broken = true;
    const refused = [log.append(policyLeaf(2)), log.append(policyLeaf(3))];
    for (const one of refused) await assert.rejects(one, { code: 'LOG_FAILED' });
    await assert.rejects(log.check(), { code: 'LOG_FAILED' });
    broken = false;
    await log.check();
    await log.append(policyLeaf(4));
    await log.close();
    await assertWhole(at, 4);
  });

  test('notices that it was removed under the gateway', async () => {
    using at = logBench();
    const log = await at.open();
    await log.append(policyLeaf(1));
    rmSync(join(at.tails), { recursive: true });
    await assert.rejects(log.check(), { code: 'LOG_FAILED' });
    await log.close();
  });
});

describe('a log after a crash', () => {
  /** A disk that is gone from its n-th call on, in the middle of a write where it is one. */
  function dyingDisk(calls: number): Disk {
    let left = calls;
    const step = (): void => {
      left -= 1;
      if (left < 0) throw errno('EIO');
    };
    const stepped =
      <Arguments extends unknown[], Result>(call: (...all: Arguments) => Result) =>
      (...all: Arguments): Result => {
        step();
        return call(...all);
      };
    return {
      ...realDisk,
      create: stepped(realDisk.create),
      write(fd, bytes) {
        left -= 1;
        if (left < 0) {
          if (left === -1) realDisk.write(fd, bytes.subarray(0, Math.floor(bytes.length / 2)));
          throw errno('EIO');
        }
        realDisk.write(fd, bytes);
      },
      sync: async () => step(),
      rename: stepped(realDisk.rename),
      remove: stepped(realDisk.remove),
      makeFolder: stepped(realDisk.makeFolder),
      syncFolder: async () => step(),
    };
  }

  test('holds every leaf that was promised, and contradicts no head that was shown, wherever it came', async () => {
    using start = logBench();
    const first = await start.open();
    // So that tiles fill, and a tail begins anew, while the disk dies.
    await first.append(...policyLeaves(0, 254));
    await first.close();
    let finished = false;
    for (let calls = 0; !finished; calls += 1) {
      using at = start.afterCrash();
      const promised: number[] = [];
      const shown: { size: number; root: string }[] = [];
      const log = await at.open({ disk: dyingDisk(calls), sync: true, tailLeaves: 258 }).catch(() => undefined);
      log?.onHead(({ size, root }) => shown.push({ size, root: root.toString('hex') }));
      for (let number = 254; log && number < 259; number += 1)
        await log.append(policyLeaf(number)).then(
          () => promised.push(number + 1),
          () => {},
        );
      finished = promised.length === 5;
      const again = await at.open();
      assert.ok(again.head.size >= Math.max(254, ...promised), `after ${calls} calls`);
      await again.append(policyLeaf(9999));
      for (const { size, root } of shown)
        assert.equal((await tiledRoot(folderReader(at.folder), size)).toString('hex'), root, `after ${calls} calls`);
      await assertWhole(at, again.head.size);
      await again.close();
      await log?.close();
    }
  });

  test('a tail torn at any byte gives the last head that is whole', async () => {
    using start = logBench();
    const log = await start.open();
    await log.append(policyLeaf(1));
    const one = start.afterCrash();
    await log.append(policyLeaf(2));
    await log.close();
    const [tail = ''] = readdirSync(start.tails);
    const bytes = await folderReader(start.tails)(tail);
    const before = (await folderReader(one.tails)(tail))?.length ?? 0;
    assert.ok(bytes && before > 0 && bytes.length > before);
    const torn = join(start.root, 'torn');
    for (let length = before; length < bytes.length; length += 1) {
      writeFileSync(torn, bytes.subarray(0, length));
      assert.equal(readTail(torn).at(-1)?.head.size, 1);
    }
    for (const length of [before, before + 1, bytes.length - 1]) {
      using at = one.afterCrash();
      writeFileSync(join(at.tails, tail), bytes.subarray(0, length));
      const again = await at.open();
      assert.equal(again.head.size, 1);
      await again.close();
    }
    one[Symbol.dispose]();
  });

  test('comes back from the tail when its tiles and its checkpoint did not reach the disk', async () => {
    using at = logBench();
    const log = await at.open();
    await log.append(...policyLeaves(0, 300));
    await log.close();
    rmSync(at.folder, { recursive: true });
    const again = await at.open();
    assert.equal(again.head.size, 300);
    await again.close();
    await assertWhole(at, 300);
  });

  test('comes back from its tiles when the tail is gone', async () => {
    for (const size of [1, 256, 300]) {
      using at = logBench();
      const log = await at.open();
      await log.append(...policyLeaves(0, size));
      await log.close();
      rmSync(at.tails, { recursive: true });
      const again = await at.open();
      assert.equal(again.head.size, size);
      await again.close();
      await assertWhole(at, size);
    }
  });
});

describe('a log that is not as its gateway left it', () => {
  async function grown(): Promise<LogBench> {
    const at = logBench();
    const log = await at.open();
    await log.append(...policyLeaves(0, 1500));
    await log.close();
    return at;
  }

  test('is not gone on with when an older copy was put back', async () => {
    using old = logBench();
    const log = await old.open();
    await log.append(...policyLeaves(0, 200));
    using at = old.afterCrash();
    await log.append(...policyLeaves(200, 3000));
    await log.close();
    rmSync(at.tails, { recursive: true });
    cpSync(old.tails, at.tails, { recursive: true });
    await assert.rejects(at.open(), { code: 'LOG_DAMAGED' });
  });

  test('is not gone on with when its checkpoint is forged', async () => {
    using at = await grown();
    rmSync(at.tails, { recursive: true });
    const text = at.text('checkpoint');
    writeFileSync(join(at.folder, 'checkpoint'), text.replace('\n1500\n', '\n1499\n'));
    await assert.rejects(at.open(), { code: 'LOG_DAMAGED' });
  });

  test('is not gone on with when the tiles it needs are changed', async () => {
    using at = await grown();
    writeFileSync(join(at.folder, 'tile/0/000'), Buffer.alloc(8192));
    writeFileSync(join(at.folder, 'tile/1/000.p/5'), Buffer.alloc(160));
    await assert.rejects(at.open(), { code: 'LOG_DAMAGED' });
  });
});
