/**
 * `approve` and `deny`: shows exactly what would run, proves that a person is there, decides.
 *
 * The proof is a sign-in of its own, which the gateway starts for this one request. Its token lives in this function's memory and nowhere else; the
 * stored login can not stand in for it where the rule asks for `proof: fresh`.
 */
import type { GatewayClient } from '../api/client.ts';
import type { ApprovalView } from '../api/shapes.ts';
import type { CurrentLogin } from '../app/login.ts';
import { wait } from '../base/clock.ts';
import { HoopError } from '../base/error.ts';
import { Token } from '../base/secret.ts';
import { showApproval } from './approval-view.ts';
import type { Arguments, CommandForm, Options } from './command.ts';
import type { Context } from './context.ts';
import { fail } from './errors.ts';
import { showSignIn } from './sign-in.ts';

type Word = 'approve' | 'deny';

export function decisionCommand(word: Word): CommandForm {
  return {
    name: word,
    summary: word === 'approve' ? 'Let a held command run, once' : 'Refuse a held command',
    details: [
      'Shows the exact text, then a link and a code to sign in with: the decision is made with that sign-in.',
      'Where the rule says proof: login, the login you have decides. Without a login here you sign in first, and are asked once you have seen it.',
    ],
    arguments: [{ name: 'ID', summary: 'the request', required: true, completes: 'approval' }],
    options: [
      { flags: '--reason <text>', summary: 'recorded, and told to who asked' },
      { flags: '--digest <sha256>', summary: 'decide only if the request has this digest' },
    ],
    run: (ctx, args, options) => decide(ctx, word, args, options),
  };
}

async function decide(ctx: Context, word: Word, args: Arguments, options: Options): Promise<number> {
  await decideOn(ctx, word, args.one('ID'), { digest: options.text('digest'), reason: options.text('reason') });
  return 0;
}

/** Shows the request, asks for the proof, decides, and says what became of it. @throws what stands in the way; then nothing is decided */
export async function decideOn(
  ctx: Context,
  word: Word,
  id: string,
  { digest, reason }: { readonly digest?: string | undefined; readonly reason?: string | undefined },
): Promise<void> {
  const seen = (await seenAsMyself(ctx, id)) ?? (await seenSignedIn(ctx, id));
  const { client, view } = seen;
  checkDigest(view, digest);
  if (!ctx.out.json) showApproval(ctx, view);
  if (view.state !== 'open') throw notOpen(view);
  if (!view.mayDecide) throw fail('NOT_YOURS', `request ${view.id} is not yours to decide`);
  if (word === 'approve' && view.proof === 'launcher') throw onlyThere(view);

  const token = await tokenFor(ctx, word, seen, digest);
  const decided = await client.decide(
    view.id,
    { decision: word, digest: view.digest, ...(reason === undefined ? {} : { reason }) },
    { token, signal: ctx.signal },
  );
  if (ctx.out.json) ctx.out.document(decided);
  else ctx.out.print({ text: decided.state, style: word === 'approve' ? 'green' : 'red' }, ` ${decided.id}`);
  if (word === 'approve' && view.moderated)
    ctx.out.notice(`it runs while an approver watches it; watch with: hoopctl sessions tail ${view.session}`);
}

/** A request, and by what it was seen. */
type Seen = { readonly client: GatewayClient; readonly view: ApprovalView } & (
  | { readonly by: 'login'; readonly login: CurrentLogin }
  | { readonly by: 'signIn'; readonly token: Token }
);

/** Where nobody is logged in, or whoever is has nothing to do with the request: who decides it signs in first. */
const NOT_AS_MYSELF: ReadonlySet<string> = new Set(['NOT_LOGGED_IN', 'LOGIN_EXPIRED', 'NOT_FOUND']);

