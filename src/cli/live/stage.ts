/**
 * The terminal beside an agent: what it prints, whole lines as they come, and below them one line about the run and what waits for the person.
 *
 * Drawn on standard error, never on the alternate screen. Keys are read only while something is asked, and only in front: a job in the background neither
 * draws nor asks. Whatever ends us, the cursor is shown and the terminal's modes are back.
 */
import type { RunStage, StagePlay } from '../../app/run-stage.ts';
import type { Cancel } from '../../base/clock.ts';
import type { Context } from '../context.ts';
import { createOutput, type Output } from '../output.ts';
import { ApprovalPrompt } from './approval-prompt.ts';
import { isInFront } from './foreground.ts';
import type { Frame } from './frame.ts';
import { readKeys, type SignalKey } from './keys.ts';
import { createLineCutter } from './lines.ts';
import { statusLine } from './status-line.ts';
import { calm, PLAIN_TERMINAL, tame } from './tame.ts';
import { createTerminal, type Terminal } from './terminal.ts';

export interface TerminalStage extends RunStage {
  /** What hoopctl itself says, between the agent's lines. */
  readonly out: Output;
}

export interface StageOptions {
  readonly decides: boolean;
  readonly both: boolean;
}

export function createStage(ctx: Context, options: StageOptions): TerminalStage {
  return new Stage(ctx, options);
}

const TICK_MS = 1_000;
/** An agent that is over before is not worth a status line, nor the time it takes to load what draws it. */
const LOAD_AFTER_MS = 400;
/** A terminal that is this far behind (Ctrl-S, a slow link) is not drawn on. */
const FAR_BEHIND = 64 * 1024;
/** In which a signal that came before a key is heard of; too short to be felt. */
const HEARD_MS = 30;
const NEWLINE = 10;
const BELL = '\x07';

class Stage implements TerminalStage {
  readonly decides: boolean;
  readonly both: boolean;
  readonly colour: boolean;
  readonly out: Output;
  readonly #ctx: Context;
  readonly #terminal: Terminal;
  readonly #lines = createLineCutter();
  readonly #prompt: ApprovalPrompt;
  readonly #timers: Cancel[] = [];
  /** Waiting in the background, and told so. */
  readonly #told = new Set<string>();
  #play: StagePlay | undefined;
  #frame: Frame | 'loading' | 'broken' | undefined;
  /** Rows are on the screen. */
  #drawn = false;
  #asking = false;
  #suspended = false;
  /** The agent printed part of a line that is too long to wait for. */
  #midLine = false;

  constructor(ctx: Context, { decides, both }: StageOptions) {
    this.#ctx = ctx;
    this.decides = decides;
    this.both = both;
    this.colour = ctx.out.colour('stderr');
    this.#terminal = createTerminal(2, () => ctx.stderr);
    const { clock, stdout, env, globals } = ctx;
    this.out = createOutput({ stdout, env, ...globals, stderr: this.#asStream() });
    this.#prompt = new ApprovalPrompt({
      clock,
      answer: async (shown, answer) => this.#play?.answer(shown, answer),
      changed: () => this.#draw(),
    });
  }

