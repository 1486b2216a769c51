/**
 * Clients that never stop: each connects through a run's door, sends statements of every kind with a mark no other statement has, and
 * connects again when the gateway is gone.
 */
import pg from 'pg';
import { copyIn, copyOut } from '../fakes/pg-copy.ts';
import type { Dice } from './dice.ts';

/** Marks are found again in PostgreSQL's log and in recordings, whatever the text around them became. */
export const MARK = /mark-[0-9]+-[0-9]+-/g;

export interface Traffic {
  /** Marks whose statement was answered with success. */
  readonly answered: ReadonlySet<string>;
  /** Errors the target or the gateway answered while the connection lived: the statements were meant to be allowed. */
  readonly refused: readonly string[];
  /** Resolves once so many further statements were answered. Rejects when nothing is answered for a long time. */
  further(count: number): Promise<void>;
  stop(): Promise<void>;
}

const PAUSE_MS = 40;
const PATIENCE_MS = 30_000;

type Send = (client: pg.Client, mark: string, n: number) => Promise<unknown>;

/** What a lane sends, one after another in random order. */
const KINDS: Readonly<Record<string, Send>> = {
  'a simple read': (client, mark) => client.query(`SELECT '${mark}' AS mark, count(*) FROM orders`),
  'an extended read': (client, mark, n) =>
    client.query('SELECT $1::text AS mark, amount FROM orders WHERE id = $2', [mark, n]),
  // After it the recording goes on in another file.
  'a long answer': (client, mark) => client.query(`SELECT '${mark}' AS mark, repeat('a word ', 9000) AS words`),
  'a prepared read': (client, mark) =>
    client.query({ name: 'by-status', text: 'SELECT id FROM orders WHERE status <> $1 LIMIT 3', values: [mark] }),
  'a simple write': (client, mark) => client.query(`INSERT INTO notes (body) VALUES ('${mark}')`),
  'an extended write': (client, mark) => client.query('INSERT INTO notes (body) VALUES ($1)', [mark]),
  'a prepared write': (client, mark) =>
    client.query({ name: 'note', text: 'INSERT INTO notes (body) VALUES ($1) RETURNING id', values: [mark] }),
  'an update': (client, mark, n) => client.query('UPDATE notes SET body = $1 WHERE id = $2', [mark, n]),
  'a delete': (client, mark) => client.query(`DELETE FROM notes WHERE body = 'not ${mark}'`),
  'several at once': (client, mark) =>
    client.query(`INSERT INTO notes (body) VALUES ('${mark}'); SELECT count(*), '${mark}' AS mark FROM notes`),
  'a transaction': async (client, mark) => {
    await client.query('BEGIN');
    await client.query('INSERT INTO notes (body) VALUES ($1)', [mark]);
    await client.query('COMMIT');
  },
  'a copy in': (client, mark) => copyIn(client, `COPY notes (body) FROM STDIN WITH (NULL '${mark}')`, 'copied\n'),
  'a copy out': async (client, mark) => {
    const { error } = await copyOut(client, `COPY (SELECT '${mark}' AS mark, id FROM orders) TO STDOUT`);
    if (error) throw error;
  },
};

export interface TrafficParts {
  readonly connections: readonly pg.ClientConfig[];
  readonly dice: Dice;
}

export function startTraffic({ connections, dice }: TrafficParts): Traffic {
  const answered = new Set<string>();
  const refused: string[] = [];
  let trouble: string | undefined;
  const stop = new AbortController();
  const waiting = new Set<() => void>();
  const lanes = connections.map((connection, number) =>
    lane({
      connection,
      number,
      dice: dice.fork(),
      signal: stop.signal,
      answered(mark) {
        answered.add(mark);
        for (const look of waiting) look();
      },
      refused: (message) => void refused.push(message),
      troubled: (message) => {
        trouble = message;
      },
    }),
  );
  return {
    answered,
    refused,
    further(count) {
      const enough = answered.size + count;
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          reject(new Error(`${answered.size} of ${enough} statements answered, then none; ${trouble ?? 'no error'}`));
        }, PATIENCE_MS);
        const look = () => {
          if (answered.size < enough) return;
          clearTimeout(late);
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    },
    async stop() {
      stop.abort();
      await Promise.all(lanes);
    },
  };
}

interface Lane {
  readonly connection: pg.ClientConfig;
  readonly number: number;
  readonly dice: Dice;
  readonly signal: AbortSignal;
  answered(mark: string): void;
  refused(message: string): void;
  /** Could not connect, or lost the connection: what kills do. */
  troubled(message: string): void;
}

async function lane({ connection, number, dice, signal, answered, refused, troubled }: Lane): Promise<void> {
  let sent = 0;
  while (!signal.aborted) {
    const client = new pg.Client({ ...connection, connectionTimeoutMillis: PATIENCE_MS });
    let lost = false;
    client.on('error', () => {
      lost = true;
    });
    client.on('end', () => {
      lost = true;
    });
    try {
      await client.connect();
    } catch (error) {
      troubled((error as Error).message);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      continue;
    }
    for (let left = 1 + dice.below(12); left > 0 && !lost && !signal.aborted; left--) {
      const mark = `mark-${number}-${++sent}-`;
      const kind = dice.pick(Object.keys(KINDS));
      try {
        await (KINDS[kind] as Send)(client, mark, 1 + dice.below(400));
        answered(mark);
      } catch (error) {
        // 57P01 and 08006 tell of the gateway's end; without a code the connection broke.
        const { code, message } = error as { code?: string; message: string };
        troubled(`${kind}: ${message}`);
        if (!lost && code !== undefined && !/^(57P01|08|E)/.test(code)) refused(`${kind}: ${code} ${message}`);
      }
    }
    await client.end().catch(() => {});
  }
}
