/** A gateway that can be killed: a process of its own, from files, as an administrator would start it. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RunningGateway } from '../../src/app/gateway/start.ts';

const MAIN = fileURLToPath(new URL('gateway-main.ts', import.meta.url));

export interface GatewayProcess extends RunningGateway {
  readonly pid: number;
  /** kill -9, and waits until it is gone. */
  kill(): Promise<void>;
  /** Resident memory now, bytes. */
  memory(): Promise<number>;
}

export interface GatewayProcessOptions {
  readonly configPath: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onLine?: (line: string) => void;
  /** Instead of the entry beside this file. */
  readonly main?: string;
}

/** @throws what it said, when it ends before it listens */
export async function startGatewayProcess({
  configPath,
  env,
  onLine,
  main = MAIN,
}: GatewayProcessOptions): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [main, configPath], { env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (said.push(line) > 50) said.shift();
    onLine?.(line);
  });
  const closed = new Promise<number>((resolve) => {
    child.once('error', () => resolve(127));
    child.once('close', (code, signal) => resolve(code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)));
  });
  const listening = new Promise<{ url: string; adminUrl: string | undefined }>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line)));
    void closed.then((code) => reject(new Error(`the gateway ended with ${code}:\n${said.join('\n')}`)));
  });
  const where = await listening;
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await closed;
  };
  return {
    ...where,
    pid: child.pid as number,
    closed: closed as RunningGateway['closed'],
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async memory() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
    },
  };
}
