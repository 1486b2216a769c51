/** The launcher's door: an agent's environment, its files, its process. */
export { type Agent, type AgentEnd, type AgentOptions, exitCodeOf, type SignalSource, startAgent } from './agent.ts';
export { type ContextTarget, contextFile, type RunContext } from './context-file.ts';
export { credentialsInDotenv, type EnvFile, isCredential, readEnvFile } from './dotenv.ts';
export { type AgentEnvironment, agentEnvironment, type EnvironmentRequest, type Variables } from './environment.ts';
export { openOutputPipe, type OutputPipe } from './output-pipe.ts';
export { commandProgram, type Place, type Program, projectProgram, scriptProgram } from './program.ts';
export { makeRunFolder, type RunFolder } from './run-folder.ts';
export { rememberTerminalModes, type TerminalModes } from './terminal-modes.ts';
export { traceParent } from './trace.ts';
