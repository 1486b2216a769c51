/** Reads a text without a target to ask: for trying a policy out before anything runs. Says what it had to assume. */
import { systemClock } from '../base/clock.ts';
import { errorTable, type HoopError } from '../base/error.ts';
import type { Command, Facts, Resource } from '../domain/command.ts';
import { NO_MASK } from '../domain/mask.ts';
import type { SessionView } from '../domain/session.ts';
import type { TargetName } from '../domain/target.ts';
import { protocols } from '../protocols/index.ts';
import { createSqlReader, EMPTY_CATALOG, factsIn, type StatementAnalysis } from '../languages/sql/index.ts';

/** Turns a text into what policy judges, one command for each statement. */
export type Interpret = (
  /** `settings`: its protocol's part of gateway.yaml, where one is there. */
  target: { readonly name: TargetName; readonly protocol: string; readonly settings?: unknown },
  text: string,
) => Promise<readonly Command[]>;

export interface OfflineReader {
  readonly interpret: Interpret;
  /** What was assumed, so far, in place of what a target would have said. */
  readonly assumptions: readonly string[];
  close(): Promise<void>;
}

const fail = errorTable({
  TEXT_UNREADABLE: { exit: 2, hint: 'write a statement that the target itself would read' },
  TEXT_PROTOCOL: {
    exit: 2,
    hint: 'name the gateway.yaml with this target (--gateway), or ask the gateway: leave out --policy',
  },
});

export function createOfflineReader(): OfflineReader {
  const sql = createSqlReader();
  // Its threads keep no process alive while they start, and a command line waits for nothing else.
  let assumed = false;
  const alive = setInterval(() => {}, 60_000);
  return {
    get assumptions() {
      return assumed ? [AS_ORDINARY] : [];
    },
    async interpret(target, text) {
      if (target.protocol !== 'postgres') return readBySettings(target, text);
      assumed = true;
      const bytes = Buffer.from(text);
      const basis = { catalog: EMPTY_CATALOG, masks: [], guarded: false, searchPath: [ASSUMED], trustedFunctions: [] };
      const analysis = await sql.analyse(bytes, basis);
      if (!analysis.ok) throw unreadable(analysis.message);
      const situation = { statements: analysis.statements.length, transaction: 'none' } as const;
      return analysis.statements.map((statement) =>
        commandOf({ ...statement, facts: factsIn(statement.facts, situation) }, bytes),
      );
    },
    async close() {
      clearInterval(alive);
      await sql.close();
    },
  };
}

const AS_ORDINARY =
  'read without the target: every relation named is taken for an ordinary table, one without a schema for public, and no user function is known';

/** By protocols that know from a target's settings what a text means there: nothing of the target itself is looked at. */
async function readBySettings(target: Parameters<Interpret>[0], text: string): Promise<readonly Command[]> {
  const { name, protocol, settings } = target;
  const load = settings === undefined ? undefined : protocols.get(protocol);
  const speaking = (await load?.())?.createProtocol({ clock: systemClock, fingerprint: () => '' });
  const read = await speaking?.interpret?.(text, NOTHING_IN_FORCE, { ...target, settings, labels: {}, account: '' });
  await speaking?.close();
  if (read === undefined)
    throw fail('TEXT_PROTOCOL', `texts for ${name} (${protocol}) cannot be read without the target`);
  return read;
}

const NOTHING_IN_FORCE: SessionView = {
  basis: '',
  grant: { entries: [], effects: [], guarded: false },
  masks: NO_MASK,
  trustedFunctions: [],
};

const ASSUMED = 'public';

function unreadable(message: string): HoopError {
  return fail('TEXT_UNREADABLE', `the text cannot be read: ${message}`);
}

function commandOf(statement: StatementAnalysis, text: Buffer): Command {
  const { effects, facts, schemas, refused, start, length } = statement;
  const bytes = text.subarray(start, start + length);
  const resources = statement.resources.map((resource) =>
    resource.kind === UNRESOLVED ? { ...resource, kind: 'table', name: qualified(resource.name) } : resource,
  );
  const assumed = statement.resources.some(({ kind }) => kind === UNRESOLVED);
  const scopes = assumed ? withAssumed(schemas ?? [], resources) : schemas;
  return {
    text: bytes.toString('utf8'),
    bytes,
    effects: new Set(effects),
    resources,
    facts: assumed ? assumedFacts(statement, scopes) : facts,
    scopes,
    context: '{}',
    reading: statement,
    // A name that is not found is what reading without a target is about; any other refusal stands.
    ...(refused &&
      refused.code !== 'NAME_UNKNOWN' && {
        impossible: { code: 'HOOP_DENIED' as const, reason: refused.reason, hint: refused.hint },
      }),
  };
}

function withAssumed(schemas: readonly string[], resources: readonly Resource[]): readonly string[] {
  return [...new Set([...schemas, ...resources.map(({ name }) => name.slice(0, name.lastIndexOf('.')))])];
}

/** The facts as they would be if every relation were what it is taken for. */
function assumedFacts({ facts, effects }: StatementAnalysis, schemas: readonly string[] | null): Facts {
  const tables = facts['postgres.tables'];
  return {
    ...facts,
    'postgres.schemas': schemas,
    ...(Array.isArray(tables) && { 'postgres.tables': tables.map(qualified) }),
    ...(!effects.includes('unknown') && { 'postgres.unresolved': false }),
  };
}

const UNRESOLVED = 'relation-unknown';

function qualified(name: string): string {
  return name.includes('.') ? name : `${ASSUMED}.${name}`;
}
