/** Nothing in between. */
import type { World } from '../world.ts';
import type { Peer } from './peer.ts';

export async function startDirect({ target }: World): Promise<Peer> {
  return { name: 'direct', address: target, processes: {}, async [Symbol.asyncDispose]() {} };
}
