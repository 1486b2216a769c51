/** psql with every command that asks the server something: it must be told what it is told without a gateway, to the letter. */
import assert from 'node:assert/strict';
import { requireServer } from '../../fakes/servers.ts';
import { type ClientUnderTest, type Place, type Refused, tryAll } from './client.ts';
import { environment, run } from './external.ts';

const psql = () => requireServer('postgresql-client')['psql'] as string;

/** psql 15's, in the order of its help; with `+` and `S` where they ask for more. */
const DESCRIBING = `\\l \\l+ \\d \\d+ \\dS \\dS+ \\d~people \\d+~people \\d+~purchases \\d+~logs \\d+~logs_2026
\\d+~moods \\d+~totals \\d+~counted \\d+~numbers \\d~"Odd~schema".* \\d~pg_class \\d+~pg_stats \\da+ \\daS \\dA+
\\dAc+ \\dAf+ \\dAo+ \\dAp+ \\db \\db+ \\dc+ \\dcS+ \\dconfig~work_mem \\dC+ \\dd \\ddS \\ddp \\dD+ \\dDS \\des+ \\det+ \\deu+ \\dew+ \\df \\df+ \\dfS+ \\dfa \\dfn
\\dfp \\dft \\dfw \\df~twice \\dF+ \\dFd+ \\dFp+ \\dFt+ \\dg+ \\di+ \\dl+ \\dL+ \\dLS+ \\dm+ \\dn+ \\dnS+ \\do+ \\doS+ \\dO+ \\dOS \\dp \\dpS \\dP+ \\dPtn+ \\drds
\\dRp+ \\dRs+ \\ds+ \\dt+ \\dtS+ \\dT+ \\dTS+ \\du+ \\dv+ \\dvS+ \\dE+ \\dx+ \\dX+ \\dy+ \\z \\z~people \\sf~twice \\sf+~twice \\sv~totals \\sv+~totals
\\lo_list \\lo_list+ \\encoding \\errverbose`
  .split(/\s+/)
  .map((command) => command.replaceAll('~', ' '));

/** Others that run statements: each line is one, psql's own reply is compared. */
const RUNNING = [
  'SELECT 1 AS a, 2 AS b \\gset',
  '\\echo :a :b',
  "SELECT 'SELECT ' || i FROM generate_series(1, 3) i \\gexec",
  'SELECT id, name FROM people WHERE id < 3 ORDER BY id \\gx',
  'SELECT id, born, note FROM people \\gdesc',
  'SELECT person % 3 AS r, id % 2 AS c, count(*) FROM purchases GROUP BY 1, 2 ORDER BY 1, 2 \\crosstabview',
  '\\set FETCH_COUNT 7',
  'SELECT id FROM purchases ORDER BY id;',
  '\\unset FETCH_COUNT',
  '\\set ON_ERROR_ROLLBACK on',
  'BEGIN;',
  'SELECT 1/0;',
  'SELECT 2;',
  'COMMIT;',
  '\\set AUTOCOMMIT off',
  'SELECT 3;',
  'ROLLBACK;',
  '\\set AUTOCOMMIT on',
  '\\copy (SELECT id, name FROM people WHERE id < 4 ORDER BY id) TO STDOUT CSV HEADER',
  '\\copy (SELECT id FROM purchases WHERE id < 4 ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)',
  'COPY (SELECT id FROM people WHERE id < 4 ORDER BY id) TO STDOUT;',
  'EXPLAIN (COSTS off) SELECT id FROM purchases;',
  'PREPARE p (int) AS SELECT name FROM people WHERE id = $1;',
  'EXECUTE p (2);',
  'DEALLOCATE p;',
  'SELECT 1 \\; SELECT 2;',
  'SELECT :missing;',
  'SELECT * FROM nosuch;',
  '\\errverbose',
  'TABLE numbered;',
  'SELECT 10 / (3 - 3) \\watch 1',
];

const NAMES: Refused = {
  says: /is not known in this database/,
  why: 'names are looked up by the gateway, which says so in its own words, with the same SQLSTATE',
};

