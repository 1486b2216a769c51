/**
 * What counts: flags before the environment, before hoop.yaml, before the user's own file.
 *
 * A project's file may not say whom a login is shown to, unless its folder is trusted; what is ignored of it is noticed aloud.
 */
import { dirname, resolve } from 'node:path';
import { errorTable } from '../../base/error.ts';
import { type Found, findProjectFile, readProject, readUser } from './files.ts';
import { configPlace, type Environment } from './folder.ts';
import type { ProjectDocument, UserDocument } from './schema.ts';
import { isTrusted } from './trust.ts';
import type { ClientConfig, Origin, Project, Setting, TokenPlace, TokenStore } from './types.ts';

const fail = errorTable({
  CONFIG_VARIABLE: { exit: 2 },
  CONFIG_INVALID: { exit: 2, hint: 'use tokenFile or tokenCmd, or the variable HOOPCTL_TOKEN' },
});

export interface ClientPlace {
  readonly env: Environment;
  readonly cwd: string;
  /** As given on the command line. */
  readonly flags: {
    readonly gateway?: string | undefined;
    readonly ca?: string | undefined;
    readonly output?: string | undefined;
  };
}

/** What decides whom a login or a token is shown to. */
const CONNECTION = ['gateway', 'ca', 'token', 'tokenFile', 'tokenCmd'] as const;

/** @throws CONFIG_INVALID, CONFIG_PERMISSIONS, CONFIG_VARIABLE, TRUST_FILE (exit 2) */
export async function loadClientConfig(place: ClientPlace): Promise<ClientConfig> {
  const { folder, file } = configPlace(place.env, place.cwd);
  const user = await readUser(file);
  const found = findProjectFile(place.cwd);
  const notices: string[] = [];
  if (found && 'foreign' in found) notices.push(`ignored ${found.foreign}: it belongs to another user`);
  const project = found && 'file' in found ? await readProject(found.file) : undefined;
  const trusted = project !== undefined && isTrusted(folder, dirname(project.file));
  const ignored = project && !trusted ? CONNECTION.filter((key) => project.value[key] !== undefined) : [];
  if (project && ignored.length > 0) {
    notices.push(
      `ignored ${ignored.join(', ')} in ${project.file}: the folder is not trusted (hoopctl trust ${dirname(project.file)})`,
    );
  }
  if (project && trusted && project.value.token !== undefined) {
    throw fail(
      'CONFIG_INVALID',
      `${project.file}:${project.lineOf('token')} token: a token may not stand here in clear text`,
    );
  }
  const layers: Layers = { place, project: trusted ? project : undefined, user };
  return {
    folder,
    ...optional('gateway', textSetting(layers, 'gateway', 'HOOPCTL_GATEWAY')),
    ...optional('ca', pathSetting(layers, 'ca', 'HOOPCTL_CA_FILE')),
    output: choice(layers, 'output', 'HOOPCTL_OUTPUT', ['text', 'json']) ?? {
      value: 'text',
      from: { kind: 'default' },
    },
    ...optional('token', tokenSetting(layers)),
    ...optional(
      'tokenStore',
      choice<TokenStore>(layers, 'tokenStore', 'HOOPCTL_TOKEN_STORE', ['keychain', 'file', 'plain']),
    ),
    ...(project && { project: projectOf(project, trusted) }),
    notices,
  };
}

/** For people: where a value came from. */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'flag':
      return `the option --${origin.name}`;
    case 'env':
      return `the variable ${origin.name}`;
    case 'default':
      return 'the default';
    default:
      return `${origin.file}:${origin.line}`;
  }
}

interface Layers {
  readonly place: ClientPlace;
  /** Only when its folder is trusted. */
  readonly project: Found<ProjectDocument> | undefined;
  readonly user: Found<UserDocument> | undefined;
}

type FileKey = 'gateway' | 'ca' | 'output' | 'tokenStore' | 'tokenFile' | 'tokenCmd';

/** The first layer that says something. An empty variable says nothing. */
function textSetting({ place, project, user }: Layers, key: FileKey, variable?: string): Setting<string> | undefined {
  const flag = key === 'gateway' || key === 'ca' || key === 'output' ? place.flags[key] : undefined;
  if (flag !== undefined) return { value: flag, from: { kind: 'flag', name: key } };
  const given = variable === undefined ? undefined : place.env[variable];
  if (variable !== undefined && given) return { value: given, from: { kind: 'env', name: variable } };
  return fromFile(project, key, 'project') ?? fromFile(user, key, 'user');
}

function fromFile(
  found: Found<UserDocument | ProjectDocument> | undefined,
  key: FileKey,
  kind: 'project' | 'user',
): Setting<string> | undefined {
  const value = (found?.value as Readonly<Partial<Record<FileKey, string>>> | undefined)?.[key];
  return found === undefined || value === undefined
    ? undefined
    : { value, from: { kind, file: found.file, line: found.lineOf(key) } };
}

/** Paths are relative to where they were written. */
function pathSetting(layers: Layers, key: FileKey, variable?: string): Setting<string> | undefined {
  const setting = textSetting(layers, key, variable);
  if (setting === undefined) return undefined;
  const { from } = setting;
  const base = from.kind === 'project' || from.kind === 'user' ? dirname(from.file) : layers.place.cwd;
  return { value: resolve(base, setting.value), from };
}

function choice<Word extends string>(
  layers: Layers,
  key: FileKey,
  variable: string,
  words: readonly Word[],
): Setting<Word> | undefined {
  const setting = textSetting(layers, key, variable);
  if (setting === undefined) return undefined;
  const found = words.find((word) => word === setting.value);
  if (found === undefined)
    throw fail('CONFIG_VARIABLE', `${describeOrigin(setting.from)} is none of ${words.join(', ')}`, {
      hint: `use ${words[0]}`,
    });
  return { value: found, from: setting.from };
}

function tokenSetting(layers: Layers): Setting<TokenPlace> | undefined {
  const { env, cwd } = layers.place;
  if (env['HOOPCTL_TOKEN']) return { value: { kind: 'variable' }, from: { kind: 'env', name: 'HOOPCTL_TOKEN' } };
  const { HOOPCTL_TOKEN_FILE: file, HOOPCTL_TOKEN_CMD: command } = env;
  if (file)
    return { value: { kind: 'file', path: resolve(cwd, file) }, from: { kind: 'env', name: 'HOOPCTL_TOKEN_FILE' } };
  if (command) return { value: { kind: 'command', command }, from: { kind: 'env', name: 'HOOPCTL_TOKEN_CMD' } };
  for (const layer of [
    { ...layers, user: undefined },
    { ...layers, project: undefined },
  ]) {
    const path = pathSetting(layer, 'tokenFile');
    if (path !== undefined) return { value: { kind: 'file', path: path.value }, from: path.from };
    const run = textSetting(layer, 'tokenCmd');
    if (run !== undefined) return { value: { kind: 'command', command: run.value }, from: run.from };
  }
  return undefined;
}

function projectOf({ file, value }: Found<ProjectDocument>, trusted: boolean): Project {
  const { agent, purpose, command, env = [], targets } = value;
  return {
    file,
    folder: dirname(file),
    trusted,
    ...optional('agent', agent),
    ...optional('purpose', purpose),
    ...optional('command', command),
    env,
    ...(targets && {
      targets: Object.fromEntries(Object.entries(targets).map(([name, { env = {} }]) => [name, { env }])),
    }),
  };
}

function optional<Key extends string, T>(key: Key, value: T | undefined): { [K in Key]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: T };
}
