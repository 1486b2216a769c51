/**
 * What the person who launched a run may decide in the launching terminal (`proof: launcher`): the requests that wait, and their answers.
 *
 * The proof is 256 random bits that live in this process and nowhere else. The gateway knows their hash since the run began; the bits travel only with a
 * decision, beside the launcher's own login. What is decided is what was shown: the digest goes with it, and a request that changed meanwhile is refused.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { GatewayClient } from '../api/client.ts';
import type { ApprovalView } from '../api/shapes.ts';
import type { Cancel, Clock } from '../base/clock.ts';
import { HoopError } from '../base/error.ts';
import { Token } from '../base/secret.ts';
import type { RunHappening } from './run-open.ts';
import { sentence } from './run-sentences.ts';

export interface LauncherKey {
  readonly nonce: Token;
  /** What the gateway is told: SHA-256 of the bits, base64url. */
  readonly key: string;
}

export function newLauncherKey(): LauncherKey {
  const bits = randomBytes(32);
  return {
    nonce: Token.of(bits.toString('base64url')),
    key: createHash('sha256').update(bits).digest('base64url'),
  };
}

export interface Answer {
  readonly decision: 'approve' | 'deny';
  readonly reason?: string | undefined;
}

/** What the person decided here. */
export interface Decided {
  readonly approval: string;
  readonly decision: 'approved' | 'denied';
  readonly target: string;
  readonly text: string;
}

export interface RunApprovals {
  /** Open requests, the oldest first. */
  readonly waiting: readonly ApprovalView[];
  readonly decided: readonly Decided[];
  /** @returns whether it is dealt with here; everything else is told as usual */
  hear(happening: RunHappening): boolean;
  /** Sends the answer to exactly what was shown. Resolves when it counts, or is told why it does not. */
  answer(shown: ApprovalView, answer: Answer): Promise<void>;
  close(): void;
}

export interface RunApprovalsOptions {
  readonly client: Pick<GatewayClient, 'approval' | 'approvals' | 'decide'>;
  readonly run: string;
  readonly nonce: Token;
  readonly clock: Clock;
  /** The list of waiting requests is another one now. */
  onChange(): void;
  say(text: string): void;
}

/** What the gateway may still say about a request whose time is over, before we go by our own clock. */
const GRACE_MS = 2_000;

export function runApprovals(options: RunApprovalsOptions): RunApprovals {
  return new Approvals(options);
}

class Approvals implements RunApprovals {
  readonly #options: RunApprovalsOptions;
  readonly #waiting = new Map<string, ApprovalView>();
  readonly #links = new Map<string, string>();
  readonly #expiry = new Map<string, Cancel>();
  readonly #mine = new Set<string>();
  readonly #stop = new AbortController();
  readonly decided: Decided[] = [];

  constructor(options: RunApprovalsOptions) {
    this.#options = options;
  }

  get waiting(): readonly ApprovalView[] {
    return [...this.#waiting.values()];
  }

  hear(happening: RunHappening): boolean {
    switch (happening.type) {
      case 'held':
        if (happening.decide !== 'launcher') return false;
        this.#links.set(happening.approval, sentence(happening) ?? '');
        void this.#look(happening.approval);
        return true;
      case 'decided':
        this.#forget(happening.approval);
        return this.#mine.has(happening.approval) && happening.decision !== 'withdrawn';
      case 'reconnected':
        void this.#lookAgain();
        return false;
      default:
        return false;
    }
  }

  async answer(shown: ApprovalView, { decision, reason }: Answer): Promise<void> {
    const { client, nonce, say } = this.#options;
    const { id, digest, target, text } = shown;
    this.#mine.add(id);
    const body = { decision, digest, launcherProof: nonce.expose(), ...(reason ? { reason } : {}) };
    try {
      await client.decide(id, body, { signal: this.#stop.signal });
    } catch (error) {
      this.#mine.delete(id);
      if (this.#stop.signal.aborted) return;
      say(`${id} was not ${PAST[decision]}: ${messageOf(error)}`);
      return this.#look(id);
    }
    this.decided.push({ approval: id, decision: PAST[decision], target, text });
    say(`you ${PAST[decision]} ${id} on ${target}${reason ? `: ${reason}` : ''}`);
    this.#forget(id);
  }

  close(): void {
    this.#stop.abort();
    for (const cancel of this.#expiry.values()) cancel();
    this.#expiry.clear();
    this.#waiting.clear();
  }

  /** Fetches the request as it is now; shows it where it is still ours to decide. */
  async #look(id: string): Promise<void> {
    const { client, say } = this.#options;
    try {
      const view = await client.approval(id, { signal: this.#stop.signal });
      if (this.#stop.signal.aborted) return;
      if (this.#isOurs(view)) return this.#show(view);
      if (view.state === 'open') say(this.#links.get(id) ?? `${id} is not yours to decide`);
      this.#forget(id);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      // What is on the screen already stays there: the gateway is the judge of what is sent.
      if (!this.#waiting.has(id)) say(`${this.#links.get(id) ?? id}: it could not be fetched: ${messageOf(error)}`);
    }
  }

  /** After an interruption anything may have happened to them unheard. */
  async #lookAgain(): Promise<void> {
    const { client } = this.#options;
    const open = await client.approvals({ state: 'open' }, this.#stop.signal).catch(() => undefined);
    if (open === undefined || this.#stop.signal.aborted) return;
    const ours = open.filter((view) => this.#isOurs(view));
    for (const id of [...this.#waiting.keys()]) if (!ours.some((view) => view.id === id)) this.#forget(id);
    for (const view of ours) this.#show(view);
  }

  #isOurs(view: ApprovalView): boolean {
    return view.run === this.#options.run && view.state === 'open' && view.proof === 'launcher' && view.mayDecide;
  }

  #show(view: ApprovalView): void {
    const { clock, say, onChange } = this.#options;
    this.#waiting.set(view.id, view);
    this.#expiry.get(view.id)?.();
    const expire = () => {
      if (!this.#waiting.has(view.id)) return;
      say(`${view.id} expired`);
      this.#forget(view.id);
    };
    this.#expiry.set(view.id, clock.after(Date.parse(view.expiresAt) - clock.now() + GRACE_MS, expire));
    onChange();
  }

  #forget(id: string): void {
    this.#expiry.get(id)?.();
    this.#expiry.delete(id);
    if (this.#waiting.delete(id)) this.#options.onChange();
  }
}

const PAST = { approve: 'approved', deny: 'denied' } as const;

function messageOf(error: unknown): string {
  if (error instanceof HoopError) return error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}
