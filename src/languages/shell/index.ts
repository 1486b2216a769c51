/** The door of the shell room: a command line (or the words of one) in, effects and resources out, or `unknown`. Pure, and it throws for no input. */
export type { ShellBasis } from './basis.ts';
export { type ConfiguredPrograms, readPrograms } from './configured.ts';
export { type ShellFacts, shellFacts } from './facts.ts';
export type { Program, ProgramTable } from './program.ts';
export { quoteArgv } from './quote.ts';
export { MAX_TEXT, readArgv, readShell } from './read.ts';
export type { ShellReading, StdinUse, Transfer } from './reading.ts';
