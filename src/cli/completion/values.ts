/**
 * Names that have to be looked up: of the gateway, as the login in use, and of this machine.
 *
 * A tab never asks a person for anything, never runs a token's command, and inside a run never uses the login of the run's user. Whatever fails is
 * an empty answer.
 */
import { createHash } from 'node:crypto';
import type { GatewayClient } from '../../api/client.ts';
import type { LoginPlace } from '../../app/login.ts';
import { agentName } from '../wording.ts';
import type { Completes } from '../command.ts';
import type { Candidate, Place } from './walk.ts';
import { openMemory } from './remembered.ts';

interface Question {
  /** How long an answer counts as new, and how long it is better than none; ms. */
  readonly fresh: number;
  readonly stale: number;
  ask(client: GatewayClient, signal: AbortSignal): Promise<readonly Candidate[]>;
}

// Targets and people come and go by the day, requests and sessions by the second.
const SLOW = { fresh: 60_000, stale: 3_600_000 };
const QUICK = { fresh: 3_000, stale: 30_000 };

const QUESTIONS: ReadonlyMap<Completes, Question> = new Map<Completes, Question>([
  [
    'target',
    {
      ...SLOW,
      ask: async (client, signal) =>
        (await client.targets(signal)).map(({ name, protocol, effects }) => ({
          value: name,
          description: `${protocol}: ${effects.join(', ')}`,
        })),
    },
  ],
  [
    'approval',
    {
      ...QUICK,
      ask: async (client, signal) =>
        (await client.approvals({ state: 'open' }, signal)).map(({ id, target, requester, text }) => ({
          value: id,
          description: `${target}, ${requester}: ${text}`,
        })),
    },
  ],
  ['session', { ...QUICK, ask: (client, signal) => sessions(client, {}, signal) }],
  ['liveSession', { ...QUICK, ask: (client, signal) => sessions(client, { live: true }, signal) }],
  [
    'run',
    {
      ...QUICK,
      ask: async (client, signal) =>
        distinct(
          (await client.sessions({ limit: LISTED }, signal)).map(({ run, agent, principal }) => ({
            value: run,
            description: `${agentName(agent)}, ${principal}`,
          })),
        ),
    },
  ],
  [
    'agent',
    {
      ...SLOW,
      ask: async (client, signal) =>
        (await client.agents(signal)).map(({ name, kind }) => ({ value: name, description: kind })),
    },
  ],
  [
    'person',
    {
      ...SLOW,
      ask: async (client, signal) =>
        (await client.people(signal)).map(({ name, issuer }) => ({ value: name, description: issuer })),
    },
  ],
  ['revocation', { ...QUICK, ask: (client, signal) => revocations(client, false, signal) }],
  ['standingRevocation', { ...QUICK, ask: (client, signal) => revocations(client, true, signal) }],
]);

/** Rows that are worth showing after a tab. */
const LISTED = 100;
/** An answer in the background may take its time, ms. */
const PATIENCE = 10_000;

