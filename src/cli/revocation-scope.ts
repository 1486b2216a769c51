/** Whom or what a revocation is about, from the command line's options and back into words. */
import type { RevocationScope } from '../api/shapes.ts';
import { exhaustive } from '../base/exhaustive.ts';
import type { Options, OptionSpec } from './command.ts';
import { fail } from './errors.ts';

export const SCOPE_OPTIONS: Readonly<Record<'user' | 'agent' | 'run' | 'session' | 'all', OptionSpec>> = {
  user: { flags: '--user <who>', summary: 'everything of one person, as whoami names them', completes: 'person' },
  agent: { flags: '--agent <name>', summary: 'every run of one agent', completes: 'agent' },
  run: { flags: '--run <id>', summary: 'one run', completes: 'run' },
  session: { flags: '--session <id>', summary: 'one session', completes: 'liveSession' },
  all: { flags: '--all', summary: 'everything of everyone' },
};

/** @throws USAGE unless exactly one of `allowed` was given */
export function scopeOf(options: Options, allowed: readonly RevocationScope['kind'][]): RevocationScope {
  const given = allowed.filter((kind) => options.has(kind));
  const [kind] = given;
  const names = allowed.map((each) => `--${each}`).join(', ');
  if (kind === undefined || given.length > 1)
    throw fail('USAGE', `give exactly one of ${names}`, { hint: 'hoopctl revoke --user WHO' });
  const value = options.text(kind) ?? '';
  if (kind !== 'all' && value.trim() === '')
    throw fail('USAGE', `--${kind} is empty`, { hint: `name one: --${kind} NAME` });
  switch (kind) {
    case 'user':
      return { kind, who: value };
    case 'agent':
      return { kind, name: value };
    case 'run':
    case 'session':
      return { kind, id: value };
    case 'all':
      return { kind };
    default:
      return exhaustive(kind);
  }
}

export function scopeText(scope: RevocationScope): string {
  switch (scope.kind) {
    case 'user':
      return `user ${scope.who}`;
    case 'agent':
      return `agent ${scope.name}`;
    case 'run':
    case 'session':
      return `${scope.kind} ${scope.id}`;
    case 'all':
      return 'everyone';
    default:
      return exhaustive(scope);
  }
}

export function sameScope(a: RevocationScope, b: RevocationScope): boolean {
  return a.kind === b.kind && scopeText(a) === scopeText(b);
}