export const psqlClient: ClientUnderTest = {
  name: 'psql',
  tier: 'test',
  async version() {
    return /\d+\.\d+/.exec((await run([psql(), '--version'], {})).stdout)?.[0] ?? '';
  },
  async try(place) {
    const [through, direct] = await Promise.all([answers(environment(place)), answers(place.direct)]);
    // A statement that was written anew has no place in the client's text to point at.
    const told = (error = '') => (place.kind === 'masked' ? error.split('\n')[0] : error);
    const same = (command: string) => async () => {
      const [got, wanted] = [through.get(command), direct.get(command)];
      // What the server itself refuses is the server's.
      if (got?.error.includes('HOOP_')) throw new Error(got.error.trim().split('\n')[0]);
      if (command.includes('errverbose'))
        return assert.equal(got?.error.includes('LOCATION'), wanted?.error.includes('LOCATION'));
      assert.deepEqual({ ...got, error: told(got?.error) }, { ...wanted, error: told(wanted?.error) });
    };
    return tryAll({
      ...Object.fromEntries(DESCRIBING.map((command) => [command, same(command)])),
      ...Object.fromEntries(RUNNING.map((command) => [command, same(command)])),
      '\\conninfo': async () =>
        assert.match((await once(place, '\\conninfo')).stdout, /connected to database "tools" as user "run"/),
      '\\connect': async () => assert.match((await script(place, '\\c\nSELECT 7;\n')).stdout, /7/),
      '\\ef and \\ev': async () => {
        const edited = await script(place, '\\ef twice\n\\p\n\\r\n\\ev totals\n\\p\n\\r\n');
        assert.match(
          edited.stdout,
          /CREATE OR REPLACE FUNCTION public.twice[\s\S]*CREATE OR REPLACE VIEW public.totals/,
        );
      },
      ...(place.kind === 'open'
        ? {
            'ALTER ROLE': () => changesRole(place),
            '\\lo_import': () => succeeds(script(place, '\\lo_import /etc/hostname\n')),
          }
        : {
            'masked values': async () => {
              const shown = await script(
                place,
                'SELECT ssn, card FROM people WHERE id = 1;\n\\copy people (ssn) TO STDOUT\nSELECT ssn FROM people ORDER BY ssn LIMIT 1 \\gx\n',
              );
              assert.doesNotMatch(shown.stdout + shown.stderr, /\d\d-\d\d|4111/);
              assert.match(shown.stdout, /\*\*\*\|\*\*\*/);
            },
          }),
    });
  },
  refused: {
    open: {
      '\\lo_import': {
        says: /function calls by number/,
        why: 'large objects go by function calls by number, which hold no text that could be judged; `lo_from_bytea` and `lo_get` in a SELECT work',
      },
    },
    masked: {
      'SELECT * FROM nosuch;': NAMES,
      '\\errverbose': NAMES,
      'SELECT :missing;': {
        says: /syntax error at character 8/,
        why: 'what the parser stopped at is not quoted, as it may be a value that was meant for a masked column; its place is told',
      },
      ...Object.fromEntries(
        [
          ['\\des+', 'pg_foreign_server'],
          ['\\det+', 'pg_foreign_server'],
          ['\\deu+', 'pg_user_mappings'],
          ['\\drds', 'pg_db_role_setting'],
          ['\\dRs+', 'pg_subscription'],
        ].map(([command, catalog]) => [
          command,
          {
            says: new RegExp(`${catalog} shows more than structure`),
            why: `${catalog} may hold credentials and addresses of other servers`,
          },
        ]),
      ),
    },
  },
};

/** What each command printed, and what it complained of. */
async function answers(
  env: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, { out: string; error: string }>> {
  const commands = [...DESCRIBING, ...RUNNING];
  const input = commands
    .map(
      (command, i) =>
        `\\echo @@${i}\n\\warn @@${i}\n${command}\n${command.includes('\\') || command.endsWith(';') ? '' : ';'}`,
    )
    .join('\n');
  const { stdout, stderr } = await run([psql(), '-X', '-P', 'pager=off'], env, { input });
  const [out, error] = [pieces(stdout), pieces(stderr)];
  return new Map(commands.map((command, i) => [command, { out: out[i] ?? '', error: error[i] ?? '' }]));
}

function pieces(text: string): string[] {
  return text.split(/^@@\d+\n/m).slice(1);
}

const once = ({ run: { libpq } }: Place, command: string) => run([psql(), '-X', '-c', command], libpq);

const script = (place: Place, input: string) =>
  run([psql(), '-X', '-At'], { ...environment(place), PSQL_EDITOR: 'sed -i s/x/x/', TMPDIR: place.folder }, { input });

async function succeeds(ran: Promise<{ stderr: string }>): Promise<void> {
  const { stderr } = await ran;
  if (stderr !== '') throw new Error(stderr.trim());
}

async function changesRole(place: Place): Promise<void> {
  const changed = await script(
    place,
    'ALTER ROLE CURRENT_USER SET work_mem = 4096;\nALTER ROLE CURRENT_USER RESET work_mem;\n',
  );
  assert.equal(changed.stderr, '');
}
