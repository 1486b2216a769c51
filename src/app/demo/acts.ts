/** The demo's steps. Each does one thing and says what it found; what it claims it has asked PostgreSQL, /proc or the recording about. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { packageRoot } from '../../base/entry.ts';
import { lookAfterTheHost } from './act-ssh.ts';
import type { Scene } from './scene.ts';
import { searchProcesses } from './search.ts';
import type { Step } from './steps.ts';
import { SHOP_SECRETS } from './shop.sql.ts';
import { event, expect, parseLines } from './watching.ts';
import { PEOPLE, type World } from './world.ts';

type Detail = Readonly<Record<string, unknown>>;

export const act: Readonly<Record<Step, (scene: Scene) => Promise<Detail>>> = {
  async idp({ world }) {
    const { issuer } = await world.startIdp();
    const people = Object.values(PEOPLE).map(({ email, groups }) => `${email} (${groups.join()})`);
    return { issuer, people };
  },

  async postgres({ world }) {
    await world.startPostgres();
    const version = await world.askOne('SHOW server_version');
    const customers = Number(await world.askOne('SELECT count(*) FROM customers'));
    const ssn = await world.askOne('SELECT ssn FROM customers WHERE id = 1');
    expect(ssn === SHOP_SECRETS[0], 'the shop holds no SSN to hide');
    return { version, customers, ssnOfTheFirst: ssn };
  },

  async host({ world }) {
    const { server, user, webProcess } = await world.startHost();
    return { server, account: user, webServerProcess: await webProcess() };
  },

  async gateway({ world }) {
    await world.startGateway();
    return { url: world.gatewayUrl, isolation: 'none' };
  },

  async login({ world, story }) {
    for (const person of ['dana', 'riley'] as const) {
      const child = world.as(person, ['login', '--gateway', world.gatewayUrl, '--insecure-storage']);
      await world.signIn(person, child);
      const code = await child.exited;
      expect(code === 0, `the login of ${person} ended with ${code}: ${child.stderr().slice(-400)}`);
    }
    story.aside('(the demo signs in at the provider for both; at work you open the link and do it yourself)');
    const me = JSON.parse(await world.done('dana', ['whoami', '--json'])) as { name: string; groups: string[] };
    expect(me.name === PEOPLE.dana.email, `the gateway takes dana for ${me.name}`);
    return { as: me.name, groups: me.groups };
  },

  async run({ world, story }) {
    await story.pause();
    const agent = join(packageRoot(), 'templates', 'openai-agent', 'agent.ts');
    // What an engineer has lying about, and an agent must not get.
    const env = { PGPASSWORD: world.databasePassword, OPENAI_API_KEY: world.modelKey };
    const args = [
      'run',
      ...['--target', 'shop', '--target', 'openai'],
      ...['--agent', 'shop-agent', '--purpose', 'tidies up orders'],
      ...['--events', world.eventsPath],
    ];
    world.run = world.as('dana', [...args, agent], { env, onLine: (line) => story.agent(line) });
    const ready = await event(world, 'ready');
    world.runId = String(ready.run);
    await world.run.says(/> SELECT/);
    const { searched, lookedInto, found } = await searchProcesses(world.run.process.pid ?? 0, [world.databasePassword]);
    expect(searched > 0, 'no process of the agent was found to look into');
    expect(found[0] === 0, 'the database password is in the agent');
    return {
      run: world.runId,
      processesSearched: searched,
      lookedInto,
      databasePasswordFound: found[0],
    };
  },

  async model({ world }) {
    const asked = world.model?.asked() ?? 0;
    expect(asked > 0, 'the model was not asked');
    const { lookedInto, found } = await searchProcesses(world.run?.process.pid ?? 0, [world.modelKey]);
    expect(found[0] === 0, 'the key of the model is in the agent');
    const sessions = await world.sessions('openai');
    const [latest] = parseLines(await world.done('dana', ['sessions', 'replay', sessions[0] ?? '', '--json'])).flatMap(
      (line) => (line as { usage?: object }).usage ?? [],
    );
    expect(latest !== undefined, 'what the model took is not recorded');
    return {
      requestsWithTheKey: asked,
      lookedInto: `${lookedInto} of the agent`,
      keyFound: found[0],
      recorded: latest,
    };
  },

  async masked({ world }) {
    await world.run?.says(/Lindqvist/);
    await world.run?.says(/> DROP/);
    const seen = world.run?.stdout() ?? '';
    const leaked = SHOP_SECRETS.filter((secret) => seen.includes(secret));
    expect(leaked.length === 0, `the agent saw ${leaked.join()}`);
    expect(seen.includes('***'), 'nothing was masked');
    expect(!seen.includes('@example.test'), 'the agent saw an e-mail address');
    const held = Number(await world.askOne(`SELECT count(*) FROM customers WHERE ssn = '${SHOP_SECRETS[0]}'`));
    expect(held === 1, 'PostgreSQL does not hold the SSN any more');
    return { agentSaw: '*** for ssn, card and e-mail', postgresStillHolds: SHOP_SECRETS[0] };
  },

  async denied({ world }) {
    const [refusal] = (await world.run?.says(/HOOP_DENIED[^\n]*/)) ?? [''];
    await world.run?.says(/> DELETE/);
    const tables = Number(await world.askOne("SELECT count(*) FROM pg_tables WHERE tablename = 'customers'"));
    expect(tables === 1, 'the table is gone');
    expect(!(await postgresLog(world)).includes('DROP TABLE customers'), 'the statement reached PostgreSQL');
    return { agentWasTold: refusal, reachedPostgres: false };
  },

  async held({ world }) {
    const held = await event(world, 'held');
    const cancelled = Number(await world.askOne("SELECT count(*) FROM orders WHERE status = 'cancelled'"));
    expect(cancelled > 0, 'the orders are gone although nobody approved');
    expect(!(await postgresLog(world)).includes('DELETE FROM'), 'the statement reached PostgreSQL');
    return { request: held.approval, rule: held.rule, cancelledOrdersStillThere: cancelled };
  },

  async approved({ world, story, interactive }) {
    const held = await event(world, 'held');
    const id = String(held.approval);
    const view = JSON.parse(await world.done('riley', ['approvals', 'show', id, '--json'])) as {
      text: string;
      digest: string;
    };
    story.aside(`exact text: ${view.text}`);
    story.aside(`digest:     ${view.digest}`);
    if (interactive) {
      const word = await story.choose('You are riley. Let it run?', ['approve', 'deny']);
      expect(word === 'approve', 'you denied it: the agent was told so, and nothing ran');
    }
    const child = world.as('riley', ['approve', id, '--digest', view.digest]);
    await world.signIn('riley', child);
    expect((await child.exited) === 0, `approving failed: ${child.stderr().slice(-400)}`);
    await world.run?.says(/> SELECT count/);
    const left = Number(await world.askOne("SELECT count(*) FROM orders WHERE status = 'cancelled'"));
    expect(left === 0, 'it was approved and did not run');
    const own = world.as('dana', ['approve', id]);
    const refused = (await own.exited) !== 0;
    expect(refused, 'dana could approve her own agent');
    return { by: PEOPLE.riley.email, cancelledOrdersLeft: left, danaMayApproveHerOwnAgent: false };
  },

  async revoked({ world, story }) {
    const running = () =>
      world.askOne("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_agent' AND state = 'active'");
    for (let tries = 0; (await running()) === '0' && tries < 100; tries++) await later(50);
    await story.pause();
    const before = performance.now();
    const receipt = JSON.parse(
      await world.done('dana', ['revoke', '--run', world.runId, '--reason', 'the demo', '--yes', '--json']),
    ) as Receipt;
    const code = await world.run?.exited;
    const agentGoneAfterMs = Math.round(performance.now() - before);
    expect(receipt.sessions.length > 0, 'no session was cut');
    expect(code === 7, `hoopctl run ended with ${code} instead of 7`);
    for (let tries = 0; (await running()) !== '0' && tries < 40; tries++) await later(50);
    expect((await running()) === '0', 'the query is still running in PostgreSQL');
    const cutAfterMs = Date.parse(receipt.finishedAt) - Date.parse(receipt.receivedAt);
    const session = receipt.sessions.find(({ inFlight }) => inFlight.length > 0);
    return {
      cutAfterMs,
      agentGoneAfterMs,
      queryInPostgres: session?.inFlight[0]?.state ?? 'none in flight',
      exitCode: code,
    };
  },

  ssh: lookAfterTheHost,

  async replay({ world }) {
    const [session] = await world.sessions('shop');
    expect(session !== undefined, 'the session is not listed');
    const text = await world.done('dana', ['sessions', 'replay', session ?? '']);
    for (const part of ['DROP TABLE customers', 'DELETE FROM orders', 'approved'])
      expect(text.includes(part), `the replay does not show ${part}: ${text.slice(-400)}`);
    const leaked = SHOP_SECRETS.filter((secret) => text.includes(secret));
    expect(leaked.length === 0 && !text.includes(world.databasePassword), 'the recording holds what nobody should see');
    return { session, command: `hoopctl sessions replay ${session}` };
  },

  async verify({ world }) {
    const recordings = join(world.gatewayFolder, 'recordings');
    const key = join(world.gatewayFolder, 'keys', 'recording.pub');
    await world.done('dana', ['audit', 'verify', recordings, '--key', key]);
    const forged = await forge(recordings, join(world.folder, 'forged'));
    const child = world.as('dana', ['audit', 'verify', forged, '--key', key]);
    const code = await child.exited;
    expect(code === 8, `a recording with one changed letter ended with ${code} instead of 8`);
    return { recordings: 'whole', withOneLetterChanged: 'found (exit 8)' };
  },
};

interface Receipt {
  readonly receivedAt: string;
  readonly finishedAt: string;
  readonly sessions: readonly { readonly inFlight: readonly { readonly state: string }[] }[];
}

function postgresLog(world: World): Promise<string> {
  return readFile(world.postgres?.logPath ?? '', 'utf8');
}

/** A copy of the recording of the shop, with one letter of a statement changed. */
async function forge(recordings: string, folder: string): Promise<string> {
  const statement = 'DELETE FROM orders';
  for (const name of await readdir(recordings, { recursive: true })) {
    if (!/\.ndjson(\.gz)?$/.test(name)) continue;
    const bytes = await readFile(join(recordings, name));
    const packed = name.endsWith('.gz');
    const text = (packed ? gunzipSync(bytes) : bytes).toString('utf8');
    if (!text.includes(statement)) continue;
    const changed = text.replace(statement, 'DELETE FROM Orders');
    const forged = join(folder, basename(name));
    await mkdir(folder, { recursive: true });
    await writeFile(forged, packed ? gzipSync(changed) : changed);
    return forged;
  }
  throw new Error('there is no recording of the statement');
}
