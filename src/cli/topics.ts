/** Pages of help that belong to no command: what the exit codes mean, how errors read, which variables count. */
import { errorRows } from './error-codes.ts';
import { fail } from './errors.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { nearest } from '../base/nearest.ts';
import { type Pair, pairs, wrap } from './wrap.ts';

/** What hoopctl itself reads. */
export const ENVIRONMENT: ReadonlyMap<string, string> = new Map([
  ['HOOPCTL_GATEWAY', 'the gateway, as --gateway'],
  ['HOOPCTL_CA_FILE', "PEM file of the gateway's private CA, as --ca"],
  ['HOOPCTL_OUTPUT', 'text or json, as --output'],
  [
    'HOOPCTL_CONFIG',
    'folder of your configuration and logins, or the file config.yaml in it; default: XDG_CONFIG_HOME/hoopctl, else ~/.config/hoopctl',
  ],
  ['HOOPCTL_TOKEN', 'a token to use instead of the stored login (CI, workloads)'],
  ['HOOPCTL_TOKEN_FILE', 'a file that holds such a token; read anew for each use'],
  ['HOOPCTL_TOKEN_CMD', 'a command that prints such a token'],
  ['HOOPCTL_TOKEN_STORE', 'where logins are kept: keychain, file (sealed) or plain'],
  ['HOOPCTL_PASSPHRASE', 'opens the sealed file of logins without asking'],
  ['NO_COLOR', 'no colour, whatever its value; nor with TERM=dumb'],
  ['HTTPS_PROXY', 'the proxy to reach the gateway through; else ALL_PROXY'],
  ['NO_PROXY', 'hosts that are reached without it, separated by commas'],
  ['XDG_CONFIG_HOME', 'where configuration lies; default: ~/.config'],
  ['XDG_CACHE_HOME', 'where completion remembers names for a while; default: ~/.cache'],
  ['XDG_RUNTIME_DIR', 'where open tunnels are found; default: in the folder of your configuration'],
  ['HOOP_RUN_ID', "set inside a run: commands then refuse the stored login of the run's user"],
]);

/** What a run's agent finds; docs/agents.md has the whole of it. */
const OF_AN_AGENT: readonly Pair[] = [
  ['HOOP_RUN_ID', 'the run'],
  ['HOOP_AGENT', 'its name'],
  ['HOOP_TARGETS', 'JSON: name, protocol, effects and variables of each target; no secrets'],
  ['HOOP_CONTEXT_FILE', 'Markdown for the agent: its targets, what a refusal means, how to ask'],
  ['TRACEPARENT', 'where its traces hang (W3C Trace Context)'],
  ['HOOP_<NAME>_URL', "a target's endpoint; also _HOST _PORT _USER _PASSWORD"],
  [
    'DATABASE_URL',
    'the only postgres target, or the one hoop.yaml names; also PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE',
  ],
];

/** Beyond the numbers: where they come from. */
export const EXIT_RULES: readonly string[] = [
  "run and connect end with the child's own code (128+n for signal n), but 7 when revoked and 9 when ended by a limit. What fails before the child starts is 125, 126 or 127, with the number above as `exit` in the JSON error; wrong usage stays 2.",
  'policy explain ends with 0 whatever the verdict, policy test with 1 on a miss.',
  'audit verify: 0 for complete, for open that is confirmed or allowed, and with a notice for crashed; 8 for truncated and tampered.',
  'doctor: 0 without a problem, 6 when the gateway cannot be reached, else 1.',
];

const HOW_ERRORS_READ: readonly string[] = [
  'Every error is two lines on stderr: what happened with a code in brackets, then what to do.',
  '',
  '  hoopctl: error: there is no target "order-db" [TARGET_UNKNOWN]',
  '  hoopctl: hint: did you mean "orders-db"?',
  '',
  'With --json it is one line: {"error":{"code","message","hint","exit"}}. The exit code is the number of the error: hoopctl help exit-codes. An error of the target itself has the code TARGET_ERROR and its own sqlState.',
  '',
  'Refusals that an agent can act on begin with a stable word:',
  '',
];

const STABLE_WORDS: readonly Pair[] = [
  ['HOOP_DENIED', 'a rule says no; the text names the rule'],
  ['HOOP_HELD', 'a person has to approve; retry the same statement once they have'],
  ['HOOP_LIMIT', 'a row, byte or time limit was reached'],
  ['HOOP_REVOKED', 'access was revoked; nothing more will be answered'],
  ['HOOP_UNAVAILABLE', 'the gateway can not record or confirm, so nothing is forwarded; try again'],
  ['HOOP_STALE', 'policy or catalog changed: prepare the statement again'],
];

export interface Topic {
  readonly name: string;
  /** What `help errors` may be followed by: `CODE`. */
  readonly detail?: string;
  /** @param detail as typed, where the topic takes one */
  page(width: number, detail?: string): readonly string[];
}

export const TOPICS: readonly Topic[] = [
  {
    name: 'exit-codes',
    page: (width) => [
      ...[...EXIT_CODES].flatMap(([code, meaning]) => wrap(meaning, width, `${String(code).padStart(3)}  `, '     ')),
      '',
      ...EXIT_RULES.flatMap((rule) => wrap(rule, width)),
    ],
  },
  {
    name: 'errors',
    detail: 'CODE',
    page: (width, code) => (code === undefined ? errors(width) : oneError(code, width)),
  },
  {
    name: 'environment',
    page: (width) => [
      'What hoopctl reads (options win over variables, variables over files):',
      ...pairs([...ENVIRONMENT], width),
      '',
      'What an agent finds:',
      ...pairs(OF_AN_AGENT, width),
    ],
  },
];

function errors(width: number): readonly string[] {
  const codes = errorRows().map(({ code, meaning, exit }): Pair => [code, `${meaning} (exit ${exit})`]);
  return [
    ...HOW_ERRORS_READ.flatMap((line) => (line.startsWith(' ') ? [line] : wrap(line, width))),
    ...pairs(STABLE_WORDS, width),
    '',
    'Every code:',
    ...pairs(codes, width),
  ];
}

/** @throws USAGE with the code that was probably meant */
function oneError(asked: string, width: number): readonly string[] {
  const code = asked.toUpperCase();
  const row = errorRows().find((each) => each.code === code);
  if (row !== undefined) {
    const exit = EXIT_CODES.get(row.exit as 0) ?? '';
    return [code, ...wrap(`${row.meaning}.`, width, '  '), ...wrap(`exit ${row.exit}: ${exit}`, width, '  ')];
  }
  const word = STABLE_WORDS.find(([name]) => name === code);
  if (word !== undefined) return [code, ...wrap(`${word[1]}.`, width, '  ')];
  const meant = nearest(code, [...errorRows().map((each) => each.code), ...STABLE_WORDS.map(([name]) => name)]);
  throw fail('USAGE', `there is no error "${asked}"`, {
    hint: meant === undefined ? 'list them with: hoopctl help errors' : `did you mean: hoopctl help errors ${meant}`,
  });
}
