/** What policy says of one text, for people. */
import type { ExplainView } from '../api/shapes.ts';
import type { TextExplanation } from '../app/policy.ts';
import type { Context } from './context.ts';
import type { Style } from './part.ts';
import { orDash } from './wording.ts';

/** From the gateway, or from files: there with what each entry and rule had to say. */
export type Explained = ExplainView | Omit<TextExplanation, 'notes'>;

const STYLES: Readonly<Record<Explained['verdict'], Style>> = { allow: 'green', hold: 'yellow', deny: 'red' };

export function showExplained({ out }: Context, explained: Explained): void {
  const { verdict, rules, reason, hint, statements } = explained;
  out.print({ text: verdict, style: STYLES[verdict] }, rules.length === 0 ? '' : ` by ${rules.join(', ')}`);
  if (reason !== undefined) out.print(`  ${reason}`);
  if (hint !== undefined) out.print(`  ${hint}`);
  for (const statement of statements) {
    out.print('');
    out.printBlock(statement.text);
    out.fields([
      ['  verdict', { text: statement.verdict, style: STYLES[statement.verdict] }],
      ['  by', orDash(statement.rules.join(', '))],
      ['  reason', statement.reason],
      ['  moderated', moderatedText(statement.moderated)],
      ['  effects', orDash(statement.effects.join(', '))],
      [
        '  touches',
        orDash(statement.resources.map(({ kind, name, access }) => `${kind} ${name} (${access})`).join(', ')),
      ],
      ['  facts', orDash(factsText(statement.facts))],
      ['  masked', statement.masked && statement.masked.length > 0 ? statement.masked.join(', ') : undefined],
      ['  sent as', 'rewritten' in statement ? statement.rewritten : undefined],
    ]);
    if (!('access' in statement)) continue;
    for (const { name, covers, why } of statement.access)
      out.print({ text: `  access ${name}: `, style: 'dim' }, covers ? 'covers it' : (why ?? 'does not cover it'));
    for (const { name, answer, shadow, moderated, matches, why } of statement.considered)
      out.print(
        { text: `  rule ${name}${shadow ? ' (shadow)' : ''}: `, style: 'dim' },
        matches ? `matches: ${answer}${moderated ? ', moderated' : ''}` : (why ?? 'does not match'),
      );
  }
}

function moderatedText(rules: readonly string[] | undefined): string | undefined {
  if (rules === undefined || rules.length === 0) return undefined;
  return `by ${rules.join(', ')}: it runs only while an approver watches the session`;
}

function factsText(facts: Readonly<Record<string, unknown>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(' ');
}
