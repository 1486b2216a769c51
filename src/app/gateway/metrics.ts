/** Counters and gauges of one gateway, for Prometheus. Labels are target names and codes only: nothing a client can choose. */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { GatewayStats } from '../../gateway/index.ts';

export interface Metrics {
  readonly stats: GatewayStats;
  /** The text exposition format. */
  render(): Promise<{ type: string; text: string }>;
}

export interface Gauges {
  sessions(): number;
  runs(): number;
  /** Of each target that was reached. */
  catalogs(): readonly { readonly target: string; readonly ageMs: number; readonly outdated: boolean }[];
}

export function createMetrics(gauges: Gauges): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  const commands = new Counter({
    name: 'hoop_commands_total',
    help: 'commands let through',
    labelNames: ['target'],
    registers,
  });
  const refused = new Counter({
    name: 'hoop_refused_total',
    help: 'turns refused',
    labelNames: ['target', 'code'],
    registers,
  });
  const held = new Counter({ name: 'hoop_held_total', help: 'approval requests', labelNames: ['target'], registers });
  const rows = new Counter({
    name: 'hoop_rows_total',
    help: 'rows sent to clients',
    labelNames: ['target'],
    registers,
  });
  const masked = new Counter({
    name: 'hoop_masked_cells_total',
    help: 'values masked in results',
    labelNames: ['target'],
    registers,
  });
  const outcomes = new Counter({
    name: 'hoop_outcomes_total',
    help: 'outcomes of commands',
    labelNames: ['target', 'state'],
    registers,
  });
  gauge('hoop_sessions', 'sessions open now', gauges.sessions);
  gauge('hoop_runs', 'runs alive now', gauges.runs);
  ofTargets('hoop_catalog_age_seconds', "since a target's definitions were read", ({ ageMs }) => ageMs / 1000);
  ofTargets(
    'hoop_catalog_outdated',
    "1 while a target's definitions are not all known as they are now: they could not be read again, or something was locked",
    ({ outdated }) => (outdated ? 1 : 0),
  );

  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  function ofTargets(name: string, help: string, value: (of: ReturnType<Gauges['catalogs']>[number]) => number): void {
    new Gauge({
      name,
      help,
      labelNames: ['target'],
      registers,
      collect() {
        for (const one of gauges.catalogs()) this.set({ target: one.target }, value(one));
      },
    });
  }

  return {
    stats: {
      permitted: (target, count) => commands.inc({ target }, count),
      refused: (target, code) => refused.inc({ target, code }),
      held: (target) => held.inc({ target }),
      settled(target, { state, rows: count, maskedCells }) {
        outcomes.inc({ target, state });
        if (count) rows.inc({ target }, count);
        if (maskedCells) masked.inc({ target }, maskedCells);
      },
    },
    render: async () => ({ type: register.contentType, text: await register.metrics() }),
  };
}
