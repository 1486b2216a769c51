/** COPY over node-postgres, which knows its messages and has no words for them. */
import pg from 'pg';

interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

type Done = (error: Error | null, result?: unknown) => void;
type Handled = pg.Submittable & Record<string, unknown>;

const Query = pg.Query as unknown as new (text: string, values: undefined, done: Done) => Handled;

/** `text` is a COPY … FROM STDIN; `data` is what it takes in. */
export function copyIn(client: pg.Client, text: string, data: string): Promise<unknown> {
  return submit(client, text, (query) => {
    query.handleCopyInResponse = (connection: CopyConnection) => {
      connection.sendCopyFromChunk(Buffer.from(data));
      connection.endCopyFrom();
    };
  });
}

/** `text` is a COPY … TO STDOUT. @returns what came out, as far as it came when it failed */
export async function copyOut(
  client: pg.Client,
  text: string,
): Promise<{ data: string; error?: Error & { code?: string } }> {
  const chunks: Buffer[] = [];
  const data = () => Buffer.concat(chunks).toString();
  try {
    await submit(client, text, (query) => {
      query.handleCopyData = ({ chunk }: { chunk: Buffer }) => void chunks.push(Buffer.from(chunk));
    });
    return { data: data() };
  } catch (error) {
    return { data: data(), error: error as Error };
  }
}

function submit(client: pg.Client, text: string, prepare: (query: Handled) => void): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const query = new Query(text, undefined, (error, result) => (error ? reject(error) : resolve(result)));
  prepare(query);
  client.query(query);
  return promise;
}
