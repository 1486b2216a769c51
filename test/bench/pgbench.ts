/** Runs pgbench against a peer and reads what it reports. */
import { requireServer } from '../fakes/servers.ts';
import type { Address } from './peers/peer.ts';
import { done } from './processes.ts';
import type { Reading } from './rounds.ts';

export interface PgbenchOptions {
  /** `['-b', 'select-only']`, `['-f', FILE]` */
  readonly script: readonly string[];
  readonly protocol: 'simple' | 'extended' | 'prepared';
  readonly clients: number;
  readonly seconds: number;
  /** A new connection for each transaction. */
  readonly connect?: boolean;
}

export async function pgbench(address: Address, options: PgbenchOptions): Promise<Reading> {
  for (let seconds = options.seconds; ; ) {
    const began = performance.now();
    const report = await run(address, { ...options, seconds });
    const logins = loginSeconds(report);
    // On a machine that is busy with others the logins may take most of a short time, which is then none to judge by.
    if (logins < seconds / 2 || seconds > LONGEST_SECONDS)
      return { ...readReport(report), from: began + logins * 1000 };
    seconds = options.seconds + Math.ceil(logins);
  }
}

const LONGEST_SECONDS = 30;

/** All of the time, where pgbench did not get to tell. */
function loginSeconds(report: string): number {
  if (/actually processed: 0\n/.test(report)) return Number(/^duration: (\d+) s/m.exec(report)?.[1] ?? 0);
  return Number(/^initial connection time = ([\d.]+) ms/m.exec(report)?.[1] ?? 0) / 1000;
}

function run(
  address: Address,
  { script, protocol, clients, seconds, connect = false }: PgbenchOptions,
): Promise<string> {
  const args = [
    ...['-n', '-h', address.host, '-p', String(address.port), '-U', address.user],
    ...['-M', protocol, '-c', String(clients), '-j', String(Math.min(2, clients)), '-T', String(seconds)],
    ...(connect ? ['-C'] : []),
    ...script,
    address.database,
  ];
  const env = { PGPASSWORD: address.password, PGSSLMODE: 'disable', PGGSSENCMODE: 'disable' };
  return done(requireServer('postgresql')['pgbench'] as string, args, { env });
}

/** @throws where a client was cut off or statements failed: a figure of those who were left is none */
export function readReport(text: string): Reading {
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  const rate = number(/^tps = ([\d.]+)/m);
  const transactions = number(/^number of transactions actually processed: (\d+)/m);
  const failed = number(/^number of failed transactions: (\d+)/m);
  if (!(rate > 0) || failed > 0 || /aborted/.test(text))
    throw new Error(`pgbench did not finish:\n${text.slice(-2_000)}`);
  return { value: rate, work: transactions, more: { latencyMs: number(/^latency average = ([\d.]+) ms/m) } };
}
