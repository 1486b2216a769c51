/** What a text costs that nobody sent before, against one that is known: judging is cached by exact text. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DIRECT, HAPROXY, PROCESS } from '../ladder.ts';
import { pgbench } from '../pgbench.ts';
import type { Case } from '../rounds.ts';
import type { Section } from './section.ts';

const PEERS = [DIRECT, HAPROXY, PROCESS] as const;
const CLIENTS = 8;

const lookUp = (aid: string) => `SELECT abalance FROM pgbench_accounts WHERE aid = ${aid};`;
const report = (aid: string) =>
  `SELECT b.bid, b.bbalance, count(t.tid) AS tellers, coalesce(sum(t.tbalance), 0) AS total, max(a.abalance) AS best
 FROM pgbench_accounts a JOIN pgbench_branches b ON b.bid = a.bid LEFT JOIN pgbench_tellers t ON t.bid = b.bid AND t.tbalance > -100000
 WHERE a.aid BETWEEN ${aid} AND ${aid} + 5 AND a.filler IS NOT NULL GROUP BY b.bid, b.bbalance HAVING count(*) > 0 ORDER BY total DESC, b.bid LIMIT 10;`;

const SCRIPTS: readonly [name: string, script: string][] = [
  ['a look-up, always the same text', lookUp('77')],
  ['a look-up, never the same text', `\\set n random(1, 2000000000)\n${lookUp(':n')}`],
  ['a report of 400 characters, always the same text', report('77')],
  ['a report of 400 characters, never the same text', `\\set n random(1, 2000000000)\n${report(':n')}`],
];

export const statements: Section = {
  name: 'statements',
  title: `Statements seen before, and never seen (pgbench, simple, ${CLIENTS} clients)`,
  seconds: ({ rounds, seconds }) => SCRIPTS.length * PEERS.length * rounds * (seconds + 0.3),
  async run({ world, ladders, plan, compare }) {
    const folder = await world.place('scripts');
    const ladder = await ladders.get(PEERS);
    const cases = SCRIPTS.map(([name, script], i): Case => {
      const file = join(folder, `${i}.sql`);
      const written = writeFile(file, `${script.replaceAll('\n FROM', ' FROM').replaceAll('\n WHERE', ' WHERE')}\n`);
      return {
        ...{ name, unit: 'tx/s', better: 'more', work: 'transaction', peers: PEERS, against: [HAPROXY, DIRECT] },
        async measure(peer) {
          await written;
          const { address } = ladder.peer(peer);
          const { seconds } = plan;
          return pgbench(address, { script: ['-f', file], protocol: 'simple', clients: CLIENTS, seconds });
        },
      };
    });
    await compare(cases, ladder);
  },
};
