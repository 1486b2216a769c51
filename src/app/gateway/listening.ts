/** Why an address of gateway.yaml cannot be listened on, in words an administrator can act on. */
import { errorTable } from '../../base/error.ts';

const fail = errorTable({ PORT_IN_USE: { exit: 1 }, LISTEN_FAILED: { exit: 1 } });

const OTHERS: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'this account may not listen there'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
  ['ENOTFOUND', 'the name has no address'],
]);

/**
 * @param key of gateway.yaml: `listen`, `admin.listen`
 * @throws PORT_IN_USE, LISTEN_FAILED; what is no matter of the address as it is
 */
export async function listening<T>(
  key: string,
  { host, port }: { host: string; port: number },
  started: Promise<T>,
): Promise<T> {
  try {
    return await started;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    const where = `${key}: ${host}:${port}`;
    if (code === 'EADDRINUSE') {
      const hint = 'stop what listens there, or name another port in gateway.yaml';
      throw fail('PORT_IN_USE', `${where} is in use by another process`, { cause, hint });
    }
    const why = OTHERS.get(code);
    if (why === undefined) throw cause;
    throw fail('LISTEN_FAILED', `${where} cannot be listened on: ${why}`, {
      cause,
      hint: 'name another address in gateway.yaml',
    });
  }
}
