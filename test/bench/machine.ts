/** On what it was measured: figures without that say nothing. */
import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem, type } from 'node:os';
import { requireServer } from '../fakes/servers.ts';

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  /** The file system below the temporary folder: recordings and PostgreSQL's files lie there. */
  readonly disk: string;
  readonly kernel: string;
  readonly versions: Readonly<Record<string, string>>;
}

// statfs(2), f_type
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x01021994, 'tmpfs (memory)'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlayfs'],
  [0x2fc12fc1, 'zfs'],
]);

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    disk: FILE_SYSTEMS.get(statfsSync(tmpdir()).type) ?? `file system ${statfsSync(tmpdir()).type.toString(16)}`,
    kernel: `${type()} ${release()}`,
    versions: versions(),
  };
}

function versions(): Record<string, string> {
  const ask = (file: string | undefined, args: readonly string[], pattern: RegExp) => {
    if (file === undefined) return 'unknown';
    try {
      return (
        pattern.exec(execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))?.[1] ??
        'unknown'
      );
    } catch {
      return 'unknown';
    }
  };
  return {
    Node: process.versions.node,
    PostgreSQL: ask(requireServer('postgresql')['postgres'], ['--version'], /(\d[\d.]*)/),
    pgbouncer: ask(requireServer('pgbouncer')['pgbouncer'], ['--version'], /(\d[\d.]*)/),
    haproxy: ask(requireServer('haproxy')['haproxy'], ['-v'], /(\d[\d.]*)/),
    stunnel: stunnelVersion(),
    nginx: nginxVersion(),
  };
}

/** It tells its version on stderr only, and so does nginx. */
function stunnelVersion(): string {
  const file = requireServer('stunnel4')['stunnel4'] as string;
  const said = execFileSync('/bin/sh', ['-c', '"$0" -version 2>&1', file], { encoding: 'utf8' });
  return /stunnel (\d[\d.]*)/.exec(said)?.[1] ?? 'unknown';
}

function nginxVersion(): string {
  const file = requireServer('nginx')['nginx'] as string;
  const said = execFileSync('/bin/sh', ['-c', '"$0" -v 2>&1', file], { encoding: 'utf8' });
  return /nginx\/(\d[\d.]*)/.exec(said)?.[1] ?? 'unknown';
}
