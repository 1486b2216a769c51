/** What an agent is told about where it is: its targets, what a refusal means, how to ask. Markdown, for it to read. */

export interface ContextTarget {
  readonly name: string;
  readonly protocol: string;
  readonly effects: readonly string[];
  readonly scope?: Readonly<Record<string, readonly string[]>>;
  /** Names of the variables that hold its endpoint. */
  readonly variables: readonly string[];
  /** How it is reached with them, where that does not go without saying. */
  readonly usage?: string | undefined;
}

export interface RunContext {
  readonly run: string;
  readonly agent: string;
  readonly purpose?: string;
  readonly deadline: string;
  readonly targets: readonly ContextTarget[];
}

export function contextFile(context: RunContext): string {
  return [
    '# Where you are',
    '',
    `You are the agent \`${plain(context.agent)}\` in run \`${plain(context.run)}\`, started by hoopctl.`,
    ...(context.purpose === undefined ? [] : [`Your purpose, as your launcher put it: ${plain(context.purpose)}`]),
    `The run ends at ${plain(context.deadline)} at the latest.`,
    '',
    'You reach data only through the endpoints below. A gateway stands between: it knows who you act for, judges each command before it reaches the',
    'target, masks what you may not see, records everything, and can cut you off. The passwords and keys you were given open these endpoints during this',
    'run and nothing else; there are no other credentials to look for.',
    '',
    '## Your targets',
    '',
    ...context.targets.flatMap(targetLines),
    '## When something is refused',
    '',
    'The error text carries one of these words. They are final answers about that command, not network trouble: do not try to get around them.',
    '',
    '- `HOOP_DENIED`: policy does not allow this command. Do not send it again. Find another way that needs less, or tell your person what you need and why.',
    '- `HOOP_HELD`: a person has to approve it first, and has not yet. Send **exactly the same statement** again later: an approval is for these exact',
    '  bytes and parameters. The text names the request; your person can see it with `hoopctl approvals`.',
    '- `HOOP_LIMIT`: you asked for too much (rows, bytes, time). Ask for less: filter, aggregate, page.',
    '- `HOOP_REVOKED`: your access was taken away. Stop, and say so.',
    '',
    'Values that show as `***` or otherwise blanked are masked. They are hidden on purpose; work without them.',
    '',
    '## How to ask for more',
    '',
    'You cannot approve or widen anything yourself. Say in your output which command you wanted to run, on which target, and what for; your person asks',
    'for it, or changes the policy.',
    '',
  ].join('\n');
}

function targetLines(target: ContextTarget): string[] {
  const scope = Object.entries(target.scope ?? {}).map(
    ([key, values]) => `${plain(key)}: ${values.map(plain).join(', ')}`,
  );
  return [
    `### ${plain(target.name)} (${plain(target.protocol)})`,
    '',
    `- you may: ${target.effects.map(plain).join(', ')}`,
    ...(scope.length > 0 ? [`- only: ${scope.join('; ')}`] : []),
    `- endpoint: ${target.variables.map((name) => `\`${plain(name)}\``).join(', ')}`,
    ...(target.usage === undefined ? [] : [`- to use it: \`${plain(target.usage)}\``]),
    '',
  ];
}

// Names come from files of others: no line of theirs may become an instruction of ours.
function plain(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}`]+/gu, ' ').trim();
}
