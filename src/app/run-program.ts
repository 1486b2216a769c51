/** What an agent is started from, as the command line or hoop.yaml says it. */
import {
  commandProgram,
  type EnvFile,
  type Program,
  projectProgram,
  readEnvFile,
  scriptProgram,
} from '../launcher/index.ts';

export type AgentChoice =
  /** `hoopctl run SCRIPT args…` */
  | { readonly kind: 'script'; readonly words: readonly [string, ...string[]] }
  /** `hoopctl run -- CMD args…` */
  | { readonly kind: 'command'; readonly words: readonly [string, ...string[]] }
  /** hoop.yaml's `command`, read in its folder. */
  | { readonly kind: 'project'; readonly words: readonly string[]; readonly folder: string };

/** @throws PROGRAM_NOT_FOUND (127), PROGRAM_NOT_EXECUTABLE (126) */
export function chooseProgram(choice: AgentChoice, cwd: string, path: string | undefined): Program {
  if (choice.kind === 'project') return projectProgram(choice.words, { cwd: choice.folder, path });
  const [first, ...rest] = choice.words;
  const program = choice.kind === 'script' ? scriptProgram : commandProgram;
  return program(first, rest, { cwd, path });
}

/** `--env-file`, in their order. @throws ENV_FILE */
export function readEnvFiles(files: readonly string[], cwd: string): EnvFile[] {
  return files.map((file) => readEnvFile(file, cwd));
}
