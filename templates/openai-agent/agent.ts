/**
 * An agent that answers questions about a shop's orders. Run it with: hoopctl run agent.ts
 *
 * It holds no database password and no host name. hoopctl puts DATABASE_URL into its environment, which leads into a tunnel; what it may do
 * there is the gateway's to say. A refusal comes back as an ordinary database error, which is handed to the model to act on.
 */
import { Agent, run, tool } from '@openai/agents';
import pg from 'pg';
import { z } from 'zod';

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
      return JSON.stringify({ error: message, hint });
    }
  },
});

const agent = new Agent({
  name: 'shop-agent',
  instructions: [
    'You look after the orders of a small shop. Use the query tool.',
    'HOOP_DENIED means: do not try again, find another way or say what you could not do.',
    'HOOP_HELD means: a person has to approve; send the same statement again later.',
  ].join('\n'),
  tools: [query],
});

const task = process.argv.slice(2).join(' ') || 'Who are our customers, and which orders can we tidy up?';
const { finalOutput } = await run(agent, task);
console.log(finalOutput);
await database.end();
