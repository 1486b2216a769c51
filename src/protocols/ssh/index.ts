/** SSH: what its targets are configured by, and how one client connection is served. The door of this room. */
import type { Protocol } from '../../domain/protocol.ts';
import type { Target } from '../../domain/target.ts';
import type { ProtocolOptions } from '../options.ts';
import { serveConnection } from './connection.ts';
import { SSH_FACTS } from './facts.ts';
import { interpret } from './interpret.ts';
import { keyFromSeed, type SshKey } from './keys.ts';
import { DEFAULT_PORT, readSettings, type SshSettings } from './settings.ts';
import { connectUpstream } from './upstream.ts';

export function createProtocol(options: ProtocolOptions): Protocol<SshSettings> {
  const hostKeys = new Map<string, SshKey>();
  // The client sees a key of the gateway's own for each target, the same after a restart.
  const hostKeyOf = ({ name }: Target): SshKey => {
    const known = hostKeys.get(name) ?? keyFromSeed(purposeKey(options, `ssh host key of ${name}`));
    hostKeys.set(name, known);
    return known;
  };
  return {
    name: 'ssh',
    defaultPort: DEFAULT_PORT,
    verifier: 'ssh-public-key',
    facts: SSH_FACTS,
    settings: readSettings,
    shown: (target) => ({ hostKey: hostKeyOf(target).publicLine }),
    serve: (client, pending) => serveConnection(client, pending, { ...options, hostKey: hostKeyOf(pending.target) }),
    async interpret(text, _view, target) {
      const around = { pty: false, env: {}, account: target.settings.user };
      return [interpret({ kind: 'exec', text }, around, target.settings).command()];
    },
    async probe(settings, reach) {
      const upstream = await connectUpstream(reach, settings);
      upstream.end();
      return { server: upstream.server, warnings: settings.user === 'root' ? ['the account is root'] : [] };
    },
    close: () => Promise.resolve(),
  };
}

function purposeKey({ key }: ProtocolOptions, purpose: string): Uint8Array {
  if (key === undefined) throw new Error('an SSH target needs the gateway’s own keys');
  return key(purpose);
}
