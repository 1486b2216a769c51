/**
 * Spans of sessions and commands for whoever traces agents (OpenTelemetry, over OTLP/HTTP), made from the events that are recorded: below the run's own
 * span, which the agent finds in TRACEPARENT. Names, counts and verdicts; never a text, a parameter or a row.
 *
 * Configured as OpenTelemetry says, by OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. No command waits for it: what the collector
 * does not take in time is dropped.
 */
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { SessionEnd } from '../../domain/end.ts';
import type { Recordings, SessionEvent } from '../../domain/recording.ts';
import { type Opened, observed, type SessionObserver } from './observed.ts';

export interface Spans {
  /** The same recordings, watched. */
  watch(recordings: Recordings): Recordings;
  /** Sends what is left, for a few seconds at most. */
  close(): Promise<void>;
}

export interface SpansParts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly gatewayId: string;
}

/** Undefined where no collector is named. */
export async function createSpans({ env, version, gatewayId }: SpansParts): Promise<Spans | undefined> {
  const url = collectorOf(env);
  if (url === undefined) return undefined;
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: PATIENCE_MS });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': env['OTEL_SERVICE_NAME'] || 'hoopctl-gateway',
      'service.version': version,
      'service.instance.id': gatewayId,
    }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: 1_000 })],
  });
  const tracer = provider.getTracer('hoopctl', version);
  return {
    watch: (recordings) => observed(recordings, (opened) => new SessionSpans(tracer, opened)),
    close: () => provider.shutdown().catch(() => {}),
  };
}

/** How long a collector may take. */
const PATIENCE_MS = 3_000;

function collectorOf(env: SpansParts['env']): string | undefined {
  if (env['OTEL_SDK_DISABLED'] === 'true') return undefined;
  const own = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'];
  if (own) return own;
  const base = env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  return base ? `${base.replace(/\/+$/, '')}/v1/traces` : undefined;
}

/** One session's span, and one for each of its commands that is not over. */
class SessionSpans implements SessionObserver {
  readonly #tracer: Tracer;
  readonly #session: Span;
  readonly #below: Context;
  readonly #system: string;
  readonly #commands = new Map<string, Span>();

  constructor(tracer: Tracer, opened: Opened) {
    this.#tracer = tracer;
    this.#system = opened.protocol === 'postgres' ? 'postgresql' : opened.protocol;
    const attributes: Attributes = {
      'hoop.session': opened.session,
      'hoop.run': opened.run,
      'hoop.target': opened.target,
      'enduser.id': opened.principal.name,
      ...(opened.agent && {
        'hoop.agent': opened.agent.name,
        'hoop.agent.registered': opened.agent.kind === 'registered',
      }),
      'db.system.name': this.#system,
    };
    this.#session = tracer.startSpan(
      `session ${opened.target}`,
      { kind: SpanKind.SERVER, attributes },
      parentOf(opened.trace),
    );
    this.#below = trace.setSpan(ROOT_CONTEXT, this.#session);
  }

  take(events: readonly SessionEvent[]): void {
    for (const event of events) this.#take(event);
  }

  #take(event: SessionEvent): void {
    switch (event.type) {
      case 'verdict':
        return this.#judged(event);
      case 'approval.requested':
        this.#commands
          .get(event.command)
          ?.addEvent('approval requested', { 'hoop.approval': event.approval, 'hoop.rule': event.rule });
        return;
      case 'approval.decided':
        return this.#decided(event);
      case 'command':
        // The gateway's own have no verdict.
        if (!this.#commands.has(event.command))
          this.#start(event.command, `gateway's own statement`, { 'hoop.by': event.by });
        return;
      case 'outcome':
        return this.#over(event);
    }
  }

  over({ kind }: SessionEnd): void {
    for (const span of this.#commands.values())
      span.setStatus({ code: SpanStatusCode.ERROR, message: 'unknown' }).end();
    this.#commands.clear();
    this.#session.setAttribute('hoop.end', kind).end();
  }

  #judged(event: Extract<SessionEvent, { type: 'verdict' }>): void {
    const statement = event.facts['postgres.statement'];
    const span = this.#start(event.command, typeof statement === 'string' ? statement : event.effects.join(' '), {
      'hoop.verdict': event.verdict,
      'hoop.rules': [...event.rules],
      'hoop.effects': [...event.effects],
      'hoop.resources': event.resources.map(({ name }) => name),
    });
    if (event.verdict !== 'deny') return;
    span.setStatus({ code: SpanStatusCode.ERROR, message: event.code ?? 'HOOP_DENIED' }).end();
    this.#commands.delete(event.command);
  }

  #decided({ command, approval, decision }: Extract<SessionEvent, { type: 'approval.decided' }>): void {
    const span = this.#commands.get(command);
    span?.addEvent(`approval ${decision}`, { 'hoop.approval': approval });
    if (decision === 'approved') return;
    span?.setStatus({ code: SpanStatusCode.ERROR, message: decision }).end();
    this.#commands.delete(command);
  }

  #over({ command, state, rows, bytes, maskedCells, code }: Extract<SessionEvent, { type: 'outcome' }>): void {
    const span = this.#commands.get(command);
    if (!span) return;
    this.#commands.delete(command);
    span.setAttribute('hoop.outcome', state);
    if (rows !== undefined) span.setAttribute('db.response.returned_rows', rows);
    if (bytes !== undefined) span.setAttribute('hoop.bytes', bytes);
    if (maskedCells) span.setAttribute('hoop.masked_cells', maskedCells);
    if (code !== undefined) span.setAttribute('db.response.status_code', code);
    if (state !== 'completed') span.setStatus({ code: SpanStatusCode.ERROR, message: code ?? state });
    span.end();
  }

  #start(command: string, name: string, attributes: Attributes): Span {
    const more = { 'hoop.command': command, 'db.system.name': this.#system };
    const span = this.#tracer.startSpan(
      name,
      { kind: SpanKind.CLIENT, attributes: { ...more, ...attributes } },
      this.#below,
    );
    this.#commands.set(command, span);
    return span;
  }
}

function parentOf(traceParent: string | undefined): Context {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceParent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & 1,
    isRemote: true,
  });
}
