/** The real servers and clients that tests start. One that is missing fails the test that asks for it, with the command that installs it. */
import { findServer, installCommand, type ServerName } from '../../bin/setup/servers.js';

/**
 * Absolute paths of a server's programs: `requireServer('postgresql').initdb`. The names are Debian packages; bin/setup/servers.js lists them with
 * the programs each one brings.
 */
export function requireServer(name: ServerName): Record<string, string> {
  const found = findServer(name);
  if (found === undefined) throw new Error(`${name} is not installed; as root run: ${installCommand([name])}`);
  return found;
}
