/** The templates that come with hoopctl: what each is for, where it goes, what to do next, and its files as they lie in templates/. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { packageRoot } from '../base/entry.ts';
import { errorTable } from '../base/error.ts';
import { nearest } from '../base/nearest.ts';
import type { NewFile } from './init-write.ts';

const fail = errorTable({
  TEMPLATE_UNKNOWN: { exit: 2, hint: 'see them with: hoopctl init' },
});

export interface Template {
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Where it goes when nothing else is said. */
  readonly folder: string;
  /** Folders it needs beside its files, for the owner alone. */
  readonly folders?: readonly string[];
  /** What to do in that folder, in order. */
  readonly next: readonly string[];
}

export const TEMPLATES: readonly Template[] = [
  {
    name: 'openai-agent',
    summary: 'an agent in TypeScript, with the OpenAI Agents SDK',
    folder: 'openai-agent',
    next: ['read README.md: what the gateway needs, the model with its key above all', 'npm install', 'hoopctl run'],
  },
  {
    name: 'openai-agent-python',
    summary: 'the same agent in Python',
    folder: 'openai-agent-python',
    next: [
      'read README.md: what the gateway needs, the model with its key above all',
      'python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.txt',
      'hoopctl run',
    ],
  },
  {
    name: 'shell-agent',
    summary: 'a report by a shell script and psql, by hand or from cron',
    folder: 'shell-agent',
    next: ['hoopctl run'],
  },
  {
    name: 'gateway',
    summary: "a team's gateway: policy with cases, systemd, Compose",
    folder: 'hoop-gateway',
    folders: ['data', 'keys'],
    next: [
      'edit gateway.yaml and policy.yaml: your identity provider, your targets, your people',
      'hoopctl policy test policy.cases.yaml',
      'hoopctl gateway check --config gateway.yaml --login',
      'hoopctl gateway start --config gateway.yaml',
    ],
  },
  {
    name: 'ci-github',
    summary: 'GitHub Actions: an agent without secrets, policy tests',
    folder: '.',
    next: [
      'edit .github/workflows/hoopctl.yaml: your gateway, and where hoopctl is installed from',
      'read hoopctl/README.md: what the gateway has to know',
    ],
  },
  {
    name: 'ci-gitlab',
    summary: 'GitLab CI/CD: an agent without secrets, policy tests',
    folder: '.',
    next: [
      'edit .gitlab-ci.yml: your gateway, and where hoopctl is installed from',
      'read hoopctl/README.md: what the gateway has to know',
    ],
  },
];

/** @throws HoopError TEMPLATE_UNKNOWN */
export function findTemplate(name: string): Template {
  const found = TEMPLATES.find((template) => template.name === name);
  if (found !== undefined) return found;
  const names = TEMPLATES.map((template) => template.name);
  const guess = nearest(name, names);
  throw fail('TEMPLATE_UNKNOWN', `there is no template "${name}"`, {
    ...(guess !== undefined && { hint: `did you mean "${guess}"?` }),
  });
}

/** The files of a folder of templates/, in a fixed order. */
export function templateFiles(name: string): NewFile[] {
  const root = join(packageRoot(), 'templates', name);
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({ path: written(relative(root, file)), text: readFileSync(file, 'utf8') }));
}

// npm takes a file named .gitignore out of a package, so templates hold it without its dot.
function written(path: string): string {
  return path
    .split(sep)
    .join('/')
    .replace(/(^|\/)gitignore$/, '$1.gitignore');
}
