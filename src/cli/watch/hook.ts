/**
 * `--exec CMD`: a command of the person's own for each new request.
 *
 * CMD goes to the shell as it was typed and nothing is ever put into it: the request comes as JSON on standard input, and short facts of it as variables,
 * without what a shell or a terminal would make something of. So no name, purpose or statement can become part of what is run.
 */
import { spawn } from 'node:child_process';
import type { ApprovalView } from '../../api/shapes.ts';
import { jsonForDisplay, plainForScript } from '../../base/shown.ts';

export interface Hook {
  run(view: ApprovalView): void;
  /** Nothing more is started; what runs is waited for a little, and then told to end. */
  close(): Promise<void>;
}

export interface HookOptions {
  readonly command: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  onError(message: string): void;
}

const AT_ONCE = 4;
const WAITING = 100;
const KEPT = 4_096;
const FAREWELL_MS = 2_000;

export function createHook({ command, env, cwd, onError }: HookOptions): Hook {
  const waiting: ApprovalView[] = [];
  const running = new Set<{ ended: Promise<void>; kill(): void }>();
  let closed = false;

  function next(): void {
    while (!closed && running.size < AT_ONCE) {
      const view = waiting.shift();
      if (!view) return;
      start(view);
    }
  }

  function start(view: ApprovalView): void {
    const child = spawn(command, {
      shell: true,
      cwd,
      env: { ...env, ...variablesOf(view) },
      stdio: ['pipe', 'ignore', 'pipe'],
      windowsHide: true,
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-KEPT);
    });
    child.stdin.on('error', () => {}); // it need not read
    child.stdin.end(`${jsonForDisplay(view)}\n`);
    const ended = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        onError(`--exec could not be started: ${error.message}`);
        resolve();
      });
      child.once('close', (code, signal) => {
        const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`;
        const last = said.trimEnd().split('\n').at(-1) ?? '';
        if (code !== 0 && !closed) onError(`--exec ${how} for ${view.id}${last === '' ? '' : `: ${last}`}`);
        resolve();
      });
    });
    const one = { ended, kill: () => void child.kill('SIGTERM') };
    running.add(one);
    void ended.then(() => {
      running.delete(one);
      next();
    });
  }

  return {
    run(view) {
      if (closed) return;
      if (waiting.length >= WAITING) return onError(`--exec is behind by ${WAITING}; it is not run for ${view.id}`);
      waiting.push(view);
      next();
    },
    async close() {
      closed = true;
      waiting.length = 0;
      const late = setTimeout(() => {
        for (const one of running) one.kill();
      }, FAREWELL_MS);
      await Promise.all([...running].map(({ ended }) => ended));
      clearTimeout(late);
    },
  };
}

/** Without the text: what runs is read from standard input, whole. */
function variablesOf(view: ApprovalView): Record<string, string> {
  const { id, target, requester, rule, link, expiresAt, agent, mayDecide } = view;
  const values = {
    ID: id,
    TARGET: target,
    REQUESTER: requester,
    AGENT: agent?.name ?? '',
    RULE: rule,
    LINK: link,
    EXPIRES_AT: expiresAt,
    YOURS: mayDecide ? '1' : '',
  };
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`HOOP_APPROVAL_${name}`, plainForScript(value)]),
  );
}
