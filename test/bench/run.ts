/** `npm run bench`: the ladder from nothing in between to hoopctl, measured side by side. Results to stdout, progress to stderr. */
import { writeFile } from 'node:fs/promises';
import { findServer, installCommand, type ServerName } from '../../bin/setup/servers.js';
import { NOISY } from './arithmetic.ts';
import { figure, markdownReport, type Report, type SectionReport, textReport } from './report.ts';
import { createLadders } from './ladder.ts';
import { describeMachine } from './machine.ts';
import { type BenchOptions, readOptions } from './options.ts';
import { type CaseResult, measureCase } from './rounds.ts';
import { SECTIONS } from './sections/index.ts';
import type { Bench, Section } from './sections/section.ts';
import { openWorld } from './world.ts';

const SERVERS: readonly ServerName[] = [
  'postgresql',
  'postgresql-client',
  'pgbouncer',
  'haproxy',
  'stunnel4',
  'openssh-server',
  'openssh-client',
  'nginx',
];

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // Asked twice: now. What was started is killed on the way out.
    if (stop.signal.aborted) process.exit(130);
    say('ending');
    stop.abort(new Error('interrupted'));
  });

const exitCode = await main(process.argv.slice(2));
// What was interrupted may still be waiting for something; it is not waited for.
if (stop.signal.aborted) process.exit(exitCode);
process.exitCode = exitCode;

async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = readOptions(
      args,
      SECTIONS.map(({ name }) => name),
    );
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  const missing = SERVERS.filter((name) => findServer(name) === undefined);
  if (missing.length > 0) {
    console.error(`not installed: ${missing.join(', ')}; as root run: ${installCommand(missing)}`);
    return 1;
  }
  const report = await measure(options);
  await publish(report, options);
  if (stop.signal.aborted) return 130;
  return report.sections.some(({ failed }) => failed !== undefined) ? 1 : 0;
}

/** What could be measured: a section that fails, or an interruption, does not take with it what stands. */
async function measure({ plan, only }: BenchOptions): Promise<Report> {
  const chosen = SECTIONS.filter(({ name }) => only.length === 0 || only.includes(name));
  const began = Date.now();
  const machine = describeMachine();
  await using world = await openWorld(say);
  await using ladders = createLadders(world);
  const sections: SectionReport[] = [];
  const seconds = (list: readonly Section[]) => list.reduce((sum, section) => sum + section.seconds(plan), 0);
  const sectionsBegan = Date.now();
  for (const [i, section] of chosen.entries()) {
    if (stop.signal.aborted) break;
    // A slow machine takes longer than was thought, for all of it alike.
    const slower = i === 0 ? 1 : (Date.now() - sectionsBegan) / 1000 / seconds(chosen.slice(0, i));
    say(`${section.title} (about ${clock(seconds(chosen.slice(i)) * Math.max(1, slower))} left)`);
    sections.push(await runSection(section, { world, ladders, plan }));
  }
  const minutes = (Date.now() - began) / 60_000;
  return { machine, plan, startedAt: new Date(began).toISOString(), minutes, sections };
}

async function runSection(section: Section, ground: Pick<Bench, 'world' | 'ladders' | 'plan'>): Promise<SectionReport> {
  const cases: CaseResult[] = [];
  const notes: string[] = [];
  const bench: Bench = {
    ...ground,
    signal: stop.signal,
    note: (text) => void notes.push(text),
    async compare(list, ladder, rounds = ground.plan.rounds) {
      for (const one of list)
        cases.push(
          await measureCase(one, {
            ...{ section: section.name, rounds, signal: stop.signal },
            peer: (name) => ladder?.peers.get(name),
            onSample: (peer, round, { value, others }) =>
              say(
                `  ${one.name} [${round + 1}/${rounds}] ${peer}: ${figure(value)} ${one.unit}${others > NOISY ? ` ~ ${figure(others * 100)}% of the machine was busy with others` : ''}`,
              ),
          }),
        );
    },
  };
  const { name, title } = section;
  try {
    await section.run(bench);
    return { name, title, cases, notes };
  } catch (error) {
    const failed = error instanceof Error ? error.message : String(error);
    say(`${name}: ${failed}`);
    return { name, title, cases, notes, failed };
  }
}

async function publish(report: Report, { json, markdown }: BenchOptions): Promise<void> {
  const text = `${JSON.stringify(report, undefined, 1)}\n`;
  if (json === '-') return void process.stdout.write(text);
  if (json !== undefined) await writeFile(json, text);
  process.stdout.write(`${markdown ? markdownReport(report) : textReport(report)}\n`);
}

function say(line: string): void {
  console.error(`bench: ${line}`);
}

function clock(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
