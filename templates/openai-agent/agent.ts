/**
 * An agent that looks after a small shop: its database, its APIs, its hosts. Run it with: hoopctl run
 *
 * It holds no password, no key and no host name. hoopctl puts endpoints into its environment, which lead into tunnels: DATABASE_URL, HOOP_<NAME>_URL and
 * HOOP_<NAME>_TOKEN for an API, HOOP_SSH_CONFIG for hosts, OPENAI_BASE_URL and OPENAI_API_KEY for the model. What it may do there is the gateway's to say;
 * a refusal comes back as an ordinary error, which is handed to the model with what it means.
 */
import { execFile } from 'node:child_process';
import { Agent, Runner, type Tool, tool } from '@openai/agents';
import pg from 'pg';
import { z } from 'zod';

for (const [name, hint] of [
  ['DATABASE_URL', 'start it with: hoopctl run (with several databases, map one in hoop.yaml)'],
  [
    'OPENAI_API_KEY',
    'the gateway needs a target with `preset: openai`; or export a key, and let hoop.yaml name it under env:',
  ],
]) {
  if (process.env[name as string]) continue;
  console.error(`${name} is not set: ${hint}`);
  process.exit(1);
}

/** What a refusal means to whoever asked. The words stay the same from version to version. */
const REFUSALS = new Map([
  [
    'HOOP_DENIED',
    'Not allowed. Do not send it again; find another way, or say what you could not do and why you need it.',
  ],
  [
    'HOOP_HELD',
    'A person has to approve it first. Send exactly the same again later, or say that it waits, with the id of the request.',
  ],
  ['HOOP_LIMIT', 'Too much. Ask for less: filter, aggregate, page.'],
  ['HOOP_REVOKED', 'Your access was taken away. Stop, and say so.'],
]);

/** For the model: what came back, and what it means where it is a refusal. */
function answer(result: Record<string, unknown>, words = ''): string {
  const [word = ''] = /HOOP_[A-Z]+/.exec(words) ?? [];
  return JSON.stringify({ ...result, meaning: REFUSALS.get(word) });
}

const database = new pg.Client({ connectionString: process.env.DATABASE_URL, application_name: 'shop-agent' });
database.on('error', (error) => console.log(`the connection ended: ${error.message}`));
database.on('notice', ({ message }) => console.log(`  (${message})`));
await database.connect();

const query = tool({
  name: 'query',
  description: 'Runs one SQL statement on the shop database (PostgreSQL) and returns its rows as JSON, or the error.',
  parameters: z.object({ sql: z.string() }),
  async execute({ sql }) {
    console.log(`> ${sql}`);
    try {
      const { rows, command, rowCount } = await database.query(sql);
      if (rows.length > 0) console.table(rows);
      else console.log(`  ${command} ${rowCount ?? ''}`);
      return answer({ rows, command, rowCount });
    } catch (error) {
      const { message, hint } = error as pg.DatabaseError;
      console.log(`  ${message}`);
      return answer({ error: message, hint }, message);
    }
  },
});

/** The targets of this run: names and what may be done there, no secrets. */
const targets: { name: string; protocol: string; variables: string[] }[] = JSON.parse(process.env.HOOP_TARGETS ?? '[]');
const apis = targets.filter(({ protocol, variables }) => protocol === 'http' && !variables.includes('OPENAI_API_KEY'));
const hosts = targets.filter(({ protocol }) => protocol === 'ssh');
const names = (of: typeof targets) => of.map(({ name }) => name).join(', ');

// Each request belongs to the trace that hoopctl began: there the model's answers, the database's sessions and these meet.
const trace = process.env.TRACEPARENT ?? '';
const traced = trace === '' ? {} : { traceparent: trace };