async function seenAsMyself(ctx: Context, id: string): Promise<Seen | undefined> {
  try {
    const { client, login } = await ctx.gateway();
    return { by: 'login', client, login, view: await client.approval(id, { signal: ctx.signal }) };
  } catch (error) {
    if (error instanceof HoopError && NOT_AS_MYSELF.has(error.code)) return undefined;
    throw error;
  }
}

async function seenSignedIn(ctx: Context, id: string): Promise<Seen> {
  const client = await ctx.stranger();
  const token = await signIn(ctx, client, id);
  return { by: 'signIn', client, token, view: await client.approval(id, { token, signal: ctx.signal }) };
}

/** What decides: the sign-in made for it is a person's yes where they had seen the request before; where not, they are asked. */
async function tokenFor(ctx: Context, word: Word, seen: Seen, digest: string | undefined): Promise<Token> {
  const { view } = seen;
  if (seen.by === 'login' && view.proof !== 'login') return signIn(ctx, seen.client, view.id, REQUEST_ROWS);
  if (seen.by === 'login') {
    if (ctx.prompt.possible) await confirm(ctx, word, view);
    return seen.login.token(ctx.signal);
  }
  if (ctx.prompt.possible && !ctx.out.json) await confirm(ctx, word, view);
  else if (digest === undefined)
    throw fail('NOT_CONFIRMED', `nobody has looked at request ${view.id} yet`, {
      hint: `look at it, then decide with: --digest ${view.digest}`,
    });
  return seen.token;
}

async function confirm(ctx: Context, word: Word, view: ApprovalView): Promise<void> {
  if (!(await ctx.prompt.confirm(`${word} ${view.id}?`, '--digest')))
    throw fail('NOT_CONFIRMED', 'not decided', { hint: 'the request stays open' });
}

/** A request of a few lines, as it is shown. */
const REQUEST_ROWS = 24;

/** Link and code on stderr; polls until the person has signed in. */
async function signIn(ctx: Context, client: GatewayClient, approval: string, keeps = 0): Promise<Token> {
  const { refuseInRun } = await import('../app/login.ts');
  refuseInRun(ctx.place); // an agent shall not send a person a code to sign in with, whatever token it was given
  const started = await client.startApprovalLogin(approval, ctx.signal);
  const ends = ctx.clock.now() + started.expiresIn * 1000;
  await showSignIn(ctx, { event: 'approvalLogin', why: `to decide ${approval}, sign in`, keeps, ...started });
  let interval = started.interval;
  using _ = ctx.out.progress({ what: 'waiting for the sign-in' });
  while (ctx.clock.now() < ends) {
    await wait(ctx.clock, interval * 1000, ctx.signal);
    const polled = await client.pollApprovalLogin(started.id, ctx.signal);
    switch (polled.state) {
      case 'pending':
        interval = polled.interval;
        break;
      case 'failed':
        throw new HoopError(polled.code, polled.message, {
          exit: 3,
          hint: 'nothing was decided; run the command again',
        });
      case 'done':
        ctx.out.notice(`signed in as ${polled.name}`);
        return Token.of(polled.token);
    }
  }
  throw fail('SIGN_IN_EXPIRED', 'nobody signed in with the code in time');
}

function onlyThere(view: ApprovalView): HoopError {
  return fail(
    'LAUNCHER_ONLY',
    `request ${view.id} is approved by a key press in the terminal that launched the agent`,
    {
      hint: `approve it there; to refuse it from here: hoopctl deny ${view.id}`,
    },
  );
}

function checkDigest(view: ApprovalView, digest: string | undefined): void {
  if (digest === undefined || digest.toLowerCase() === view.digest) return;
  throw fail('DIGEST_DIFFERS', `request ${view.id} has the digest ${view.digest}, not ${digest}`);
}

function notOpen(view: ApprovalView): HoopError {
  const by = view.decidedBy === undefined ? '' : ` by ${view.decidedBy}`;
  return fail('NOT_OPEN', `request ${view.id} is ${view.state}${by}`);
}
