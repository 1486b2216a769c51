/** HTTP from end to end for one test: a gateway from files, a server of the test's own behind it, and a door for any client. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { recordedEvents } from './recordings.ts';
import { type Stack, type StackRun, startStack, type Who } from './stack.ts';

export interface HttpHouseOptions {
  /** policy.yaml */
  readonly policy: string;
  /** The target; one of node's own unless `server` is given. */
  readonly serve?: RequestListener;
  readonly server?: Server;
  /** Lines of the target's entry in gateway.yaml: routes and the like. An `account:` and an `address:` of their own replace the usual ones. */
  readonly target?: readonly string[];
  /** Further targets, by name: lines of their entries. */
  readonly others?: Readonly<Record<string, readonly string[]>>;
  readonly gateway?: 'here' | 'process';
}

export interface HttpHouse extends AsyncDisposable {
  readonly stack: Stack;
  readonly port: number;
  /** A run with a door to the target `billing`, or another. */
  run(user: Who, options?: Parameters<Stack['run']>[1]): Promise<HttpRun>;
  /** All events of all recordings so far. */
  events(): Promise<readonly Record<string, unknown>[]>;
}

export interface HttpRun extends StackRun {
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  readonly url: string;
  readonly secret: string;
  /** Asks there with the run's secret. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** What the gateway logs in with, unless a test says otherwise. */
export const CREDENTIAL = 'sk-live-4b1f9c0de2a87755';

export async function startHttpHouse(options: HttpHouseOptions): Promise<HttpHouse> {
  const server = options.server ?? createServer(options.serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const lines = options.target ?? [];
  const unless = (key: string, line: string) => (lines.some((one) => one.startsWith(`${key}:`)) ? [] : [line]);
  const entry = [
    'targets:',
    '  billing:',
    '    protocol: http',
    ...unless('address', `    address: http://127.0.0.1:${port}`),
    ...unless('account', '    account: { bearer: { env: BILLING_TOKEN } }'),
    ...lines.map((line) => `    ${line}`),
    ...Object.entries(options.others ?? {}).flatMap(([name, others]) => [
      `  ${name}:`,
      '    protocol: http',
      ...others.map((line) => `    ${line}`),
    ]),
    '',
  ].join('\n');
  const stack = await startStack({
    postgres: 'none',
    policy: options.policy,
    gateway: options.gateway ?? 'here',
    env: { BILLING_TOKEN: CREDENTIAL },
    gatewayYaml: (yaml) => yaml.slice(0, yaml.indexOf('targets:')) + entry,
  });
  return {
    stack,
    port,
    async run(user, more) {
      const run = await stack.run(user, { target: 'billing', ...more });
      const { host, port: door, secret } = run.endpoint;
      const url = `http://${host}:${door}`;
      return {
        ...run,
        url,
        secret,
        fetch(path, init = {}) {
          const headers = new Headers(init.headers);
          if (!headers.has('authorization')) headers.set('authorization', `Bearer ${secret}`);
          return fetch(`${url}${path}`, { redirect: 'manual', ...init, headers });
        },
      };
    },
    events: () => recordedEvents(stack.recordings),
    async [Symbol.asyncDispose]() {
      await stack[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
