/** The open tunnel that `env` and `url` speak of. */
import type { HeldEndpoint } from '../app/tunnel-control.ts';
import type { ProtocolClient } from '../domain/protocol.ts';
import { clients } from '../protocols/index.ts';
import type { Context } from './context.ts';
import { errorTable } from '../base/error.ts';
import { fail as failCli } from './errors.ts';

export const fail = errorTable({
  TUNNEL_NOT_OPEN: { exit: 1, hint: 'list the open ones with: hoopctl tunnel list' },
});

export interface OpenTunnel {
  readonly endpoint: HeldEndpoint['endpoint'];
  readonly client: ProtocolClient;
  /** Where the files lie that its clients read. */
  readonly folder?: string | undefined;
}

/** @throws LOGIN_IN_RUN: a tunnel's secret is its owner's, as a login is; TUNNEL_NOT_OPEN */
export async function heldTunnel(ctx: Context, target: string): Promise<OpenTunnel> {
  const [{ heldEndpoints }, { tunnelControl }, { gatewayAddress, refuseInRun }] = await Promise.all([
    import('../app/tunnel-control.ts'),
    import('../app/tunnel-place.ts'),
    import('../app/login.ts'),
  ]);
  refuseInRun(ctx.place);
  const open = (await heldEndpoints(await tunnelControl(ctx.place))).filter(
    ({ endpoint }) => endpoint.target === target,
  );
  const here = await gatewayAddress(ctx.place).then(
    ({ url }) => url,
    () => undefined,
  );
  // The same name may mean something else at another gateway: the one in use goes first.
  const found = open.find(({ gateway }) => gateway === here) ?? (open.length === 1 ? open[0] : undefined);
  if (found === undefined)
    throw fail('TUNNEL_NOT_OPEN', `no tunnel to "${target}" is open`, {
      hint: `open it with: hoopctl tunnel ${target} --background`,
    });
  const client = (await clients.get(found.protocol)?.())?.client;
  if (client === undefined)
    throw failCli('NOT_BUILT', `this version does not speak ${found.protocol}`, { hint: 'update hoopctl' });
  return { endpoint: found.endpoint, client, folder: found.folder };
}