  show(play: StagePlay): void {
    this.#play = play;
    this.#ctx.stderr.on('resize', this.#draw);
    process.once('exit', this.#leave);
    this.#at(LOAD_AFTER_MS, () => void this.#load());
    this.#tick();
  }

  changed(): void {
    this.#draw();
  }

  async write(chunk: Buffer): Promise<void> {
    const bytes = this.#lines.push(chunk);
    if (bytes.length > 0) this.#print(bytes);
    await this.#terminal.drained();
  }

  suspend(): void {
    this.#suspended = true;
    this.#clear();
    this.#terminal.flush();
  }

  resume(): void {
    // Stopped without notice (SIGSTOP): the terminal's modes may be the shell's by now, and what was typed meanwhile was not typed for us.
    if (!this.#suspended) this.#clear();
    this.#suspended = false;
    this.#draw();
  }

  over(): void {
    if (this.#play === undefined) return;
    this.#play = undefined;
    for (const cancel of this.#timers.splice(0)) cancel();
    this.#ctx.stderr.off('resize', this.#draw);
    this.#clear();
    process.off('exit', this.#leave);
  }

  async close(): Promise<void> {
    this.over();
    const rest = this.#lines.rest();
    this.#terminal.write(calm(rest));
    // What hoopctl says next begins a line of its own.
    if (this.#midLine || rest.length > 0) this.#terminal.write('\n');
    this.#midLine = false;
    await this.#terminal.drained();
  }

  #tick(): void {
    this.#draw();
    this.#at(TICK_MS, () => this.#tick());
  }

  #at(ms: number, fn: () => void): void {
    // Those that fired are harmless to cancel, and few: the list is made anew each second.
    this.#timers.splice(0, Math.max(0, this.#timers.length - 2));
    this.#timers.push(this.#ctx.clock.after(ms, () => this.#play !== undefined && fn()));
  }

  async #load(): Promise<void> {
    if (this.#frame !== undefined) return;
    this.#frame = 'loading';
    try {
      const { createFrame } = await import('./frame.ts');
      const { stdin, stderr: window } = this.#ctx;
      this.#frame = createFrame(this.#terminal, { stdin, window, colour: this.colour });
      this.#draw();
    } catch (error) {
      this.#frame = 'broken';
      this.out.warn(`nothing can be drawn here, so nothing can be approved here: ${String(error)}`);
    }
  }

  readonly #draw = (): void => {
    if (this.#play === undefined || this.#suspended) return;
    this.#prompt.show(this.#play.waiting());
    if (!isInFront()) return this.#fromBehind();
    if (this.#prompt.active) void this.#load();
    if (typeof this.#frame !== 'object' || (this.#terminal.behind > FAR_BEHIND && !this.#prompt.active)) return;
    if (this.#prompt.active !== this.#asking) this.#ask(this.#prompt.active);
    if (this.#midLine && !this.#endLine()) return;
    const { columns, rows } = this.#terminal;
    const asked = this.#prompt.asks;
    // One row less than there are: a frame that fills the screen would have to be cleared with everything on it.
    const above = this.#prompt.rows({ columns, rows: Math.max(2, rows - 2) });
    const shown = this.#ctx.globals.quiet ? above : [...above, this.#status(this.#play)];
    if (shown.length === 0) return this.#hideFrame();
    this.#frame.draw(shown);
    this.#drawn = true;
    if (asked !== undefined) void this.#terminal.drained().then(() => this.#prompt.seen(asked));
  };

  #status({ run, targets, counts }: StagePlay) {
    const left = Date.parse(run.deadline) - this.#ctx.clock.now();
    return statusLine({ run: run.id, targets, left, ...counts() }, this.#terminal.columns);
  }

  #fromBehind(): void {
    this.#clear();
    for (const { id } of this.#play?.waiting() ?? []) {
      if (this.#told.has(id)) continue;
      this.#told.add(id);
      this.out.notice(`${id} waits for you: bring hoopctl to the front (fg) to answer`);
    }
  }

  #ask(asking: boolean): void {
    this.#asking = asking;
    if (!asking) return this.#keys('off');
    // What the agent left the terminal in must not change how the request looks.
    this.#above(PLAIN_TERMINAL + BELL);
    this.#keys('on');
  }

  /** @returns whether rows may be drawn: what is asked does not wait for the end of a line */
  #endLine(): boolean {
    if (!this.#asking) return false;
    this.#terminal.write('\n');
    this.#midLine = false;
    return true;
  }

  #print(bytes: Buffer): void {
    const ends = bytes.at(-1) === NEWLINE;
    if (this.#asking) return this.#above(ends ? tame(bytes) : `${tame(bytes)}\n`);
    if (ends && !this.#midLine) return this.#above(calm(bytes));
    this.#hideFrame();
    this.#terminal.write(calm(bytes));
    this.#midLine = !ends;
    if (ends) this.#draw();
  }

  #above(bytes: string | Uint8Array): void {
    if (typeof this.#frame === 'object' && this.#drawn) this.#frame.above(bytes);
    else this.#terminal.write(bytes);
  }

  /** Nothing of ours is left on the screen, and keys are the terminal's own again. */
  #clear(): void {
    if (this.#asking) this.#keys('off');
    this.#asking = false;
    this.#prompt.hide();
    this.#hideFrame();
  }

  #hideFrame(): void {
    if (typeof this.#frame === 'object' && this.#drawn) this.#frame.hide();
    this.#drawn = false;
  }

  readonly #leave = (): void => {
    this.#clear();
    this.#terminal.flush();
  };

  #keys(which: 'on' | 'off'): void {
    const { stdin } = this.#ctx;
    try {
      // Once off: whoever had the terminal meanwhile may have changed what is taken for set. Not from behind, where the kernel would stop us for it.
      if (isInFront()) stdin.setRawMode(false);
      if (which === 'on') stdin.setRawMode(true);
    } catch {
      // The terminal is gone, and its keys with it.
    }
    if (which === 'on') {
      stdin.on('data', this.#typed);
      stdin.resume();
    } else {
      stdin.off('data', this.#typed);
      stdin.pause();
    }
  }

  readonly #typed = (chunk: Buffer | string): void => {
    const { keys, signals } = readKeys(String(chunk));
    for (const signal of signals) toEverythingInFront(signal);
    if (signals.length > 0) return;
    // What was typed while we were stopped is read before we hear that we go on (libuv serves signals last), and was typed for somebody else.
    this.#ctx.clock.after(HEARD_MS, () => {
      if (this.#asking) for (const key of keys) this.#prompt.key(key);
    });
  };

  #asStream(): NodeJS.WriteStream {
    const terminal = this.#terminal;
    const stream = {
      isTTY: true,
      get columns() {
        return terminal.columns;
      },
      write: (text: string) => {
        if (this.#midLine) this.#terminal.write('\n');
        this.#midLine = false;
        this.#above(text);
        return true;
      },
    };
    return stream as unknown as NodeJS.WriteStream;
  }
}

/** As the terminal itself does it where it is not in raw mode: to the whole group, of which the agent's own hears through us (kill(2), pid 0). */
function toEverythingInFront(signal: SignalKey): void {
  process.kill(0, signal);
}
