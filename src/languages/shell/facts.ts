/** What a rule may ask about a command line. */
import type { FactValue } from '../../domain/command.ts';
import type { ShellReading } from './reading.ts';

export interface ShellFacts {
  /** The text, exactly. */
  readonly command: string;
  /** The words of the one simple command; null where it is anything else. */
  readonly argv: FactValue;
  /** Every program it runs; null where one cannot be told. */
  readonly program: FactValue;
  /** Every path it names, normalised; null where one cannot be told. */
  readonly paths: FactValue;
  /** The programs it runs others through: `sudo`, `sh`, `xargs`. */
  readonly through: FactValue;
}

/** Values of facts; their names (`ssh.command`) are the protocol's. */
export function shellFacts(text: string, reading: ShellReading): ShellFacts {
  const { argv, programs, effects, paths, through } = reading;
  // With a part that is not understood the list may lack what that part runs.
  const sure = !effects.has('unknown');
  return { command: text, argv: argv ?? null, program: sure ? programs : null, paths, through: sure ? through : null };
}
