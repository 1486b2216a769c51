/** A gateway killed in the middle of requests: nothing has reached the target that is not on disk as about to be sent. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../fakes/until.ts';
import { type Stage, startStage } from './http-stage.ts';

const POLICY = `version: 1
access:
  - { name: billing, subjects: { groups: [data-agents] }, targets: [billing], effects: [read, write] }
`;

let stage: Stage;

before(async () => {
  stage = await startStage({ policy: POLICY, gateway: 'process' });
});

after(async () => {
  await stage?.[Symbol.asyncDispose]();
});

/** What would be sent, by the recordings as they lie on the disk. */
async function toldFirst(): Promise<ReadonlySet<string>> {
  const told = new Set<string>();
  for (const { type, sent } of await stage.house.events()) {
    const [, url] = /^[A-Z]+ (\S+)/.exec(String((sent as { text?: unknown } | undefined)?.text ?? '')) ?? [];
    if (type === 'command' && url !== undefined) told.add(url);
  }
  return told;
}

test('wherever it is killed, and more often than once', async () => {
  const { stack } = stage.house;
  for (const [round, many] of [7, 23, 60].entries()) {
    const run = await stage.house.run('dana');
    const asked: Promise<unknown>[] = [];
    const goal = stage.got.length + many;
    const ask = async (lane: number) => {
      for (let at = 0; at < 1_000; at++) {
        const init =
          at % 3 === 0 ? {} : { method: 'POST', body: `{"at":${at}}`, headers: { 'content-type': 'application/json' } };
        const response = await run.fetch(`/v1/r${round}/${lane}/${at}`, init).catch(() => undefined);
        await response?.arrayBuffer().catch(() => undefined);
        if (!response?.ok) return;
      }
    };
    for (let lane = 0; lane < 6; lane++) asked.push(ask(lane));
    await until('so many have arrived', () => stage.got.length >= goal);
    await stack.process.kill();
    await Promise.all(asked);
    const arrived = stage.got.length;
    await stack.start();
    // Recovery puts what the journal holds into the files.
    await until('all that arrived is recorded', async () => {
      const told = await toldFirst();
      return stage.got.every(({ url }) => told.has(url));
    });
    // No request is repeated by a gateway that starts again.
    assert.equal(stage.got.length, arrived);
    assert.equal(new Set(stage.got.map(({ url }) => url)).size, stage.got.length);
    await Promise.resolve(run[Symbol.asyncDispose]()).catch(() => undefined);
  }
});
