/** Reads policy files into their sections. A folder of files is one policy: sections add up, names must not meet twice. */
import type { z } from 'zod';
import { openYaml, type Path, type Problem, type SourceText, type YamlDocument } from '../base/document.ts';
import { byShape, fields, given, say, unknownKey } from '../base/schema.ts';
import type { SubjectMatcher } from '../domain/principal.ts';
import * as schema from './document.ts';

/** One entry and where it stands, so that what is found out later can still point at its line. */
export interface Item<T> {
  readonly value: T;
  readonly document: YamlDocument;
  readonly path: Path;
}

export interface NamedItem<T> extends Item<T> {
  readonly name: string;
}

export interface Sections {
  readonly roles: NamedItem<SubjectMatcher>[];
  readonly agents: NamedItem<schema.AgentDocument>[];
  readonly access: NamedItem<schema.AccessDocument>[];
  readonly rules: NamedItem<schema.RuleDocument>[];
  readonly masks: NamedItem<schema.MaskDocument>[];
  readonly limits: NamedItem<schema.LimitDocument>[];
  readonly trustedFunctions: Item<schema.TrustedFunctionDocument>[];
  holdDefaults: Item<schema.HoldDocument> | undefined;
}

const KNOWN = ['version', 'roles', 'agents', 'defaults', 'access', 'rules', 'masks', 'limits', 'trustedFunctions'];

const version = byShape<1>((value) =>
  value === 1 ? given<1>(1) : say('this version of hoopctl reads policies of version 1', 'write: version: 1'),
);
const defaults = fields({ hold: schema.hold.exactOptional() });

/** Whatever could be read; what could not is in `problems`. */
export function loadSections(sources: readonly SourceText[], problems: Problem[]): Sections {
  const sections: Sections = {
    roles: [],
    agents: [],
    access: [],
    rules: [],
    masks: [],
    limits: [],
    trustedFunctions: [],
    holdDefaults: undefined,
  };
  for (const source of sources) {
    const document = openYaml(source, problems);
    if (document !== undefined) readInto(sections, document);
  }
  for (const named of [
    sections.roles,
    sections.agents,
    sections.access,
    sections.rules,
    sections.masks,
    sections.limits,
  ]) {
    refuseTwins<unknown>(named);
  }
  return sections;
}

function readInto(sections: Sections, document: YamlDocument): void {
  for (const key of document.children([])) {
    if (KNOWN.includes(String(key))) continue;
    const { path, message, hint } = unknownKey(String(key), [], KNOWN);
    document.problem(path, message, hint);
  }
  document.read(['version'], version);
  readRoles(sections, document);
  readDefaults(sections, document);
  const isName = schema.name;
  for (const key of keysOf(document, 'agents')) {
    const path = ['agents', key];
    const named = document.read(path, schema.agent);
    const badName = isName.safeParse(key).error?.issues[0]?.message;
    if (badName) document.problem(path, `agents.${key}: the name ${badName}`);
    else if (named) sections.agents.push({ name: key, value: named, document, path });
  }
  readList(document, 'access', schema.access, sections.access);
  readList(document, 'rules', schema.rule, sections.rules);
  readList(document, 'masks', schema.mask, sections.masks);
  readList(document, 'limits', schema.limit, sections.limits);
  for (const [path, value] of itemsOf(document, 'trustedFunctions', schema.trustedFunction)) {
    sections.trustedFunctions.push({ value, document, path });
  }
}

function readRoles(sections: Sections, document: YamlDocument): void {
  if (!document.children([]).includes('roles')) return;
  const roles = document.read(['roles'], schema.roles);
  for (const name of ['admin', 'auditor'] as const) {
    const value = roles?.[name];
    if (value !== undefined) sections.roles.push({ name, value, document, path: ['roles', name] });
  }
}

function readDefaults(sections: Sections, document: YamlDocument): void {
  if (!document.children([]).includes('defaults')) return;
  const value = document.read(['defaults'], defaults)?.hold;
  if (value === undefined) return;
  const path = ['defaults', 'hold'];
  if (value.moderated !== undefined) {
    document.problem(
      [...path, 'moderated'],
      'defaults.hold.moderated: whether a command is watched is said by its own rule',
      'write moderated: true in the hold of each rule that is meant',
    );
  }
  const first = sections.holdDefaults;
  if (first !== undefined) {
    document.problem(
      path,
      `defaults.hold stands in ${first.document.file}:${first.document.lineOf(first.path)} too`,
      'keep one',
    );
  } else sections.holdDefaults = { value, document, path };
}

function readList<T extends { readonly name: string }>(
  document: YamlDocument,
  section: string,
  entry: z.ZodType<T>,
  into: NamedItem<T>[],
): void {
  for (const [path, value] of itemsOf(document, section, entry)) into.push({ name: value.name, value, document, path });
}

function itemsOf<T>(document: YamlDocument, section: string, entry: z.ZodType<T>): [Path, T][] {
  const { root } = document;
  const value = (root as Record<string, unknown>)[section];
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    document.problem([section], `${section}: must be a list`);
    return [];
  }
  return value.flatMap((_, index): [Path, T][] => {
    const read = document.read([section, index], entry);
    return read === undefined ? [] : [[[section, index], read]];
  });
}

function keysOf(document: YamlDocument, section: string): string[] {
  const value = (document.root as Record<string, unknown>)[section];
  if (value === undefined) return [];
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.keys(value);
  document.problem([section], `${section}: must be a mapping (name: …)`);
  return [];
}

function refuseTwins<T>(items: readonly NamedItem<T>[]): void {
  const seen = new Map<string, NamedItem<T>>();
  for (const item of items) {
    const first = seen.get(item.name);
    if (first === undefined) seen.set(item.name, item);
    else {
      const where = `${first.document.file}:${first.document.lineOf(first.path)}`;
      item.document.problem(
        item.path,
        `"${item.name}" is the name of another entry too (${where})`,
        'give each its own name',
      );
    }
  }
}
