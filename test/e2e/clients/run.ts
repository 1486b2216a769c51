/**
 * `npm run test:clients [-- NAME…]`: every client at PostgreSQL 15 and 18, with and without a mask. Without names it also puts a tunnel and a gateway under
 * load, and writes the tables of docs/postgres.md anew.
 */
import { CLIENTS } from './list.ts';
import { startLab, type ServerVersion } from './lab.ts';
import { manyConnections, openTunnel, slowReader } from './load.ts';
import { LOAD, surprises, table, type Trial, writeTable } from './table.ts';

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !CLIENTS.some((client) => client.name === name));
if (unknown.length > 0) {
  console.error(`no client ${unknown.join(', ')}; there are: ${CLIENTS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const clients = CLIENTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const CONNECTIONS = 500;
const GiB = 1024 ** 3;
/** More than this, MiB, is no bound any more. */
const MOST = 128;

const servers: readonly ServerVersion[] = ['15', '18'];
const lab = await startLab(servers);
const trials: Trial[] = [];
let failed = 0;
try {
  for (const client of clients) {
    for (const server of servers) {
      for (const kind of ['open', 'masked'] as const) {
        await using place = await lab.place(server, kind);
        const since = performance.now();
        const tried = await client.try(place);
        const trial = { client, version: await client.version(), server, kind, tried };
        trials.push(trial);
        const found = surprises(trial);
        failed += found.length;
        console.log(
          `${client.name} ${trial.version}, PostgreSQL ${server}, ${kind}: ${tried.length} tried, ${found.length} went wrong, ${Math.round(performance.now() - since)} ms`,
        );
        for (const one of found) console.log(`  ${one.replaceAll(/\s+/g, ' ').slice(0, 300)}`);
      }
    }
  }
} finally {
  await lab[Symbol.asyncDispose]();
}
if (wanted.length === 0) {
  await writeTable(table(trials));
  await writeTable(await underLoad(), LOAD);
}
process.exit(failed > 0 ? 1 : 0);

async function underLoad(): Promise<string> {
  await using own = await startLab(['15'], { gateway: 'process', connections: CONNECTIONS + 80 });
  await using tunnel = await openTunnel(own);
  const many = await manyConnections(own, tunnel, CONNECTIONS);
  const slow = await slowReader(own, tunnel, GiB);
  if (slow.gateway > MOST || slow.tunnel > MOST) failed++;
  const rows = [
    ['', 'gateway, MiB more', 'tunnel, MiB more'],
    ['---', '---', '---'],
    [`${CONNECTIONS} connections of one run at once, all answered twice`, many.gateway, many.tunnel],
    ['a result of 1 GiB to a reader that stops for 0.2 s every 32 MiB, at the most', slow.gateway, slow.tunnel],
  ];
  const text = rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  console.log(text);
  return text;
}
