/**
 * An agent that answers questions about a shop's orders. Run it with: hoopctl run
 *
 * It holds no database password and no host name. hoopctl puts DATABASE_URL into its environment, which leads into a tunnel; what it may do
 * there is the gateway's to say. A refusal comes back as an ordinary database error, which is handed to the model with what it means.
 */
import { Agent, run, setTracingDisabled, tool } from '@openai/agents';
import pg from 'pg';
import { z } from 'zod';

for (const [name, hint] of [
  ['DATABASE_URL', 'start it with: hoopctl run (with several targets, map one in hoop.yaml)'],
  ['OPENAI_API_KEY', 'export it, and let hoop.yaml name it under env:'],
]) {
  if (process.env[name as string]) continue;
  console.error(`${name} is not set: ${hint}`);
  process.exit(1);
}

setTracingDisabled(true); // traces would carry what the queries return to a third place

/** What a refusal means to whoever asked. The words stay the same from version to version. */
const REFUSALS = new Map([
  ['HOOP_DENIED', 'Not allowed. Do not send it again; find another way, or say what you could not do.'],
  ['HOOP_HELD', 'A person has to approve it first. Send exactly the same statement again later.'],
  ['HOOP_LIMIT', 'Too much. Ask for less: filter, aggregate, page.'],
  ['HOOP_REVOKED', 'Your access was taken away. Stop, and say so.'],
]);

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
      return JSON.stringify({ rows, command, rowCount });
    } catch (error) {
      const { message, hint } = error as pg.DatabaseError;
      console.log(`  ${message}`);
      const [word = ''] = /HOOP_[A-Z]+/.exec(message) ?? [];
      return JSON.stringify({ error: message, hint, meaning: REFUSALS.get(word) });
    }
  },
});

const agent = new Agent({
  name: 'shop-agent',
  instructions: [
    'You look after the orders of a small shop. Use the query tool.',
    'Values that read *** are masked on purpose: work without them.',
    ...[...REFUSALS].map(([word, meaning]) => `${word} in an error means: ${meaning}`),
  ].join('\n'),
  tools: [query],
});

const task = process.argv.slice(2).join(' ') || 'Who are our customers, and which orders can we tidy up?';
const { finalOutput } = await run(agent, task);
console.log(finalOutput);
await database.end();
