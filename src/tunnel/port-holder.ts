/** Names the process that listens on a TCP port, where Linux lets us see it. */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

const LISTENING = '0A';

/** Undefined where nobody does, where it is another user's process, or where there is no /proc. */
export async function holderOfPort(port: number): Promise<PortHolder | undefined> {
  try {
    const tables = await Promise.all(
      ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
    );
    const inodes = new Set(tables.flatMap((table) => listeningInodes(table, port)));
    return inodes.size === 0 ? undefined : await ownerOf(inodes);
  } catch {
    return undefined;
  }
}

// proc(5), /proc/net/tcp: `sl local_address rem_address st … uid timeout inode`; addresses are HEXIP:HEXPORT.
function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) && fields[3] === LISTENING)
    .map((fields) => fields[9] ?? '');
}

async function ownerOf(inodes: ReadonlySet<string>): Promise<PortHolder | undefined> {
  for (const pid of await readdir('/proc')) {
    if (/^\d+$/.test(pid) && (await holdsSocket(pid, inodes)))
      return { pid: Number(pid), command: (await readFile(`/proc/${pid}/comm`, 'utf8')).trim() };
  }
  return undefined;
}

async function holdsSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = await readdir(folder).catch(() => []);
  for (const descriptor of descriptors) {
    const link = await readlink(`${folder}/${descriptor}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}