const callApi = tool({
  name: 'call_api',
  description: `Sends one HTTP request to an API and returns status and body. APIs: ${names(apis)}.`,
  parameters: z.object({
    api: z.string(),
    method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
    path: z.string().describe('begins with a slash; with the query'),
    body: z.string().nullable().describe('JSON'),
  }),
  async execute({ api, method, path, body }) {
    console.log(`> ${method} ${api}${path}`);
    if (!apis.some(({ name }) => name === api) || !path.startsWith('/'))
      return answer({ error: `there is ${names(apis)}, and a path begins with a slash` });
    const prefix = `HOOP_${api.toUpperCase().replaceAll('-', '_')}`;
    try {
      const response = await fetch(`${process.env[`${prefix}_URL`]}${path}`, {
        method,
        headers: {
          ...traced,
          authorization: `Bearer ${process.env[`${prefix}_TOKEN`]}`,
          ...(body === null ? {} : { 'content-type': 'application/json' }),
        },
        body,
        redirect: 'manual',
      });
      const text = await response.text();
      console.log(`  ${response.status}, ${text.length} characters`);
      // The header is never the API's own: who sees it hears the gateway.
      return answer({ status: response.status, body: text }, response.headers.get('hoop-refusal') ?? '');
    } catch (error) {
      return answer({ error: String(error) });
    }
  },
});

const remote = tool({
  name: 'remote',
  description: `Runs one command on a host and returns its exit code and output. Hosts: ${names(hosts)}.`,
  parameters: z.object({ host: z.string(), command: z.string() }),
  async execute({ host, command }) {
    console.log(`> ${host}: ${command}`);
    if (!hosts.some(({ name }) => name === host)) return answer({ error: `there is ${names(hosts)}` });
    const { exit, stdout, stderr } = await ssh(host, command);
    console.log(`  exit code ${exit}`);
    // The gateway's own words are lines of standard error that begin with hoop:
    return answer({ exit, stdout, stderr }, /^hoop: .*$/m.exec(stderr)?.[0]);
  },
});

function ssh(host: string, command: string): Promise<{ exit: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const args = ['-F', process.env.HOOP_SSH_CONFIG ?? '', host, '--', command];
    const child = execFile('ssh', args, { maxBuffer: 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ exit: error === null ? 0 : error.code, stdout, stderr });
    });
    child.stdin?.end();
  });
}

const tools: Tool[] = [query];
if (apis.length > 0) tools.push(callApi);
if (hosts.length > 0) tools.push(remote);

const agent = new Agent({
  name: 'shop-agent',
  instructions: [
    'You look after a small shop. Use your tools.',
    'Values that read *** are masked on purpose: work without them.',
    ...[...REFUSALS].map(([word, meaning]) => `${word} in an answer means: ${meaning}`),
  ].join('\n'),
  tools,
  modelSettings: { providerData: { extraHeaders: traced } },
});

// hoopctl switches off the SDK's own traces (OPENAI_AGENTS_DISABLE_TRACING): they would carry what the tools return to a third place. With a processor of
// your own, they have the run and its trace in them.
const runner = new Runner({
  workflowName: 'shop-agent',
  tracingDisabled: process.env.OPENAI_AGENTS_DISABLE_TRACING !== '0',
  groupId: process.env.HOOP_RUN_ID ?? 'none',
  ...(trace === '' ? {} : { traceId: `trace_${trace.split('-')[1]}` }),
});

const [first, ...others] = process.argv.slice(2);
const words = first === '--stream' ? others : process.argv.slice(2);
const task = words.join(' ') || 'Who are our customers, and which orders can we tidy up?';

try {
  if (first === '--stream') {
    const result = await runner.run(agent, task, { stream: true });
    for await (const text of result.toTextStream()) process.stdout.write(text);
    await result.completed;
    console.log();
  } else console.log((await runner.run(agent, task)).finalOutput);
} catch (error) {
  // What the gateway refuses of the conversation with the model itself.
  const { message } = error as Error;
  const [word = ''] = /HOOP_[A-Z]+/.exec(message) ?? [];
  console.error([message, REFUSALS.get(word)].filter(Boolean).join('\n'));
  process.exitCode = 1;
} finally {
  await database.end();
}
