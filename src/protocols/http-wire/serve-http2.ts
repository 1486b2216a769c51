/** HTTP/2 on one channel, by prior knowledge (RFC 9113, section 3.3). */
import type { ServeVersion } from './exchange.ts';

export const serveHttp2: ServeVersion = (channel) => {
  channel.abort(new Error('HTTP/2 is not served yet'));
  return { close() {}, abort() {} };
};
