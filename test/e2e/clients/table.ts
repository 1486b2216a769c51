/** The table of docs/postgres.md: written by `npm run test:clients` from what happened, and by nothing else. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientUnderTest, Kind, Tried } from './client.ts';

export const PAGE = join(import.meta.dirname, '..', '..', '..', 'docs', 'postgres.md');
const BEGIN = '<!-- written by npm run test:clients: begin -->';
const END = '<!-- written by npm run test:clients: end -->';
/** What load takes stands in a place of its own. */
export const LOAD = {
  begin: '<!-- load, written by npm run test:clients: begin -->',
  end: '<!-- load, written by npm run test:clients: end -->',
};

export interface Trial {
  readonly client: ClientUnderTest;
  readonly version: string;
  readonly server: string;
  readonly kind: Kind;
  readonly tried: readonly Tried[];
}

/** What neither went well nor was refused as the client's own list says; and what was to be refused and was not. */
export function surprises({ client, kind, tried }: Pick<Trial, 'client' | 'kind' | 'tried'>): string[] {
  const refused = client.refused?.[kind] ?? {};
  return tried.flatMap(({ check, error }) => {
    const wanted = refused[check];
    if (!error) return wanted ? [`${check}: was not refused`] : [];
    return wanted?.says.test(error.message) ? [] : [`${check}: ${error.code ?? ''} ${error.message}`];
  });
}

export function table(trials: readonly Trial[]): string {
  const clients = [...new Set(trials.map(({ client }) => client))];
  const servers = [...new Set(trials.map(({ server }) => server))];
  const rows = clients.map((client) => {
    const own = trials.filter((trial) => trial.client === client);
    const cells = servers.map((server) => scores(own.filter((trial) => trial.server === server)));
    return [
      client.name,
      own.map(({ version }) => version).find((version) => version !== '') ?? '',
      ...cells,
      passed(own),
      refusals(own),
    ];
  });
  const head = [
    'client',
    'version',
    ...servers.map((server) => `PostgreSQL ${server}`),
    'what it does',
    'what is refused, and why',
  ];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |`).join('\n');
}

/** `14/14`: without a mask; then with one. */
function scores(trials: readonly Trial[]): string {
  const of = (kind: Kind) =>
    trials
      .filter((trial) => trial.kind === kind)
      .map(({ tried }) => `${tried.filter(({ error }) => !error).length}/${tried.length}`)
      .join();
  return `${of('open')}, masked ${of('masked')}`;
}

function passed(trials: readonly Trial[]): string {
  const names = [
    ...new Set(trials.flatMap(({ tried }) => tried.flatMap(({ check, error }) => (error ? [] : [check])))),
  ];
  if (names.length <= 40) return names.join(', ');
  return `${names.length} commands, each answered as without a gateway`;
}

function refusals(trials: readonly Trial[]): string {
  const told = trials.flatMap(({ client, kind, tried }) =>
    tried.flatMap(({ check, error }) => {
      const why = error && client.refused?.[kind]?.[check]?.why;
      return error ? [`${kind === 'masked' ? 'masked: ' : ''}${check} (${why ?? error.message})`] : [];
    }),
  );
  return [...new Set(told)].join('; ') || 'nothing';
}

function escaped(cell: string): string {
  return cell
    .replaceAll('\n', ' ')
    .replaceAll('|', '\\|')
    .replace(/(^|[ (])(\\\S+)/g, '$1`$2`');
}

export async function writeTable(text: string, { begin, end } = { begin: BEGIN, end: END }): Promise<void> {
  const page = await readFile(PAGE, 'utf8');
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${PAGE} has no place for the table`);
  await writeFile(PAGE, `${before}${begin}\n\n${text}\n\n${end}${after}`);
}

/** The rows that are there, by client. */
export async function rowsOfPage(): Promise<ReadonlyMap<string, readonly string[]>> {
  const page = await readFile(PAGE, 'utf8');
  const text = page.split(BEGIN)[1]?.split(END)[0] ?? '';
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2)
    .map((line) => line.slice(2, -2).split(/ (?<!\\)\| /));
  return new Map(rows.map((cells) => [cells[0] ?? '', cells]));
}
