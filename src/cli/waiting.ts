/** Says on the terminal that the gateway is being waited for, whichever command waits. */
import type { GatewayClient } from '../api/client.ts';
import type { Output } from './output.ts';

const plain = new WeakMap<object, GatewayClient>();

/** The same client; a call that takes long is seen to take long. Streams say for themselves what they wait for. */
export function tellingClient(client: GatewayClient, out: Pick<Output, 'progress'>): GatewayClient {
  const telling = new Proxy(client, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        const answer: unknown = Reflect.apply(member, target, args);
        if (!(answer instanceof Promise)) return answer;
        const progress = out.progress({ what: `waiting for ${target.link.origin}` });
        const done = () => progress.end();
        answer.then(done, done);
        return answer;
      };
    },
  });
  plain.set(telling, client);
  return telling;
}

/** Without that: for what goes on beside a program that has the terminal. */
export function silentClient(client: GatewayClient): GatewayClient {
  return plain.get(client) ?? client;
}
