/** Options that every command takes. In a file of their own: completion needs them, and not what parses them. */
import type { OptionSpec } from './command.ts';

export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { flags: '-o, --output <format>', summary: 'form of results and errors: text or json (HOOPCTL_OUTPUT)' },
  { flags: '--json', summary: 'short for --output json' },
  { flags: '-q, --quiet', summary: 'no notices' },
  { flags: '-v, --verbose', summary: 'explain what is done' },
  { flags: '--gateway <url>', summary: 'the gateway (HOOPCTL_GATEWAY)', completes: 'gateway' },
  { flags: '--ca <file>', summary: "PEM file of the gateway's private CA (HOOPCTL_CA_FILE)", completes: 'file' },
];

/** Those of a command: its own, then the global ones whose names it has not taken. */
export function optionsFor(own: readonly OptionSpec[]): readonly OptionSpec[] {
  const taken = new Set(own.flatMap(({ flags }) => namesOf(flags).filter((name) => name.startsWith('--'))));
  return [...own, ...GLOBAL_OPTIONS.filter(({ flags }) => !namesOf(flags).some((name) => taken.has(name)))];
}

/** `-o, --output <format>` → `-o`, `--output`. */
export function namesOf(flags: string): readonly string[] {
  return flags.match(/--[a-z][a-z0-9-]*|-[a-zA-Z]\b/g) ?? [];
}

export function takesValue({ flags }: OptionSpec): boolean {
  return flags.includes('<');
}
