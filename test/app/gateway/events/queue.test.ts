/** What waits for a receiver survives crashes, full disks and receivers that never come, within its bounds, and says what it could not keep. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type EventQueue, openQueue, type QueueParts } from '../../../../src/app/gateway/events/queue.ts';
import { realQueueDisk } from '../../../../src/app/gateway/events/segments.ts';
import { anEvent, hurried, type Place, place } from './place.ts';

interface Opened {
  readonly queue: EventQueue;
  readonly problems: (string | undefined)[];
}

async function open({ root }: Place, options: Partial<QueueParts> = {}): Promise<Opened> {
  const problems: (string | undefined)[] = [];
  const queue = await openQueue({
    dir: join(root, 'siem'),
    limit: 1024 * 1024,
    clock: hurried,
    gap: (dropped, id) => JSON.stringify({ dropped, id }),
    onProblem: (problem) => problems.push(problem),
    ...options,
  });
  return { queue, problems };
}

const some = (from: number, count: number) => Array.from({ length: count }, (_, i) => anEvent(from + i));

async function nextLines(queue: EventQueue): Promise<readonly string[]> {
  const batch = await queue.next();
  await batch?.taken();
  return batch?.lines ?? [];
}

test('lines come out in the order in which they were put in', async () => {
  using here = place();
  const { queue } = await open(here);
  queue.put(some(0, 700));
  const got = [...(await nextLines(queue)), ...(await nextLines(queue))];
  assert.deepEqual(got, some(0, 700));
  assert.equal(queue.state.queued, 0);
  await queue.close();
});

test('what was given out and not taken when the process died is given out again; what was taken is not', async () => {
  using here = place();
  using after = place();
  const { queue } = await open(here);
  queue.put(some(0, 600));
  assert.equal((await nextLines(queue)).length, 500);
  await queue.next();
  cpSync(here.root, after.root, { recursive: true });
  await queue.close();
  const again = await open(after);
  assert.equal(again.queue.state.queued, 100);
  assert.deepEqual(await nextLines(again.queue), some(500, 100));
  await again.queue.close();
});

test('a torn last line is cut off, at whichever byte, and the lines before it and after it come whole', async () => {
  using here = place();
  const first = await open(here);
  first.queue.put(some(0, 3));
  await first.queue.close();
  const file = join(here.root, 'siem', '0000000001.ndjson');
  const whole = statSync(file).size;
  const torn = anEvent(99);
  for (const at of [1, 10, torn.length - 1, torn.length]) {
    appendFileSync(file, torn.slice(0, at));
    const { queue } = await open(here);
    assert.equal(statSync(file).size, whole, `torn at ${at}`);
    await queue.close();
  }
  const { queue } = await open(here);
  queue.put(some(3, 1));
  assert.deepEqual([...(await nextLines(queue)), ...(await nextLines(queue))], some(0, 4));
  await queue.close();
});

test('a page of nothing in the middle of a segment costs its lines alone, and is told as a gap', async () => {
  using here = place();
  const first = await open(here);
  first.queue.put(some(0, 2));
  await first.queue.close();
  const file = join(here.root, 'siem', '0000000001.ndjson');
  writeFileSync(file, `${anEvent(0)}\n${'\0'.repeat(64)}\n${anEvent(1)}\n`);
  const { queue } = await open(here);
  assert.deepEqual(await nextLines(queue), some(0, 2));
  const [gap] = await nextLines(queue);
  assert.deepEqual(JSON.parse(gap ?? ''), { dropped: 1, id: 'siem:gap:0' });
  await queue.close();
});

test('a queue that is full drops its oldest lines, and what comes next begins with how many', async () => {
  using here = place();
  const limit = 64 * 1024;
  const { queue } = await open(here, { limit });
  const total = 3_000;
  for (let n = 0; n < total; n += 50) {
    queue.put(some(n, 50));
    await queue.flush();
  }
  const onDisk = readdirSync(join(here.root, 'siem')).reduce(
    (sum, name) => sum + statSync(join(here.root, 'siem', name)).size,
    0,
  );
  assert.ok(onDisk <= limit * 1.5, `${onDisk} bytes`);
  const { dropped, queued } = queue.state;
  assert.equal(dropped + queued, total);
  assert.ok(dropped > 0);
  const [gap, ...lines] = await nextLines(queue);
  assert.deepEqual(JSON.parse(gap ?? ''), { dropped, id: 'siem:gap:0' });
  assert.equal(lines[0], anEvent(dropped));
  await queue.close();
});

test('a gap that was not delivered before a crash is told after it', async () => {
  using here = place();
  using after = place();
  const { queue } = await open(here, { limit: 16 * 1024 });
  for (let n = 0; n < 1_000; n += 50) {
    queue.put(some(n, 50));
    await queue.flush();
  }
  const { dropped } = queue.state;
  cpSync(here.root, after.root, { recursive: true });
  await queue.close();
  const again = await open(after);
  assert.equal(JSON.parse((await nextLines(again.queue))[0] ?? '').dropped, dropped);
  await again.queue.close();
});

test('a disk without room keeps nobody waiting: lines are delivered from memory, and written once there is room', async () => {
  using here = place();
  let full = true;
  const disk = {
    open: async (path: string) => {
      const file = await realQueueDisk.open(path);
      const write = file.write.bind(file);
      Object.assign(file, {
        write: (...args: Parameters<typeof write>) =>
          full ? Promise.reject(Object.assign(new Error('no room'), { code: 'ENOSPC' })) : write(...args),
      });
      return file;
    },
  };
  const { queue, problems } = await open(here, { disk });
  queue.put(some(0, 3));
  await queue.flush();
  assert.deepEqual(problems, ['ENOSPC']);
  assert.deepEqual(await nextLines(queue), some(0, 3));
  queue.put(some(3, 2));
  await queue.flush();
  full = false;
  await queue.flush();
  assert.deepEqual(problems, ['ENOSPC', undefined]);
  assert.deepEqual(await nextLines(queue), some(3, 2));
  await queue.close();
});

test('without room on disk memory is bounded: the oldest goes, and is told', async () => {
  using here = place();
  const disk = { open: () => Promise.reject(Object.assign(new Error('no room'), { code: 'ENOSPC' })) };
  const { queue } = await open(here, { disk });
  const long = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < 20; n++) queue.put([JSON.stringify({ n, long })]);
  await queue.flush();
  const [gap, ...lines] = await nextLines(queue);
  assert.equal(JSON.parse(gap ?? '').dropped, 20 - lines.length);
  assert.ok(lines.length >= 7 && lines.length <= 8, `${lines.length} kept`);
  assert.equal(JSON.parse(lines.at(-1) ?? '').n, 19);
  await queue.close();
});

test('a cursor that was lost, or is not one, delivers what there is again', async () => {
  using here = place();
  for (const damage of [
    () => rmSync(join(here.root, 'siem', 'cursor')),
    () => writeFileSync(join(here.root, 'siem', 'cursor'), '{"segment":"x"'),
    () => writeFileSync(join(here.root, 'siem', 'cursor'), '{"segment":1,"offset":999999,"dropped":0,"gaps":0}'),
  ]) {
    const first = await open(here);
    first.queue.put(some(0, 5));
    await nextLines(first.queue);
    await first.queue.close();
    damage();
    const { queue } = await open(here);
    assert.deepEqual(await nextLines(queue), some(0, 5));
    await queue.close();
    rmSync(join(here.root, 'siem'), { recursive: true });
  }
});

test('what was delivered leaves the disk, and nobody else may read what waits', async () => {
  using here = place();
  const { queue } = await open(here, { limit: 32 * 1024 });
  for (let n = 0; n < 200; n += 50) {
    queue.put(some(n, 50));
    await queue.flush();
    await nextLines(queue);
  }
  await queue.close();
  const dir = join(here.root, 'siem');
  const segments = readdirSync(dir).filter((name) => name.endsWith('.ndjson'));
  assert.ok(segments.length <= 2, segments.join());
  assert.ok(existsSync(join(dir, 'cursor')) && readFileSync(join(dir, 'cursor'), 'utf8').includes('"dropped":0'));
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  for (const name of readdirSync(dir)) assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
});

test('closing wakes whoever waits for more', async () => {
  using here = place();
  const { queue } = await open(here);
  const waiting = queue.next();
  await queue.close();
  assert.equal(await waiting, undefined);
});
