/** Where a person's tunnels are remembered and found: their config folder, their store of logins, their sockets. */
import { clientConfig, type LoginPlace, type OpenGateway } from './login.ts';
import type { Prepared } from './endpoint.ts';
import { refreshSshConfig } from './ssh-config.ts';
import { tokenStore } from './stored-login.ts';
import { controlFolder } from './tunnel-control.ts';
import { openTunnelMemory, type TunnelMemory } from './tunnel-memory.ts';

export async function tunnelMemory(place: LoginPlace, { client, login }: OpenGateway): Promise<TunnelMemory> {
  const { folder } = await clientConfig(place);
  const { issuer, subject } = await client.me();
  let store: ReturnType<typeof tokenStore> | undefined;
  return openTunnelMemory({
    folder,
    owner: { gateway: login.gateway, issuer, subject },
    store() {
      store ??= tokenStore(place);
      return store;
    },
  });
}

/** Writes the files anew that `targets ssh-config` made, where the secret is another. */
export async function sshConfigKeeper(
  place: LoginPlace,
  { client }: OpenGateway,
): Promise<(prepared: Prepared) => void> {
  const { folder } = await clientConfig(place);
  return (prepared) => {
    if (prepared.target.protocol === 'ssh') refreshSshConfig({ folder, env: place.env }, client.link.origin, prepared);
  };
}

/** Where holders of tunnels listen. */
export async function tunnelControl(place: LoginPlace): Promise<string> {
  const { folder } = await clientConfig(place);
  return controlFolder(place.env, folder);
}
