/** All of a channel's standard input, before anything is judged. */
import type { ServerChannel } from 'ssh2';

export const WHOLE_MOST = 1024 * 1024;

/** @returns undefined where it is longer than `WHOLE_MOST`, the client went away, or sent more after its end */
export function readWhole(channel: ServerChannel, gone: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const over = (whole: Buffer | undefined) => {
      channel.removeListener('data', take);
      resolve(whole);
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      if (length > WHOLE_MOST) return over(undefined);
      chunks.push(chunk);
    };
    channel.on('data', take);
    channel.once('end', () => over(Buffer.concat(chunks)));
    channel.once('error', () => over(undefined));
    gone.addEventListener('abort', () => over(undefined), { once: true });
    if (gone.aborted) over(undefined);
  });
}
