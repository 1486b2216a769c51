/** How long a command takes to start, against a Node that does nothing. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { median } from '../arithmetic.ts';
import { PROCESS } from '../ladder.ts';
import { startHoopctl } from '../peers/hoopctl.ts';
import { done } from '../processes.ts';
import type { Case } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

const EMPTY = 'an empty script';
const COMMANDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['hoopctl --version', ['--version']],
  ['hoopctl targets', ['targets']],
  ['hoopctl run -- true', ['run', '--', 'true']],
]);

export const start: Section = {
  name: 'start',
  title: 'Starting',
  seconds: (plan) => 5 + plan.rounds * times(plan) * 0.7,
  async run({ world, plan, compare, note }) {
    await using peer = await startHoopctl(world, { durability: 'process' });
    const empty = join(await world.place('empty'), 'empty.js');
    await writeFile(empty, '');
    const one: Case = {
      ...{ name: 'from start to end', unit: 'ms', better: 'less', against: [EMPTY] },
      peers: [EMPTY, ...COMMANDS.keys()],
      async measure(name) {
        const command = COMMANDS.get(name);
        const args = command === undefined ? [empty] : [world.hoopctl, ...command];
        const took: number[] = [];
        for (let i = 0; i < times(plan); i++) {
          const began = performance.now();
          await done(process.execPath, args, { env: peer.env, cwd: peer.env['HOME'] ?? '/' });
          took.push(performance.now() - began);
        }
        return { value: median(took), more: { quickest: Math.min(...took) } };
      },
    };
    await compare([one]);
    note(
      `Medians of ${times(plan)} starts a round; hoopctl as a package holds it, gateway (${PROCESS}) and token at hand.`,
    );
  },
};

function times({ quick }: Plan): number {
  return quick ? 4 : 15;
}
