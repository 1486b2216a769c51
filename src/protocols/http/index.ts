/** HTTP: what its targets are configured by, and how one client connection is served. The door of this room. */
import type { Protocol } from '../../domain/protocol.ts';
import type { ProtocolOptions } from '../options.ts';
import { serveConnection } from './connection.ts';
import { HTTP_FACTS } from './facts.ts';
import { interpretText } from './interpret-text.ts';
import { createJars } from './jars.ts';
import { DEFAULT_PORT, type HttpSettings, readSettings } from './settings.ts';
import { probeUpstream } from './upstream.ts';

export function createProtocol(options: ProtocolOptions): Protocol<HttpSettings> {
  const jars = createJars(options.clock);
  return {
    name: 'http',
    defaultPort: DEFAULT_PORT,
    verifier: 'sha-256',
    facts: HTTP_FACTS,
    settings: readSettings,
    shown: ({ settings: { preset } }) => (preset === undefined ? {} : { preset }),
    counts: ({ preset, prices }) =>
      preset === undefined ? [] : prices.length === 0 ? ['tokens'] : ['tokens', 'spend'],
    serve: (client, pending) => serveConnection(client, pending, { ...options, jars }),
    interpret: (text, _view, { settings }) => Promise.resolve(interpretText(text, settings)),
    probe: (settings, reach) => probeUpstream(settings, reach, options.clock),
    close: () => Promise.resolve(),
  };
}
