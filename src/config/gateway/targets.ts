/** Reads `targets:`: what all have in common here, the rest by each target's protocol. */
import { resolve } from 'node:path';
import { isMapping, type YamlDocument } from '../../base/document.ts';
import { nearest } from '../../base/nearest.ts';
import { parseTargetName } from '../../domain/target.ts';
import * as schema from './schema.ts';
import type { ConfiguredTarget, TargetReader } from './types.ts';

/** Protocols that later versions speak: naming one is no slip of the hand. */
const PLANNED = ['ssh', 'http', 'kubernetes', 'mysql', 'redis'];
const DEFAULT_HOLD = 60_000;

export function readTargets(
  document: YamlDocument,
  folder: string,
  protocols: Readonly<Record<string, TargetReader>>,
): ConfiguredTarget[] {
  const value = (document.root as Record<string, unknown>)['targets'];
  if (!isMapping(value)) {
    document.problem(['targets'], `targets: ${value === undefined ? 'is missing' : 'must be a mapping (name: …)'}`);
    return [];
  }
  const targets = Object.keys(value).flatMap(
    (name) => readTarget(document, name, value[name], folder, protocols) ?? [],
  );
  refuseHalfRotated(document, targets, protocols);
  return targets;
}

/** The password that one target's entry changes is not where another's says it is. */
function refuseHalfRotated(
  document: YamlDocument,
  targets: readonly ConfiguredTarget[],
  protocols: Readonly<Record<string, TargetReader>>,
): void {
  const planOf = ({ protocol, settings }: ConfiguredTarget) => protocols[protocol]?.accounts?.plan(settings).kind;
  const accountOf = ({ protocol, account, address }: ConfiguredTarget) =>
    `${protocol} ${account}@${address.host}:${address.port}`;
  const rotated = new Map(targets.flatMap((one) => (planOf(one) === 'rotate' ? [[accountOf(one), one.name]] : [])));
  for (const target of targets) {
    const other = planOf(target) === 'static' ? rotated.get(accountOf(target)) : undefined;
    if (other === undefined) continue;
    document.problem(
      ['targets', target.name, 'account'],
      `targets.${target.name}: the account is the one of "${other}", whose password the gateway changes`,
      'give both the same `rotate`, or one of them an account of its own',
    );
  }
}

function readTarget(
  document: YamlDocument,
  key: string,
  raw: unknown,
  folder: string,
  protocols: Readonly<Record<string, TargetReader>>,
): ConfiguredTarget | undefined {
  const path = ['targets', key];
  const name = parseTargetName(key);
  if (name === undefined) {
    document.problem(
      path,
      `targets: "${key}" is no name for a target`,
      'use small letters, digits and "-", beginning with a letter, at most 63',
    );
  }
  const shared = document.read(path, schema.target);
  if (shared === undefined || name === undefined || !isMapping(raw)) return undefined;
  const reader = Object.hasOwn(protocols, shared.protocol) ? protocols[shared.protocol] : undefined;
  if (reader === undefined) {
    refuseProtocol(document, key, shared.protocol, Object.keys(protocols));
    return undefined;
  }
  const { protocol, labels, holdInTransaction, ...own } = raw;
  const result = reader.settings(withFilesFrom(folder, own));
  if (!result.ok) {
    for (const problem of result.problems) {
      document.problem([...path, ...problem.path], `targets.${name}: ${problem.message}`, problem.hint);
    }
    return undefined;
  }
  const { database } = own;
  return {
    name,
    protocol: shared.protocol,
    labels: shared.labels ?? {},
    account: result.account,
    address: result.address,
    settings: result.settings,
    secrets: result.secrets,
    ...(typeof database === 'string' && { database }),
    requireLeastPrivilege: shared.requireLeastPrivilege ?? true,
    holdInTransaction: shared.holdInTransaction ?? DEFAULT_HOLD,
  };
}

function refuseProtocol(document: YamlDocument, target: string, protocol: string, known: readonly string[]): void {
  const path = ['targets', target, 'protocol'];
  if (PLANNED.includes(protocol)) {
    document.problem(
      path,
      `targets.${target}: the protocol ${protocol} is not in this version`,
      `this version speaks: ${known.join(', ')}`,
    );
    return;
  }
  const guess = nearest(protocol, known);
  document.problem(
    path,
    `targets.${target}: unknown protocol "${protocol}"`,
    guess ? `did you mean "${guess}"?` : `this version speaks: ${known.join(', ')}`,
  );
}

/** A file that a target names (a CA's, a description) is named relative to gateway.yaml, as every other file is; a protocol does not know where that lies. */
function withFilesFrom(folder: string, own: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { tls, openapi } = own;
  return {
    ...own,
    ...(isMapping(tls) && { tls: { ...tls, ...('ca' in tls && { ca: fileFrom(folder, tls['ca']) }) } }),
    ...('openapi' in own && { openapi: fileFrom(folder, openapi) }),
  };
}

function fileFrom(folder: string, named: unknown): unknown {
  if (isMapping(named) && typeof named['file'] === 'string') return { ...named, file: resolve(folder, named['file']) };
  return typeof named === 'string' && named !== '' ? resolve(folder, named) : named;
}
