/** docs/audit.md as an auditor follows it: a folder, a key and the page. By hand it needs none of our code. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Bench, bench, DAY, intent, opened, sealedSession } from '../record/workbench.ts';
import { readPage } from './blocks.ts';
import { openDesk } from './follow.ts';

let at: Bench;

before(async () => {
  at = bench();
  const recordings = await at.start({ log: { version: 'test' } });
  for (let number = 1; number <= 3; number += 1) await sealedSession(recordings, `s${number}`, 1);
  await recordings.log?.append(
    ...Array.from({ length: 300 }, (_, number) => ({ type: 'policy.inForce', policy: `p${number}` }) as const),
  );
  cpSync(join(at.recordings, '.log/gw1/checkpoint'), join(at.root, 'note'));
  const crashed = await recordings.open(opened('s4'));
  await crashed.append(intent('c1'), 'intent');
  await crashed.finish({ kind: 'closed' });
  await recordings.close();
});
after(() => at[Symbol.dispose]());

/** Every block is a shell of its own on this desk: by hand they are one session. */
function byHand(): string {
  return readPage('docs/audit.md')
    .filter(({ elsewhere, commands }) => elsewhere === undefined && !commands.startsWith('hoopctl'))
    .map(({ commands }) => commands)
    .join('\n');
}

async function follow(change: (folder: string) => void = () => {}): Promise<string> {
  using desk = openDesk();
  const home = desk.home('dana');
  cpSync(at.recordings, join(home, 'recordings'), { recursive: true });
  cpSync(join(at.keys, 'recording.pub'), join(home, 'recording.pub'));
  cpSync(join(at.root, 'note'), join(home, 'checkpoint-before'));
  change(join(home, 'recordings'));
  const block = { page: 'docs/audit.md', line: 0, as: 'dana', exit: 0, terminal: false, prints: [] };
  const [said = ''] = await desk.follow([{ ...block, commands: `{ ${byHand()}\n} 2>&1` }]);
  return said;
}

test('the folder that nobody touched is what it says, by hand', async () => {
  const said = await follow();
  assert.deepEqual(
    said.split('\n').filter((line) => !/^[A-Za-z0-9+/]{43}=$/.test(line)),
    [
      'Signature Verified Successfully',
      'Signature Verified Successfully',
      'the tree is the one that was signed',
      'the entries are those of the tree',
      '',
    ],
  );
});

test('a recording in the place of another is seen by hand', async () => {
  const said = await follow((folder) => cpSync(join(folder, DAY, 's2.ndjson.gz'), join(folder, DAY, 's3.ndjson.gz')));
  assert.match(said, /another first line: 2026\/11\/21\/s3\nanother root: 2026\/11\/21\/s3\n/);
});

test('one that nobody logged is seen by hand', async () => {
  const said = await follow((folder) =>
    cpSync(join(folder, DAY, 's2.ndjson.gz'), join(folder, DAY, 'extra.ndjson.gz')),
  );
  assert.match(said, /\n2026\/11\/21\/extra\n$/);
});

test('and with hoopctl', async () => {
  using desk = openDesk();
  const home = desk.home('dana');
  cpSync(at.recordings, join(home, 'recordings'), { recursive: true });
  cpSync(join(at.keys, 'recording.pub'), join(home, 'recording.pub'));
  cpSync(join(at.root, 'note'), join(home, 'checkpoint-before'));
  const [said] = await desk.follow(
    readPage('docs/audit.md').filter(({ commands }) => commands.startsWith('hoopctl audit verify')),
  );
  assert.match(said ?? '', /complete {3}the log of gw1 {2}\d+ leaves, continues the \d+ noted/);
});
