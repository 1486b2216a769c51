/**
 * What a shell hands over as typed becomes what it means, and a name from the gateway becomes a word the shell takes as that name and nothing else.
 *
 * Whoever names a target chooses what stands on an administrator's command line after a tab: it must not run, expand, or pass for an option.
 */

export type Shell = 'bash' | 'zsh' | 'fish';

export const SHELLS: readonly Shell[] = ['bash', 'zsh', 'fish'];

/** As a shell would read it; an open quote reaches to the end. `typed` is never run, so what would be expanded stays as it is. */
export function unquoted(typed: string): string {
  let text = '';
  let quote = '';
  for (let at = 0; at < typed.length; at++) {
    const char = typed.charAt(at);
    if (char === '\\' && quote !== "'") text += typed.charAt(++at);
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
    else text += char;
  }
  return text;
}

/** Whether a name from outside may be offered at all: nothing invisible, nothing that breaks a line, nothing that reads as an option. */
export function isOfferable(value: string): boolean {
  return value.length > 0 && value.length <= 200 && !value.startsWith('-') && !INVISIBLE.test(value);
}

const INVISIBLE = /[[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]--[ ]]/v;

/**
 * A word that bash puts on the command line as it is; zsh and fish quote by themselves.
 *
 * @returns undefined where it can not be offered: inside an open quote a backslash means something else
 */
export function forShell(shell: Shell, value: string, typed: string): string | undefined {
  if (shell !== 'bash') return value;
  const quoted = value.replace(/[^\p{L}\p{N}_/.,:@%+=-]/gu, '\\$&');
  return quoted !== value && /["']/.test(typed) ? undefined : quoted;
}
