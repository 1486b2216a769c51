/** Pages of help that belong to no command. */

export const ENVIRONMENT: ReadonlyMap<string, string> = new Map([
  ['HOOPCTL_GATEWAY', 'the gateway, as --gateway'],
  ['HOOPCTL_CA_FILE', "PEM file of the gateway's private CA, as --ca"],
  ['HOOPCTL_OUTPUT', 'text or json, as --output'],
  [
    'HOOPCTL_CONFIG',
    'folder of your configuration and logins, or the file config.yaml in it; default: XDG_CONFIG_HOME/hoopctl',
  ],
  ['HOOPCTL_TOKEN', 'a token to use instead of the stored login (CI, workloads)'],
  ['HOOPCTL_TOKEN_FILE', 'a file that holds such a token; read anew for each command'],
  ['HOOPCTL_TOKEN_CMD', 'a command that prints such a token'],
  ['HOOPCTL_TOKEN_STORE', 'where logins are kept: keychain, file (sealed) or plain'],
  ['HOOPCTL_PASSPHRASE', 'opens the sealed file of logins without asking'],
  ['NO_COLOR', 'no colour, whatever its value'],
  ['HTTPS_PROXY', 'the proxy to reach the gateway through'],
  ['HOOP_RUN_ID', "set inside a run: commands then refuse the stored login of the run's user"],
]);

export const ERROR_HELP: readonly string[] = [
  'Every error is two lines on stderr: what happened with a code in brackets, then what to do.',
  '',
  '  hoopctl: error: there is no target "order-db" [TARGET_UNKNOWN]',
  '  hoopctl: hint: did you mean "orders-db"?',
  '',
  'With --json it is one line: {"error":{"code","message","hint","exit"}}. The exit code is the number of the error:',
  'hoopctl help exit-codes. An error of the target itself has the code TARGET_ERROR and its own sqlState.',
  '',
  'Refusals that an agent can act on begin with a stable word:',
  '',
  '  HOOP_DENIED   a rule says no; the text names the rule',
  '  HOOP_HELD     a person has to approve; retry the same statement once they have',
  '  HOOP_LIMIT    a row, byte or time limit was reached',
  '  HOOP_REVOKED  access was revoked; nothing more will be answered',
];
