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
  /** Of each receiver of events. */
  events?(): readonly {
    readonly sink: string;
    readonly queued: number;
    readonly delivered: number;
    readonly dropped: number;
    readonly refused: number;
  }[];
  /** Of each target that was reached. */
  catalogs(): readonly { readonly target: string; readonly ageMs: number; readonly outdated: boolean }[];
}

export function createMetrics(gauges: Gauges): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  const commands = tally('hoop_commands_total', 'commands let through', 'target');
  const refused = new Counter({
    name: 'hoop_refused_total',
    help: 'turns refused',
    labelNames: ['target', 'code'],
    registers,
  });
  const held = new Counter({ name: 'hoop_held_total', help: 'approval requests', labelNames: ['target'], registers });
  const rows = tally('hoop_rows_total', 'rows sent to clients', 'target');
  const masked = tally('hoop_masked_cells_total', 'values masked in results', 'target');
  const outcomes = tally('hoop_outcomes_total', 'outcomes of commands', 'target', 'state');
  gauge('hoop_sessions', 'sessions open now', gauges.sessions);
  gauge('hoop_runs', 'runs alive now', gauges.runs);
  ofTargets('hoop_catalog_age_seconds', "since a target's definitions were read", ({ ageMs }) => ageMs / 1000);
  ofTargets(
    'hoop_catalog_outdated',
    "1 while a target's definitions are not all known as they are now: they could not be read again, or something was locked",
    ({ outdated }) => (outdated ? 1 : 0),
  );

  ofSinks('hoop_events_queued', 'events that wait for a receiver', ({ queued }) => queued);
  ofSinks('hoop_events_delivered', 'events delivered since the start', ({ delivered }) => delivered);
  ofSinks(
    'hoop_events_dropped',
    'events dropped since the start: the queue was full or damaged',
    ({ dropped }) => dropped,
  );
  ofSinks('hoop_events_refused', 'events a receiver does not take, since the start', ({ refused }) => refused);

  /** What every command counts: a look into two maps, and the library's own counting only when somebody asks. */
  function tally(name: string, help: string, first: string, second?: string) {
    const counts = new Map<string, Map<string, number>>();
    new Counter({
      name,
      help,
      labelNames: second === undefined ? [first] : [first, second],
      registers,
      collect() {
        for (const [one, others] of counts)
          for (const [other, count] of others)
            this.inc(second === undefined ? { [first]: one } : { [first]: one, [second]: other }, count);
        counts.clear();
      },
    });
    return (one: string, other: string, count: number) => {
      const others = counts.get(one) ?? new Map<string, number>();
      if (others.size === 0) counts.set(one, others);
      others.set(other, (others.get(other) ?? 0) + count);
    };
  }

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

  type SinkGauges = NonNullable<ReturnType<NonNullable<Gauges['events']>>>[number];

  function ofSinks(name: string, help: string, value: (of: SinkGauges) => number): void {
    new Gauge({
      name,
      help,
      labelNames: ['sink'],
      registers,
      collect() {
        for (const one of gauges.events?.() ?? []) this.set({ sink: one.sink }, value(one));
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
      permitted: (target, count) => commands(target, '', count),
      refused: (target, code) => refused.inc({ target, code }),
      held: (target) => held.inc({ target }),
      settled(target, { state, rows: count, maskedCells }) {
        outcomes(target, state, 1);
        if (count) rows(target, '', count);
        if (maskedCells) masked(target, '', maskedCells);
      },
    },
    render: async () => ({ type: register.contentType, text: await register.metrics() }),
  };
}
