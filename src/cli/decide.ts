/**
 * `approve` and `deny`: shows exactly what would run, proves that a person is there, decides.
 *
 * The proof is a sign-in of its own, which the gateway starts for this one request. Its token lives in this function's memory and nowhere else; the
 * stored login can not stand in for it where the rule asks for `proof: fresh`.
 */
import type { ApprovalView } from '../api/shapes.ts';
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
      'Where the rule says proof: login, the login you have decides.',
    ],
    arguments: [{ name: 'ID', summary: 'the request', required: true }],
    options: [
      { flags: '--reason <text>', summary: 'recorded, and told to who asked' },
      { flags: '--digest <sha256>', summary: 'decide only if the request has this digest' },
    ],
    run: (ctx, args, options) => decide(ctx, word, args, options),
  };
}

async function decide(ctx: Context, word: Word, args: Arguments, options: Options): Promise<number> {
  const { client, login } = await ctx.gateway();
  const view = await client.approval(args.one('ID'), { signal: ctx.signal });
  checkDigest(view, options.text('digest'));
  if (!ctx.out.json) showApproval(ctx, view);
  if (view.state !== 'open') throw notOpen(view);
  if (!view.mayDecide) throw fail('NOT_YOURS', `request ${view.id} is not yours to decide`);
  if (word === 'approve' && view.proof === 'launcher') throw onlyThere(view);

  const token = view.proof === 'login' ? await confirmed(ctx, word, view, login) : await signIn(ctx, view.id);
  const reason = options.text('reason');
  const decided = await client.decide(
    view.id,
    { decision: word, digest: view.digest, ...(reason === undefined ? {} : { reason }) },
    { token, signal: ctx.signal },
  );
  if (ctx.out.json) ctx.out.document(decided);
  else ctx.out.print({ text: decided.state, style: word === 'approve' ? 'green' : 'red' }, ` ${decided.id}`);
  return 0;
}

async function confirmed(
  ctx: Context,
  word: Word,
  view: ApprovalView,
  login: { token(signal?: AbortSignal): Promise<Token> },
): Promise<Token> {
  if (ctx.prompt.possible && !(await ctx.prompt.confirm(`${word} ${view.id}?`, '--digest')))
    throw fail('NOT_CONFIRMED', 'not decided', { hint: 'the request stays open' });
  return login.token(ctx.signal);
}

/** Link and code on stderr; polls until the person has signed in. */
async function signIn(ctx: Context, approval: string): Promise<Token> {
  const { refuseInRun } = await import('../app/login.ts');
  refuseInRun(ctx.place); // an agent shall not send a person a code to sign in with, whatever token it was given
  const { client } = await ctx.gateway();
  const started = await client.startApprovalLogin(approval, ctx.signal);
  const ends = ctx.clock.now() + started.expiresIn * 1000;
  await showSignIn(ctx, { event: 'approvalLogin', why: `to decide ${approval}, sign in`, ...started });
  let interval = started.interval;
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
