/**
 * The policy in force, kept up to date with its files. A file that does not load never replaces a good policy: the last good one stays, and
 * `problem` says why.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cancel, Clock } from '../base/clock.ts';
import type { Problem, SourceText } from '../base/document.ts';
import { HoopError } from '../base/error.ts';
import type { Policy, PolicySource } from '../domain/verdict.ts';

export interface PolicySourceOptions<P extends Policy> {
  /** A file, or a folder whose .yaml and .yml files are one policy. */
  readonly path: string;
  compile(
    sources: readonly SourceText[],
  ): { readonly ok: true; readonly policy: P } | { readonly ok: false; readonly problems: readonly Problem[] };
  readonly clock: Clock;
  /** Told once for each way in which the files are wrong, and once when they are right again (undefined). */
  onProblem?(problem: string | undefined): void;
}

export interface WatchedPolicy<P extends Policy> extends PolicySource {
  current(): P;
  onChange(listener: (policy: P) => void): () => void;
  /** Why the files as they are now are not in force; undefined when they are. For /readyz and doctor. */
  readonly problem: string | undefined;
  /** Looks at the files now. A change is taken over when a second look finds the same. */
  look(): Promise<void>;
  close(): void;
}

const LOOK_EVERY_MS = 1_000;
/** A file found changed is read again after this long: half a file may well be a policy, with half its rules. */
const SETTLE_MS = 250;
const LARGEST = 4 * 1_024 * 1_024;

/** @throws HoopError POLICY_INVALID (exit 2) when the files do not load now: without a good policy there is nothing to keep */
export async function createPolicySource<P extends Policy>(options: PolicySourceOptions<P>): Promise<WatchedPolicy<P>> {
  const { path, compile, clock } = options;
  const { problemsError } = await import('../base/document.ts');
  const first = await readSources(path);
  if (!first.ok)
    throw new HoopError('POLICY_INVALID', first.problem, { exit: 2, hint: 'gateway.yaml names it as policy:' });
  const compiled = compile(first.sources);
  if (!compiled.ok) throw problemsError('POLICY_INVALID', compiled.problems);

  let policy = compiled.policy;
  let problem: string | undefined;
  /** What the verdict about the files was reached on, and what was last seen of them. */
  let judged = first.mark;
  let seen = first.mark;
  let cancel: Cancel = () => {};
  let closed = false;
  const listeners = new Set<(policy: P) => void>();

  const say = (next: string | undefined) => {
    if (next === problem) return;
    problem = next;
    options.onProblem?.(next);
  };

  const take = (sources: readonly SourceText[]) => {
    const result = compile(sources);
    if (!result.ok) return say(problemsError('POLICY_INVALID', result.problems).message);
    say(undefined);
    if (result.policy.digest === policy.digest) return;
    policy = result.policy;
    for (const listener of listeners) listener(policy);
  };

  /** @returns whether the files changed since the look before, so that another look is due soon */
  const look = async (): Promise<boolean> => {
    const found = await readSources(path);
    const mark = found.ok ? found.mark : found.problem;
    const moved = mark !== seen;
    seen = mark;
    if (moved || mark === judged || closed) return moved;
    judged = mark;
    if (found.ok) take(found.sources);
    else say(found.problem);
    return false;
  };

  const watch = (ms: number) => {
    cancel = clock.after(ms, () => {
      look()
        .catch((error) => say(`the policy files could not be looked at: ${error.message}`))
        .then((moved) => {
          if (!closed) watch(moved === true ? SETTLE_MS : LOOK_EVERY_MS);
        });
    });
  };
  watch(LOOK_EVERY_MS);

  return {
    current: () => policy,
    get problem() {
      return problem;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    look: async () => void (await look()),
    close() {
      closed = true;
      cancel();
    },
  };
}

/** The files of a policy, in order of their names. */
export async function readPolicyFiles(path: string): Promise<readonly SourceText[]> {
  const read = await readSources(path);
  if (!read.ok)
    throw new HoopError('POLICY_UNREADABLE', read.problem, {
      exit: 2,
      hint: 'name a policy file, or a folder of them',
    });
  return read.sources;
}

type Read =
  | {
      readonly ok: true;
      readonly sources: readonly SourceText[] /** Differs when a byte or a name does. */;
      readonly mark: string;
    }
  | { readonly ok: false; readonly problem: string };

async function readSources(path: string): Promise<Read> {
  try {
    const files = await filesOf(path);
    if (files.length === 0) return { ok: false, problem: `${path} holds no .yaml file` };
    const sources = await Promise.all(
      files.map(async (file): Promise<SourceText> => ({ file, text: await readText(file) })),
    );
    return { ok: true, sources, mark: markOf(sources) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { ok: false, problem: `${path} cannot be read: ${code ?? message}` };
  }
}

async function filesOf(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = await readdir(path);
  // Names with a dot in front are editors' drafts and the links of mounted configuration.
  return names
    .filter((name) => /^[^.].*\.ya?ml$/.test(name))
    .sort()
    .map((name) => join(path, name));
}

async function readText(file: string): Promise<string> {
  const { size } = await stat(file);
  if (size > LARGEST) throw new Error('it is larger than any policy');
  return readFile(file, 'utf8');
}

function markOf(sources: readonly SourceText[]): string {
  const hash = createHash('sha256');
  for (const { file, text } of sources) hash.update(JSON.stringify([file, text]));
  return hash.digest('hex');
}
