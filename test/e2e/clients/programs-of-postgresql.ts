/** pgbench in its three modes and as a pipeline; a dump through the gateway and its restore. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { requireServer } from '../../fakes/servers.ts';
import { type ClientUnderTest, type Place, tryAll } from './client.ts';
import { environment, type Ran, run } from './external.ts';

export const program = (name: string) => join(dirname(requireServer('postgresql')['pgbench'] as string), name);

const versionOf = (name: string) => async () =>
  /\d+\.\d+/.exec((await run([program(name), '--version'], {})).stdout)?.[0] ?? '';

export async function good(ran: Promise<Ran>): Promise<Ran> {
  const done = await ran;
  if (done.code !== 0) throw new Error(done.stderr.trim().split('\n').slice(0, 3).join(' ') || `exit ${done.code}`);
  return done;
}

const PIPELINE = '\\startpipeline\nSELECT 1;\nSELECT count(*) FROM people;\nSELECT 2;\n\\endpipeline\n';

export const pgbench: ClientUnderTest = {
  name: 'pgbench',
  tier: 'test',
  version: versionOf('pgbench'),
  async try(place) {
    const bench = (...args: string[]) =>
      good(run([program('pgbench'), '-n', '-c', '2', '-t', '5', ...args], environment(place)));
    const custom = join(place.folder, 'reads.sql');
    const pipeline = join(place.folder, 'pipeline.sql');
    await writeFile(custom, '\\set id random(1, 50)\nSELECT name FROM people WHERE id = :id;\n');
    await writeFile(pipeline, PIPELINE);
    const modes = (script: readonly string[]) =>
      Object.fromEntries(['simple', 'extended', 'prepared'].map((mode) => [mode, () => bench('-M', mode, ...script)]));
    if (place.kind === 'masked')
      return tryAll({ ...modes(['-f', custom]), pipeline: () => bench('-M', 'extended', '-f', pipeline) });
    const tried = await tryAll({
      'initialising (-i)': () => good(run([program('pgbench'), '-i', '-q'], environment(place))),
      ...modes([]),
      'one connection each (-C)': () => bench('-C', '-S'),
      pipeline: () => bench('-M', 'extended', '-f', pipeline),
      'retries of serializable ones': () => bench('-M', 'prepared', '--max-tries', '3'),
      'removing (-i -I d)': () => good(run([program('pgbench'), '-i', '-I', 'd'], environment(place))),
    });
    return tried;
  },
};

export const pgDump: ClientUnderTest = {
  name: 'pg_dump, pg_restore',
  tier: 'test',
  version: versionOf('pg_dump'),
  async try(place) {
    if (place.kind === 'masked') return tryAll({ dump: () => dumped(place, 'plain.sql') });
    if (Number(place.server) > 15) return tryAll({ 'dump of a newer server': () => dumped(place, 'plain.sql') });
    const archive = join(place.folder, 'archive');
    return tryAll({
      'plain text, as without the gateway': async () => {
        const [through, direct] = await Promise.all([
          dumped(place, 'plain.sql'),
          good(run([program('pg_dump')], place.direct)),
        ]);
        assert.equal(withoutKey(through.stdout), withoutKey(direct.stdout));
      },
      'custom format': () => dumped(place, 'archive', '-Fc', '-T', 'held', '-f', archive),
      'folder, two at once': () => dumped(place, 'folder', '-Fd', '-j', '2', '-f', join(place.folder, 'many')),
      'definitions only': () => dumped(place, 'schema', '-s'),
      'rows as INSERT': () => dumped(place, 'inserts', '--inserts', '-a', '-t', 'people'),
      'list of an archive': () => good(run([program('pg_restore'), '-l', archive], environment(place))),
      'restore of all': async () => {
        const env = environment(place);
        await good(run([program('pg_restore'), '--clean', '--if-exists', '-d', 'tools', archive], env));
        const after = await dumped(place, 'again');
        assert.match(after.stdout, /COPY public.purchases/);
      },
    });
  },
  refused: {
    open: {
      'dump of a newer server': {
        says: /server version mismatch/,
        why: 'pg_dump itself refuses a server newer than it is',
      },
    },
    masked: {
      dump: {
        says: /HOOP_DENIED|server version mismatch/,
        why: 'it lifts time-outs that the gateway holds in place; and what would come is no dump but a copy of masks',
      },
    },
  },
};

const dumped = (place: Place, _what: string, ...args: string[]) =>
  good(run([program('pg_dump'), ...args], environment(place)));

/** Each dump carries a random word of its own. */
function withoutKey(dump: string): string {
  return dump.replace(/^\\(un)?restrict .*$/gm, '');
}
