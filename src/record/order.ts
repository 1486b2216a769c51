/**
 * The order in which the events of one command must stand: `verdict`, `approval.requested` and `approval.decided`, `command`, `result`, `outcome`.
 *
 * A recording in another order cannot have been made by the gate, which writes the verdict before it asks people and the intent before it forwards.
 */

interface CommandState {
  stage: number;
  refused: boolean;
}

const SENT = 2;

const STAGES: ReadonlyMap<string, number> = new Map([
  ['verdict', 0],
  ['approval.requested', 1],
  ['approval.decided', 1],
  ['command', SENT],
  ['result', 3],
  ['outcome', 4],
]);

const AT_MOST_ONCE: ReadonlySet<string> = new Set(['verdict', 'command', 'outcome']);

// Commands that never get an outcome (refused while others of their turn were not) would otherwise be remembered for ever.
const REMEMBERED = 100_000;

/** An event as read back, not trusted to have any shape. */
export interface RawEvent {
  readonly type?: unknown;
  readonly [key: string]: unknown;
}

export class CommandOrder {
  readonly #commands = new Map<string, CommandState>();
  #forgot = false;

  /** @returns what is wrong with this event where it stands; undefined when nothing is */
  take(event: RawEvent): string | undefined {
    const { type, command } = event;
    const stage = typeof type === 'string' ? STAGES.get(type) : undefined;
    if (typeof type !== 'string' || stage === undefined) return undefined;
    if (typeof command !== 'string') return `${type} names no command`;
    const known = this.#commands.get(command);
    const wrong = known ? follows(type, stage, known, command) : this.#begins(event, command);
    if (!wrong) this.#remember(event, command, stage, known);
    return wrong;
  }

  /** Commands that were sent and have no outcome, in the order they came. */
  get inFlight(): readonly string[] {
    return [...this.#commands].flatMap(([command, { stage }]) => (stage >= SENT ? [command] : []));
  }

  #begins(event: RawEvent, command: string): string | undefined {
    if (event.type === 'verdict' || this.#forgot) return undefined;
    if (event.type === 'command') {
      return event.by === 'gateway' ? undefined : `command ${command} was sent without a verdict`;
    }
    // A decision may come after its session gave the command up: the retry uses it under an id of its own.
    if (event.type === 'approval.decided') return undefined;
    return `${event.type} of command ${command} without what comes before it`;
  }

  #remember(event: RawEvent, command: string, stage: number, known: CommandState | undefined): void {
    if (event.type === 'outcome' || (event.type === 'verdict' && event.verdict === 'deny')) {
      this.#commands.delete(command);
      return;
    }
    const refused = (known?.refused ?? false) || (event.type === 'approval.decided' && event.decision !== 'approved');
    if (known) {
      known.stage = stage;
      known.refused = refused;
    } else {
      this.#commands.set(command, { stage, refused });
      if (this.#commands.size > REMEMBERED) this.#forget();
    }
  }

  #forget(): void {
    this.#forgot = true;
    const [oldest] = this.#commands.keys();
    if (oldest !== undefined) this.#commands.delete(oldest);
  }
}

function follows(type: string, stage: number, known: CommandState, command: string): string | undefined {
  if (stage < known.stage) return `${type} of command ${command} comes too late`;
  if (stage === known.stage && AT_MOST_ONCE.has(type)) return `${type} of command ${command} comes twice`;
  if (type === 'command' && known.refused) return `command ${command} was sent though it was not approved`;
  if ((type === 'result' || type === 'outcome') && known.stage < SENT) {
    return `${type} of command ${command}, which was not sent`;
  }
  return undefined;
}
