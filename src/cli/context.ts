/** What a command is handed: where it runs, its voice, its time, and what is looked up only when it is asked for. */
import type { GatewayClient } from '../api/client.ts';
import type { LoginPlace, OpenGateway } from '../app/login.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { Token } from '../base/secret.ts';
import type { ClientConfig } from '../config/index.ts';
import { fail } from './errors.ts';
import { createOutput, type Format, type Output } from './output.ts';
import { createPrompt, type Prompt } from './prompt.ts';

/** The process around a command line; a parameter so that tests can be one. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Options that every command takes. */
export interface Globals {
  readonly format: Format;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly gateway?: string;
  /** PEM file of a private CA. */
  readonly ca?: string;
}

export interface Context extends Surroundings {
  readonly globals: Globals;
  readonly out: Output;
  readonly prompt: Prompt;
  readonly clock: Clock;
  /**
   * Aborted by the first Ctrl-C; the second ends the process. Reading it is what takes over Ctrl-C: a command that never does (one that hands
   * the terminal to a child) keeps Node's own behaviour or installs its own.
   */
  readonly signal: AbortSignal;
  /** What the login is looked up by. */
  readonly place: LoginPlace;
  /** What flags, environment, hoop.yaml and the user's own file say. @throws exit 2 when a file is wrong */
  config(): Promise<ClientConfig>;
  /** The gateway as the current login; opened once, closed when the command is over. @throws exit 2 or 3 when there is none */
  gateway(): Promise<OpenGateway>;
  /** The gateway without a login, for what needs no token. */
  stranger(): Promise<GatewayClient>;
  /** Runs when the command is over, whatever happened; the last first. */
  onClose(close: () => void | Promise<void>): void;
}

export interface OpenContext {
  readonly ctx: Context;
  readonly interrupted: () => boolean;
  close(): Promise<void>;
}

export function openContext(around: Surroundings, globals: Globals): OpenContext {
  const closers: (() => void | Promise<void>)[] = [];
  let interrupts: AbortController | undefined;
  const onInterrupt = () => {
    if (interrupts?.signal.aborted) process.exit(130);
    interrupts?.abort(fail('INTERRUPTED', 'interrupted'));
  };
  const signal = () => {
    if (interrupts === undefined) {
      interrupts = new AbortController();
      process.on('SIGINT', onInterrupt);
    }
    return interrupts.signal;
  };
  const out = createOutput({ ...around, ...globals });
  const prompt = createPrompt(around.stdin, around.stderr, signal, out.aside);
  const place: LoginPlace = {
    env: around.env,
    cwd: around.cwd,
    clock: systemClock,
    gateway: globals.gateway,
    ca: globals.ca,
    notice: (text) => out.notice(text),
    askPassphrase: prompt.possible
      ? async (question) => Token.of(await prompt.hidden(question, 'HOOPCTL_PASSPHRASE'))
      : undefined,
  };
  let opened: Promise<OpenGateway> | undefined;
  const openOnce = async () => {
    const [{ openGateway }, { tellingClient }] = await Promise.all([import('../app/login.ts'), import('./waiting.ts')]);
    const gateway = await openGateway(place);
    closers.push(() => gateway.client.close());
    return { ...gateway, client: tellingClient(gateway.client, out) };
  };
  const ctx: Context = {
    ...around,
    globals,
    out,
    prompt,
    place,
    clock: systemClock,
    async config() {
      const { clientConfig } = await import('../app/login.ts');
      return clientConfig(place);
    },
    gateway() {
      opened ??= openOnce();
      return opened;
    },
    async stranger() {
      const [{ openAsStranger }, { tellingClient }] = await Promise.all([
        import('../app/login.ts'),
        import('./waiting.ts'),
      ]);
      const client = await openAsStranger(place);
      closers.push(() => client.close());
      return tellingClient(client, out);
    },
    get signal() {
      return signal();
    },
    onClose: (close) => void closers.push(close),
  };
  return {
    ctx,
    interrupted: () => interrupts?.signal.aborted === true,
    async close() {
      for (const close of closers.reverse()) await close();
      process.off('SIGINT', onInterrupt);
      out.makeRoom(); // what went wrong is said by another voice
    },
  };
}
