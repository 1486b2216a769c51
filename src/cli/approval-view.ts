/** A held command as approvers see it: exactly, escaped, with length and hash, and what was only claimed named as such. */
import { createHash } from 'node:crypto';
import type { ApprovalView } from '../api/shapes.ts';
import type { Context } from './context.ts';
import { agentName, ago, orDash, until } from './wording.ts';

const PROOF: Readonly<Record<ApprovalView['proof'], string>> = {
  fresh: 'a sign-in made for this request',
  login: 'your login',
  launcher: 'a key press in the terminal that launched the agent',
};

const WATCH = ({ session }: ApprovalView) => `it runs only while an approver watches: hoopctl sessions tail ${session}`;

/** Everything about one request, on stdout. */
export function showApproval(ctx: Context, view: ApprovalView): void {
  const { out, clock } = ctx;
  out.fields([
    ['request', { text: view.id, style: 'bold' }],
    ['state', stateText(ctx, view)],
    ['rule', view.reason === undefined ? view.rule : `${view.rule} (${view.reason})`],
    ['asked by', view.requester],
    ['agent', view.agent === undefined ? undefined : agentName(view.agent)],
    ['purpose', view.purpose === undefined ? undefined : `${view.purpose} (claimed)`],
    ['client', view.client === undefined ? undefined : `${view.client} (claimed)`],
    ['target', `${view.target} (${view.protocol}, as ${view.account})`],
    ['effects', view.effects.join(', ')],
    ['touches', orDash(view.resources.map(({ kind, name, access }) => `${kind} ${name} (${access})`).join(', '))],
    ['run', view.run],
    ['session', view.session],
    ['asked', ago(clock, view.requestedAt)],
    ['proof', PROOF[view.proof]],
    ['moderated', view.moderated ? WATCH(view) : undefined],
    ['length', `${view.bytes} bytes`],
    ['sha256', createHash('sha256').update(view.text, 'utf8').digest('hex')],
    ['digest', view.digest],
  ]);
  out.print('');
  out.print({ text: 'asked to run, exactly:', style: 'dim' });
  out.printBlock(view.text);
  if (view.sent !== undefined) {
    out.print({ text: 'sent to the target as:', style: 'dim' });
    out.printBlock(view.sent);
  }
  for (const { name, type, value } of shownParameters(view))
    out.print({ text: `  ${name} `, style: 'dim' }, `${type}: `, value);
}

/** Parameters count anew for each statement. Not escaped. */
export function shownParameters({ parameters = [] }: ApprovalView): { name: string; type: string; value: string }[] {
  const counts = new Map<number | undefined, number>();
  return parameters.map(({ type, text, statement }) => {
    const number = (counts.get(statement) ?? 0) + 1;
    counts.set(statement, number);
    const name = statement === undefined ? `$${number}` : `statement ${statement}: $${number}`;
    return { name, type: type === '' ? 'unknown' : type, value: text ?? 'NULL' };
  });
}

function stateText(ctx: Context, view: ApprovalView): string {
  if (view.state === 'open') return `open, ends ${until(ctx.clock, view.expiresAt)}`;
  const by = view.decidedBy === undefined ? '' : ` by ${view.decidedBy}`;
  const why = view.decisionReason === undefined ? '' : `: ${view.decisionReason}`;
  return `${view.state}${by}${why}`;
}

/** One line, for lists and `watch`. */
export function firstLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ⏎ ');
}
