/**
 * Kills a gateway as hard as can be, again and again, while clients send statements through it, and asks PostgreSQL each time what it ran: every
 * statement must have its intent in a recording that verifies.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { lastPart, type PublicKeys, readPublicKeys, verifyLogs } from '../../src/record/index.ts';
import { buildGateway } from '../fakes/built-gateway.ts';
import { type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import { dice } from './dice.ts';
import { checkSession, type Evidence, readServerLog } from './evidence.ts';
import { startTraffic, type Traffic } from './traffic.ts';

export interface CampaignOptions {
  readonly times: number;
  readonly seed: number;
  /** Told about each kill. */
  readonly onKill?: (line: string) => void;
}

export interface CampaignReport {
  readonly problems: readonly string[];
  /** Statements that were meant to pass and did not. */
  readonly refused: readonly string[];
  readonly kills: number;
  readonly sessions: number;
  readonly statements: number;
  readonly marks: number;
  readonly answered: number;
  readonly notSent: number;
  readonly openEnded: number;
  /** Recordings in more than one file. */
  readonly inParts: number;
  /** Recordings of lives that encrypted them. */
  readonly encrypted: number;
  readonly grades: Readonly<Record<string, number>>;
}

const DURABILITIES = ['effects', 'strict', 'process'] as const;

// riley's statements pass as they are, dana's are rewritten: both ways to a target.
const POLICY = `version: 1
access:
  - { name: plain, subjects: { groups: [db-owners] }, targets: [shop], effects: [read, write, delete] }
  - name: masked
    subjects: { groups: [data-agents] }
    targets: [shop]
    effects: [read, write, delete]
    scope: { schemas: [public] }
masks:
  - { name: pii, targets: [shop], columns: [public.customers.ssn], with: redact, subjects: { groups: [data-agents] } }
limits:
  - { name: no-limit, targets: [shop], rowsPerRun: none, bytesPerRun: none, rowsPerStatement: none, bytesPerStatement: none, then: deny }
`;

const NOTES = `
CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO shop_agent;`;

export async function campaign({ times, seed, onKill }: CampaignOptions): Promise<CampaignReport> {
  const chance = dice(seed);
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  let how = '';
  await using gateway = await buildGateway();
  await using stack = await startStack({
    gateway,
    policy: POLICY,
    sql: NOTES,
    durability: 'effects',
    gatewayYaml: (yaml) =>
      yaml.replace(/(durability: \w+)/, `$1, rotate: { bytes: 64KiB }, results: 256KiB, keep: 90d${how}`),
  });
  const runs = await Promise.all(['dana', 'dana', 'riley', 'riley'].map((who) => stack.run(who)));
  const traffic = startTraffic({ connections: runs.map(({ connection }) => connection), dice: chance.fork() });
  const audit = auditor(stack, traffic, identity);
  try {
    let checking: Promise<void> = Promise.resolve();
    for (let life = 1; life <= times; life++) {
      // Moments are counted in what was answered, so that a slow machine is killed in the same places; then a few ms at random.
      await traffic.further(chance.below(25));
      await new Promise((resolve) => setTimeout(resolve, chance.below(25)));
      await checking;
      await stack.process.kill();
      onKill?.(`${life}: ${stack.durability}${how.slice(0, 10)}, ${traffic.answered.size} statements answered`);
      stack.durability = chance.pick(DURABILITIES);
      how = chance.pick(['', ', compress: zstd', `, encrypt: { recipients: [${recipient}] }`]);
      const ran = await audit.ranMeanwhile();
      await stack.start();
      checking = audit.check(ran);
    }
    await checking;
    await traffic.stop();
    await close(runs);
    await stack.gateway.stop();
    await audit.check(await audit.ranMeanwhile());
    return { ...(await audit.report()), kills: times };
  } finally {
    await traffic.stop();
  }
}

async function close(runs: readonly StackRun[]): Promise<void> {
  await Promise.all(runs.map((run) => run.close('the campaign is over')));
}

function auditor(stack: Stack, traffic: Traffic, identity: string) {
  const problems: string[] = [];
  const marks = new Set<string>();
  const sum = { sessions: 0, statements: 0, notSent: 0, openEnded: 0, inParts: 0, encrypted: 0 };
  let at = 0;

  async function keys(): Promise<PublicKeys> {
    return readPublicKeys(await readFile(join(stack.gatewayFolder, 'keys', 'recording.pub'), 'utf8'), 'keys');
  }

  // The target may still be running what it got: its log is whole once the dead gateway's connections are gone.
  async function backendsGone(): Promise<void> {
    const left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hoopctl %'";
    while ((await stack.sql(left)) !== '0');
  }

  return {
    /** What the target ran since the last time. A session does not outlive its gateway, so each is told of once. */
    async ranMeanwhile() {
      await backendsGone();
      const log = await readFile(stack.postgres.logPath);
      const ran = readServerLog(log.subarray(at).toString('utf8'));
      at = log.length;
      return ran;
    },
    async check(sessions: ReturnType<typeof readServerLog>): Promise<void> {
      const trusted = await keys();
      for (const [session, ran] of sessions) {
        const evidence: Evidence = await checkSession(session, ran, stack.recordings, trusted, [identity]);
        problems.push(...evidence.problems);
        for (const mark of ran.marks) marks.add(mark);
        sum.sessions += 1;
        sum.statements += ran.statements.length;
        sum.notSent += evidence.notSent;
        sum.openEnded += evidence.openEnded;
        sum.encrypted += evidence.encrypted ? 1 : 0;
      }
    },
    async report(): Promise<Omit<CampaignReport, 'kills'>> {
      const grades: Record<string, number> = {};
      for await (const report of verifyLogs(stack.recordings, { keys: await keys() })) {
        const { grade } = report;
        const name = report.kind === 'log' ? `the log of ${report.gateway}` : report.session;
        if (grade !== 'complete' && grade !== 'crashed')
          problems.push(`${name}: ${grade} ${JSON.stringify(report.problems)}`);
        if (report.kind === 'log') continue;
        grades[grade] = (grades[grade] ?? 0) + 1;
        if (report.path !== undefined && lastPart(report.path) > 1) sum.inParts += 1;
      }
      // Else the log was not the whole log, and nothing above proves anything.
      for (const mark of traffic.answered)
        if (!marks.has(mark)) problems.push(`${mark} was answered and is not in PostgreSQL's log`);
      return { problems, refused: traffic.refused, ...sum, marks: marks.size, answered: traffic.answered.size, grades };
    },
  };
}
