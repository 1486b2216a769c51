/** What a person reads of the results: a table on a terminal, the same in Markdown, everything in JSON. Pure. */
import { cpuOf, median, ratio, type Spread, spread } from './arithmetic.ts';
import type { Machine } from './machine.ts';
import type { Share } from './profiles.ts';
import type { CaseResult } from './rounds.ts';
import type { Plan } from './sections/section.ts';

export interface Report {
  readonly machine: Machine;
  readonly plan: Plan;
  readonly startedAt: string;
  readonly minutes: number;
  readonly sections: readonly SectionReport[];
}

export interface SectionReport {
  readonly name: string;
  readonly title: string;
  readonly cases: readonly CaseResult[];
  readonly notes: readonly string[];
  /** Why it was not measured to its end. */
  readonly failed?: string;
}

/** One line of a table. */
export interface Line {
  readonly peer: string;
  readonly value: Spread;
  /** Against each of the case's measures, where that peer was measured. */
  readonly ratios: readonly (Spread | undefined)[];
  /** Median over the rounds, µs per unit of work. */
  readonly cpu: number | undefined;
  readonly cpuRatio: Spread | undefined;
  readonly more: Readonly<Record<string, number>>;
}

export function linesOf({ rounds, peers, against }: CaseResult): Line[] {
  return peers.map((peer) => {
    const samples = rounds.flatMap((round) => round[peer] ?? []);
    const cpus = samples.filter(({ cpu }) => Object.keys(cpu).length > 0).map(cpuOf);
    const names = [...new Set(samples.flatMap(({ more }) => Object.keys(more)))];
    return {
      peer,
      value: spread(samples.map(({ value }) => value)),
      ratios: against.map((base) => ratio(rounds, peer, base)),
      cpu: cpus.length === 0 ? undefined : median(cpus),
      cpuRatio: against[0] === undefined || cpus.length === 0 ? undefined : ratio(rounds, peer, against[0], cpuOf),
      more: Object.fromEntries(
        names.map((name) => [name, median(samples.map(({ more }) => more[name] ?? Number.NaN))]),
      ),
    };
  });
}

export function textReport(report: Report): string {
  const head = [...machineLines(report), ''];
  return [...head, ...report.sections.flatMap((section) => textSection(section))].join('\n');
}

export function markdownReport(report: Report): string {
  const head = machineLines(report).map((line) => `- ${line}`);
  return [...head, '', ...report.sections.flatMap((section) => markdownSection(section))].join('\n');
}

function machineLines({ machine, plan, minutes, startedAt }: Report): string[] {
  const { cores, cpu, memoryGiB, disk, kernel, versions } = machine;
  return [
    `${cores} cores (${cpu}), ${memoryGiB} GiB memory, recordings on ${disk}, ${kernel}`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
    `${plan.rounds} rounds${plan.quick ? ', --quick' : ''}, ${startedAt.slice(0, 10)}, ${minutes.toFixed(0)} min`,
  ];
}

function textSection({ title, cases, notes, failed }: SectionReport): string[] {
  return [
    title,
    '='.repeat(title.length),
    ...cases.flatMap((one) => ['', ...caseHead(one), ...table(headings(one), rowsOf(one))]),
    ...notes.flatMap((note) => ['', note]),
    ...(failed === undefined ? [] : ['', `NOT MEASURED TO ITS END: ${failed}`]),
    '',
  ];
}

function markdownSection({ title, cases, notes, failed }: SectionReport): string[] {
  const of = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    `### ${title}`,
    ...cases.flatMap((one) => {
      const [name, ...marks] = caseHead(one);
      const titles = headings(one);
      const rule = of(titles.map((_, i) => (i === 0 ? '---' : '---:')));
      return [
        '',
        `**${name}**${marks.map((mark) => ` (${mark})`).join('')}`,
        '',
        of(titles),
        rule,
        ...rowsOf(one).map(of),
      ];
    }),
    ...notes.flatMap((note) => ['', '```', note, '```']),
    ...(failed === undefined ? [] : ['', '**Not measured to its end:**', '', '```', failed, '```']),
    '',
  ];
}

function caseHead({ name, unit, better, rounds, noisyRounds }: CaseResult): string[] {
  const head = `${name}: ${unit}, ${better} is better`;
  return noisyRounds === 0 ? [head] : [head, `~ ${noisyRounds} of ${rounds.length} rounds noisy`];
}

function headings(one: CaseResult): string[] {
  const lines = linesOf(one);
  return [
    'peer',
    one.unit,
    'min-max',
    ...one.against.filter((_, i) => lines.some(({ ratios }) => ratios[i])).map((base) => `/ ${base}`),
    ...(lines.some(({ cpu }) => cpu !== undefined)
      ? [`µs CPU / ${one.work ?? 'unit'}`, `CPU / ${one.against[0]}`]
      : []),
    ...moreNames(lines),
  ];
}

function rowsOf(one: CaseResult): string[][] {
  const lines = linesOf(one);
  const bases = one.against.flatMap((_, i) => (lines.some(({ ratios }) => ratios[i]) ? [i] : []));
  const hasCpu = lines.some(({ cpu }) => cpu !== undefined);
  return lines.map(({ peer, value, ratios, cpu, cpuRatio, more }) => [
    peer,
    figure(value.median),
    `${figure(value.min)}-${figure(value.max)}`,
    ...bases.map((i) => ratioText(ratios[i])),
    ...(hasCpu ? [cpu === undefined ? '' : figure(cpu), ratioText(cpuRatio)] : []),
    ...moreNames(lines).map((name) => (more[name] === undefined ? '' : figure(more[name]))),
  ]);
}

function moreNames(lines: readonly Line[]): string[] {
  return [...new Set(lines.flatMap(({ more }) => Object.keys(more)))];
}

function ratioText(one: Spread | undefined): string {
  if (one === undefined) return '';
  return `${one.median.toFixed(2)} (${one.min.toFixed(2)}-${one.max.toFixed(2)})`;
}

/** Three digits that count. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(titles), ...rows.map(line)];
}

const SHOWN = 12;

/** The largest shares, one a line, below what they are in all. */
export function shareTable(
  shares: readonly Share[],
  unit: string,
  mark: (amount: number) => string = () => '',
): string {
  const total = shares.reduce((sum, { amount }) => sum + amount, 0);
  const line = (amount: number, text: string) => `  ${figure(amount).padStart(8)}  ${text}`;
  return [
    line(total, `${unit}, in all`),
    ...shares.slice(0, SHOWN).map(({ where, amount }) => line(amount, `${where}${mark(amount)}`)),
  ].join('\n');
}
