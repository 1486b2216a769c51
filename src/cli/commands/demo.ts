/** `hoopctl demo`: everything on this machine, in a temporary folder. */
import type { CommandForm } from '../command.ts';
import type { Context } from '../context.ts';
import { version } from '../version.ts';

export const command: CommandForm = {
  name: 'demo',
  summary: 'See it all on this machine: identity provider, database, gateway, an agent',
  details: ['On a terminal it pauses and asks you to approve; without one, or with --yes, it goes through by itself.'],
  options: [
    { flags: '-y, --yes', summary: 'go through without asking' },
    { flags: '--keep', summary: 'leave it running at the end, and say how to use it' },
  ],
  async run(ctx, _args, options) {
    const { runDemo } = await import('../../app/demo/index.ts');
    return runDemo({
      json: ctx.out.json,
      yes: options.has('yes'),
      keep: options.has('keep'),
      version: version(),
      voice: voiceOf(ctx),
      signal: ctx.signal,
    });
  },
};

function voiceOf({ out, prompt }: Context) {
  return {
    line: (text: string, style?: 'bold' | 'dim' | 'green' | 'red' | 'cyan') => {
      if (out.json) out.ndjson(JSON.parse(text));
      else out.print(style === undefined ? text : { text, style });
    },
    canAsk: prompt.possible,
    async pause() {
      await prompt.text('Enter to go on', '--yes');
    },
    async choose(question: string, words: readonly string[]) {
      for (;;) {
        const answer = await prompt.text(`${question} [${words.join('/')}]`, '--yes');
        const found = words.find((word) => word === answer || (answer !== '' && word.startsWith(answer)));
        if (found !== undefined) return found;
      }
    },
  };
}
