/** `hoopctl completion (bash|zsh|fish)`: the script that teaches a shell to complete hoopctl's command lines. */
import type { CommandForm } from '../command.ts';
import { SHELLS } from '../completion/quoting.ts';
import { SCRIPTS } from '../completion/scripts.ts';
import { fail } from '../errors.ts';

export const command: CommandForm = {
  name: 'completion',
  standalone: true,
  summary: 'Print the script that completes hoopctl in your shell',
  details: [
    "bash:  echo 'source <(hoopctl completion bash)' >> ~/.bashrc",
    'zsh:   hoopctl completion zsh > ~/.zfunc/_hoopctl',
    '       and in ~/.zshrc, before compinit: fpath+=~/.zfunc',
    'fish:  hoopctl completion fish > ~/.config/fish/completions/hoopctl.fish',
    'Completes commands, options, and the names of targets, requests, sessions, agents and people that your login may see.',
  ],
  arguments: [{ name: 'SHELL', summary: SHELLS.join(', '), required: true, suggests: SHELLS }],
  async run({ stdout }, args) {
    const name = args.one('SHELL');
    const shell = SHELLS.find((each) => each === name);
    if (shell === undefined)
      throw fail('USAGE', `there is no completion for "${name}"`, { hint: `use one of: ${SHELLS.join(', ')}` });
    stdout.write(SCRIPTS[shell]);
    return 0;
  },
};
