/** `hoopctl sessions tail`: what happens in a session, as it happens, until the session is over. */
import type { GatewayClient } from '../api/client.ts';
import type { TailHappening } from '../app/session-tail.ts';
import { describeEnd, type SessionEnd } from '../domain/end.ts';
import type { Arguments, Options } from './command.ts';
import type { Context } from './context.ts';
import type { Progress } from './progress.ts';
import { fetched, identityOf, playerFor, tellSealed } from './replay.ts';
import { showLine } from './replay-line.ts';
import { agentName, seconds } from './wording.ts';

export async function tail(ctx: Context, args: Arguments, options: Options): Promise<number> {
  const { out, clock, signal } = ctx;
  const [{ tailEvents }, { client, login }] = await Promise.all([import('../app/session-tail.ts'), ctx.gateway()]);
  const view = await client.session(args.one('ID'), signal);
  if (view.state === 'live' && !out.json) {
    const agent = view.agent === undefined ? '' : `, agent ${agentName(view.agent)}`;
    const leaving = view.moderated
      ? 'what is moderated in it runs while you or another approver watches; Ctrl-C leaves it'
      : 'Ctrl-C leaves it as it is';
    out.notice(`following ${view.id}: ${view.principal} on ${view.target}${agent}; ${leaving}`);
  }
  if (view.state === 'live' && !options.has('from-start')) await tellHeld(ctx, client, view.id);
  const { openUnsealing, unsealed } = await import('../app/unsealing.ts');
  const identity = identityOf(ctx, options);
  const unsealer = await openUnsealing(identity, out.json);
  const tailed = tailEvents({
    client,
    session: view.id,
    from: options.has('from-start') ? 'start' : 'now',
    renewable: login.renewable,
    clock,
    signal,
    tell: (happening) => tellOf(ctx, happening),
  });
  // The key stands in the first line, which is not among those to come.
  const first = options.has('from-start') || identity === undefined ? undefined : await fetched(ctx, view.id, false);
  const events = unsealed(tailed, unsealer, first);
  const told = () => tellSealed(ctx, unsealer);
  return out.json ? asJson(ctx, view.id, events, told) : asText(ctx, options, events, told);
}

/** What is waited for now was asked before one began to look, and until people have decided nothing else would be seen. */
async function tellHeld({ out, signal }: Context, client: GatewayClient, session: string): Promise<void> {
  const open = (await client.approvals({ state: 'open' }, signal)).filter((approval) => approval.session === session);
  for (const { id, rule, requestedAt, text } of open) {
    if (out.json) out.event({ event: 'held', session, approval: id, rule, requestedAt });
    else {
      out.notice(`held since ${requestedAt}, waiting for approval ${id} (${rule}):`);
      out.askBlock(text);
    }
  }
}

type Events = ReturnType<typeof import('../app/session-tail.ts').tailEvents>;

async function asJson({ out }: Context, session: string, events: Events, told: () => void): Promise<number> {
  for (;;) {
    const { value, done } = await events.next();
    told();
    if (done) {
      out.event({ event: 'ended', session, end: value });
      return 0;
    }
    out.ndjson(value);
    await out.ready();
  }
}

async function asText(ctx: Context, options: Options, events: Events, told: () => void): Promise<number> {
  const { replayEvents, withoutTerminals } = await import('../app/replay.ts');
  const player = await playerFor(ctx, options);
  let closed = false;
  let end: SessionEnd | undefined;
  const followed = async function* () {
    end = yield* events;
  };
  let waiting: Progress | undefined;
  try {
    const all = replayEvents(followed());
    for await (const line of player ? all : withoutTerminals(all)) {
      waiting?.end();
      waiting = line.kind === 'held' && !player?.playing ? ctx.out.progress({ what: line.text }) : undefined;
      told();
      closed ||= line.kind === 'closed';
      if (player) player.show(line);
      else showLine(ctx, line);
      await ctx.out.ready();
    }
  } finally {
    waiting?.end();
    player?.close();
  }
  // The recording said so before this began, or could not be written to its end.
  const why = end === undefined || end.kind === 'closed' ? '' : `: ${describeEnd(end)}`;
  if (!closed) ctx.out.notice(`the session is over${why}`);
  return 0;
}

/** Never silenced by being JSON: a gap in what one reads is part of what one reads. */
function tellOf({ out }: Context, happening: TailHappening): void {
  if (out.json) return void out.event({ event: happening.type, ...withoutType(happening) });
  switch (happening.type) {
    case 'reconnecting':
      return void out.notice(`${happening.message}; trying again`);
    case 'reconnected':
      return void out.notice(`connected again after ${seconds(happening.awayMs)}; nothing was missed`);
    case 'loginRequired':
      return void out.warn(`${happening.message}; log in again in another terminal with: hoopctl login`);
    case 'diverged':
      return void out.warn(
        `the recording goes on otherwise than it was shown, from event ${happening.seq} on: what the machine had not yet written was lost with it`,
      );
  }
}

function withoutType({ type: _, ...rest }: TailHappening): Record<string, unknown> {
  return rest;
}
