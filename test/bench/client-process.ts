/** The parent's side of client.ts. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Done, Job } from './client.ts';

const CLIENT = fileURLToPath(new URL('client.ts', import.meta.url));

export interface ClientProcess extends AsyncDisposable {
  work(job: Job): Promise<Done>;
}

export function startClient(): ClientProcess {
  const child = fork(CLIENT, [], { detached: true });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    work: (job) =>
      new Promise((resolve, reject) => {
        const gone = () => reject(new Error('the client ended'));
        child.once('exit', gone);
        child.once('message', (answer: { result: Done } | { error: string }) => {
          child.off('exit', gone);
          if ('error' in answer) reject(new Error(answer.error));
          else resolve(answer.result);
        });
        child.send(job);
      }),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** One job in a process of its own. */
export async function workOnce(job: Job): Promise<Done> {
  await using client = startClient();
  return await client.work(job);
}
