/**
 * Every command by name. Nothing is loaded to list them: a command's own file is imported when it is the one that was typed.
 *
 * A new command is one file in commands/ that exports `command`, and one line here.
 */
import type { CommandForm } from './command.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: string;
  readonly load: () => Promise<{ readonly command: CommandForm }>;
}

const START = 'Log in';
const WORK = 'Run and reach';
const PEOPLE = 'Decide and cut off';
const EVIDENCE = 'Look back';
const GATEWAY = 'Gateway and policy';
const MORE = 'More';

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'whoami',
    summary: 'show who the gateway takes you for',
    group: START,
    load: () => import('./commands/whoami.ts'),
  },
  {
    name: 'login',
    summary: 'log in to a gateway',
    group: START,
    load: () => import('./commands/login.ts'),
  },
  {
    name: 'logout',
    summary: 'end the login, at the identity provider too',
    group: START,
    load: () => import('./commands/logout.ts'),
  },
  {
    name: 'gateways',
    summary: 'show and choose the gateways you have logged in to',
    group: START,
    load: () => import('./commands/gateways.ts'),
  },
  {
    name: 'trust',
    summary: "let a folder's hoop.yaml set the gateway",
    group: START,
    load: () => import('./commands/trust.ts'),
  },
  { name: 'targets', summary: 'show what you may reach', group: WORK, load: () => import('./commands/targets.ts') },
  {
    name: 'run',
    summary: 'start an agent with nothing but tunnel endpoints',
    group: WORK,
    load: () => import('./commands/run.ts'),
  },
  { name: 'exec', summary: 'run one statement on a target', group: WORK, load: () => import('./commands/exec.ts') },
  {
    name: 'connect',
    summary: 'open a target in its own client',
    group: WORK,
    load: () => import('./commands/connect.ts'),
  },
  {
    name: 'tunnel',
    summary: 'hold tunnels open for your own tools',
    group: WORK,
    load: () => import('./commands/tunnel.ts'),
  },
  {
    name: 'env',
    summary: 'print the variables of an open tunnel',
    group: WORK,
    load: () => import('./commands/env.ts'),
  },
  { name: 'url', summary: 'print the URL of an open tunnel', group: WORK, load: () => import('./commands/url.ts') },
  {
    name: 'approvals',
    summary: 'show what waits for approval',
    group: PEOPLE,
    load: () => import('./commands/approvals.ts'),
  },
  {
    name: 'approve',
    summary: 'let a held command run, once',
    group: PEOPLE,
    load: () => import('./commands/approve.ts'),
  },
  { name: 'deny', summary: 'refuse a held command', group: PEOPLE, load: () => import('./commands/deny.ts') },
  {
    name: 'agents',
    summary: 'show agents, their owners and their runs',
    group: PEOPLE,
    load: () => import('./commands/agents.ts'),
  },
  {
    name: 'people',
    summary: 'show people and what runs for them',
    group: PEOPLE,
    load: () => import('./commands/people.ts'),
  },
  {
    name: 'revoke',
    summary: 'cut off a person, an agent, a run, a session, or everyone',
    group: PEOPLE,
    load: () => import('./commands/revoke.ts'),
  },
  { name: 'unrevoke', summary: 'lift a revocation', group: PEOPLE, load: () => import('./commands/unrevoke.ts') },
  {
    name: 'revocations',
    summary: 'show who is cut off',
    group: PEOPLE,
    load: () => import('./commands/revocations.ts'),
  },
  {
    name: 'sessions',
    summary: 'list, replay and cut sessions',
    group: EVIDENCE,
    load: () => import('./commands/sessions.ts'),
  },
  {
    name: 'audit',
    summary: 'prove that recordings are whole and unchanged',
    group: EVIDENCE,
    load: () => import('./commands/audit.ts'),
  },
  { name: 'policy', summary: 'try a policy out', group: GATEWAY, load: () => import('./commands/policy.ts') },
  {
    name: 'gateway',
    summary: 'set up, check and run a gateway',
    group: GATEWAY,
    load: () => import('./commands/gateway.ts'),
  },
  {
    name: 'init',
    summary: 'copy a template to start from',
    group: MORE,
    load: () => import('./commands/init.ts'),
  },
  { name: 'demo', summary: 'see it all on this machine', group: MORE, load: () => import('./commands/demo.ts') },
  {
    name: 'doctor',
    summary: 'check everything, and say what to do',
    group: MORE,
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'completion',
    summary: 'complete command lines in bash, zsh or fish',
    group: MORE,
    load: () => import('./commands/completion.ts'),
  },
  { name: 'help', summary: 'show help on a command or a topic', group: MORE, load: () => import('./commands/help.ts') },
  { name: 'version', summary: 'print the version', group: MORE, load: () => import('./commands/version.ts') },
];

export const GROUPS = [START, WORK, PEOPLE, EVIDENCE, GATEWAY, MORE] as const;
