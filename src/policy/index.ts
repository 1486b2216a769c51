/** The door of the policy room: documents in, a compiled policy out. Pure: no clock, no I/O. */
export { type Compilation, type CompiledPolicy, compile, type PolicySurroundings } from './compile.ts';
export type { ExplainedEntry, ExplainedRule, Explanation } from './explain.ts';
export type { KnownTarget } from './scope.ts';