export interface Around {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** What is known of a kind: asked for, or as it was told lately. Resolves to what is kept when `soon` aborts first, and has it asked for behind. */
export async function lookUp(
  kind: Completes,
  place: Pick<Place, 'given' | 'gateway' | 'ca'>,
  around: Around,
  soon: AbortSignal,
  askBehind: () => Promise<void>,
): Promise<readonly Candidate[]> {
  const local = LOCAL.get(kind);
  const found = local === undefined ? [] : await local(place, around);
  const question = QUESTIONS.get(kind === 'openTunnel' && found.length === 0 ? 'target' : kind);
  if (question === undefined) return found;
  const asker = await askerOf(kind, place, around);
  if (asker === undefined) return [];
  const { memory } = asker;
  const kept = memory.read();
  const age = Date.now() - (kept?.at ?? 0);
  if (kept !== undefined && age >= 0 && age < question.fresh) return kept.values;
  const old = kept !== undefined && age >= 0 && age < question.stale ? kept.values : [];
  if (!soon.aborted) {
    const late = new Promise<'late'>((resolve) =>
      soon.addEventListener('abort', () => resolve('late'), { once: true }),
    );
    // Not ended by `soon`: an answer that comes while another process is started is still remembered.
    const answer = await Promise.race([ask(question, asker, AbortSignal.timeout(PATIENCE)), late]);
    if (answer !== 'late') return answer;
  }
  if (memory.beginAsking(Date.now())) await askBehind();
  return old;
}

/** In a process of its own, after the shell was answered: fills the memory for the next tab. */
export async function refresh(
  kind: Completes,
  place: Pick<Place, 'given' | 'gateway' | 'ca'>,
  around: Around,
): Promise<void> {
  const question = QUESTIONS.get(kind === 'openTunnel' ? 'target' : kind);
  const asker = await askerOf(kind, place, around);
  if (question !== undefined && asker !== undefined) await ask(question, asker, AbortSignal.timeout(PATIENCE));
}

interface Asker {
  readonly memory: ReturnType<typeof openMemory>;
  open(): Promise<GatewayClient>;
}

async function ask({ ask }: Question, { memory, open }: Asker, signal: AbortSignal): Promise<readonly Candidate[]> {
  let client: GatewayClient | undefined;
  try {
    client = await open();
    const values = (await ask(client, signal)).slice(0, 500);
    memory.write(values, Date.now());
    return values;
  } catch (error) {
    // A gateway that says no has not forgotten to answer: what it told before is not to be shown again.
    if (!signal.aborted && (error as { exit?: unknown } | null)?.exit !== 6) memory.forget();
    throw error;
  } finally {
    client?.close();
  }
}

/** As whom the gateway is asked; undefined where that would use, run or ask for something. */
async function askerOf(
  kind: Completes,
  { gateway, ca }: Pick<Place, 'gateway' | 'ca'>,
  { env, cwd }: Around,
): Promise<Asker | undefined> {
  const [login, { readKnown, findKnown }, { systemClock }] = await Promise.all([
    import('../../app/login.ts'),
    import('../../app/known-gateways.ts'),
    import('../../base/clock.ts'),
  ]);
  const place: LoginPlace = { env, cwd, gateway, ca, clock: systemClock, notice: () => {} };
  const [{ url }, { folder, token }] = await Promise.all([login.gatewayAddress(place), login.clientConfig(place)]);
  if (token?.value.kind === 'command') return undefined;
  if (token === undefined) login.refuseInRun(place);
  const who =
    token === undefined
      ? findKnown(readKnown(folder), url)?.login
      : token.value.kind === 'file'
        ? token.value
        : digest(env['HOOPCTL_TOKEN']);
  if (who === undefined) return undefined;
  const key = digest([folder, url, who, kind === 'openTunnel' ? 'target' : kind]).slice(0, 32);
  return { memory: openMemory(env, key), open: async () => (await login.openGateway(place)).client };
}

type Local = (place: Pick<Place, 'given' | 'gateway' | 'ca'>, around: Around) => Promise<readonly Candidate[]>;

const LOCAL: ReadonlyMap<Completes, Local> = new Map<Completes, Local>([
  ['gateway', async (_place, around) => gateways(around)],
  ['openTunnel', async (_place, around) => openTunnels(around)],
  ['variable', async (_place, { env }) => Object.keys(env).map((value) => ({ value }))],
  ['command', async ({ given }) => explained(given)],
  ['template', async () => templates()],
]);

async function gateways({ env, cwd }: Around): Promise<Candidate[]> {
  const [{ configPlace }, { readKnown }] = await Promise.all([
    import('../../config/index.ts'),
    import('../../app/known-gateways.ts'),
  ]);
  return readKnown(configPlace(env, cwd).folder).gateways.map(({ url, login }) => ({
    value: url,
    description: login === undefined ? 'not logged in' : login.name,
  }));
}

async function templates(): Promise<Candidate[]> {
  const { TEMPLATES } = await import('../../app/init-templates.ts');
  return TEMPLATES.map(({ name: value, summary: description }) => ({ value, description }));
}

/** A tunnel is its owner's, as a login is: nothing of it inside a run. */
async function openTunnels({ env, cwd }: Around): Promise<Candidate[]> {
  if (env['HOOP_RUN_ID']) return [];
  const [{ configPlace }, { controlFolder, holders }] = await Promise.all([
    import('../../config/index.ts'),
    import('../../app/tunnel-control.ts'),
  ]);
  const open = await holders(controlFolder(env, configPlace(env, cwd).folder));
  return open.flatMap(({ gateway, tunnels }) => tunnels.map(({ target }) => ({ value: target, description: gateway })));
}

/** What `help` has: commands and topics, the subcommands of one, the codes of errors. */
async function explained(given: readonly string[]): Promise<readonly Candidate[]> {
  const { COMMANDS } = await import('../commands.ts');
  const [name] = given;
  if (name === undefined) return COMMANDS.map(({ name: value, summary: description }) => ({ value, description }));
  if (given.length > 1) return [];
  if (name === 'errors')
    return (await import('../error-codes.ts'))
      .errorRows()
      .map(({ code: value, meaning: description }) => ({ value, description }));
  const command = COMMANDS.find((each) => each.name === name);
  const { subcommands = [] } = (await command?.load())?.command ?? {};
  return subcommands.map(({ name: value, summary: description }) => ({ value, description }));
}

async function sessions(
  client: GatewayClient,
  filter: { live?: boolean },
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  return (await client.sessions({ ...filter, limit: LISTED }, signal)).map(({ id, target, principal, state }) => ({
    value: id,
    description: `${target}, ${principal}, ${state}`,
  }));
}

async function revocations(
  client: GatewayClient,
  standing: boolean,
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  const [all, { scopeText }] = await Promise.all([client.revocations(signal), import('../revocation-scope.ts')]);
  return all
    .filter(({ liftedAt }) => !standing || liftedAt === undefined)
    .map(({ id, scope, reason }) => ({
      value: id,
      description: reason === undefined ? scopeText(scope) : `${scopeText(scope)}: ${reason}`,
    }));
}

function distinct(values: readonly Candidate[]): readonly Candidate[] {
  return [...new Map(values.map((each) => [each.value, each])).values()];
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
