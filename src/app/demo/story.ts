/** How the demo tells what happens: headings and indented lines for people, one line of JSON a step for programs. */
import { escapeForDisplay } from '../../base/shown.ts';
import type { Step } from './steps.ts';

/** What the story needs of the terminal; the command line gives it. */
export interface DemoVoice {
  /** A line on stdout. `style` is a hint. */
  line(text: string, style?: 'bold' | 'dim' | 'green' | 'red' | 'cyan'): void;
  /** Whether somebody is there to be asked. */
  readonly canAsk: boolean;
  /** Waits for Enter. */
  pause(): Promise<void>;
  /** Asks for one of the words. */
  choose(question: string, words: readonly string[]): Promise<string>;
}

export interface Places {
  readonly gateway: string;
  readonly configHome: string;
  readonly folder: string;
  readonly signInCode: string;
  readonly issuer: string;
}

export interface Story {
  begin(folder: string): void;
  start(step: Step): void;
  /** Something a person should see while the step goes on. */
  aside(text: string): void;
  /** The agent's own output. */
  agent(line: string): void;
  done(step: Step, detail: Readonly<Record<string, unknown>>): void;
  failed(step: Step, error: Error): void;
  end(places: Places): void;
  kept(places: Places): void;
  pause(): Promise<void>;
  choose(question: string, words: readonly string[]): Promise<string>;
}

const HEADINGS: Readonly<Record<Step, string>> = {
  idp: 'An identity provider starts',
  postgres: 'A real PostgreSQL starts, with a small shop in it',
  host: 'A host starts, with an SSH server and a small web server',
  gateway: 'The gateway starts; it alone knows the database password, the key of the host and the key of the model',
  login: 'dana, an engineer, and riley, a database owner, log in with the device flow',
  run: 'dana starts an agent: hoopctl run agent.ts',
  model: 'The agent asks its model through the gateway, which alone has the key',
  masked: 'The agent asks for customers, and gets no SSN and no card number',
  denied: 'The agent tries to drop a table',
  held: 'The agent deletes orders: the statement waits for a person',
  approved: 'riley reads the exact statement and approves it',
  revoked: 'dana revokes the run while a long query is going on',
  ssh: 'Another agent looks after the host with ssh: it looks, it would empty it, it restarts the web server',
  replay: 'What happened can be played again',
  verify: 'The recording proves that it is whole',
};

export function createStory({ json, voice, yes }: { json: boolean; voice: DemoVoice; yes: boolean }): Story {
  const say = json ? () => {} : voice.line;
  let number = 0;
  return {
    begin(folder) {
      say('hoopctl demo: everything below runs on this machine, on 127.0.0.1 only, and is removed afterwards.', 'bold');
      say('Agent, gateway and database run under one account here (isolation: none): it shows what happens,', 'dim');
      say('it is no protection from a hostile agent. A real gateway runs elsewhere, under its own account.', 'dim');
      say(`files: ${folder}`, 'dim');
    },
    start(step) {
      number++;
      say('');
      say(`${String(number).padStart(2)}  ${step.padEnd(9)} ${HEADINGS[step]}`, 'bold');
    },
    aside: (text) => say(`    ${escapeForDisplay(text)}`, 'cyan'),
    agent: (line) => say(`    │ ${escapeForDisplay(line)}`, 'dim'),
    done(step, detail) {
      if (json) return voice.line(JSON.stringify({ step, ok: true, detail }));
      for (const [key, value] of Object.entries(detail)) say(`    ✔ ${words(key)}: ${plain(value)}`, 'green');
    },
    failed(step, error) {
      if (json) return voice.line(JSON.stringify({ step, ok: false, detail: { error: error.message } }));
      say(`    ✘ ${escapeForDisplay(error.message)}`, 'red');
    },
    end() {
      say('');
      say('Next, with your own database:', 'bold');
      say('    hoopctl gateway init --local --target shop=postgres://USER@HOST/DATABASE');
      say('    hoopctl login');
      say('    hoopctl run agent.ts');
    },
    kept({ gateway, configHome, issuer, signInCode }) {
      say('');
      say('Everything keeps running until Ctrl-C. From another terminal, as dana:', 'bold');
      say(`    export XDG_CONFIG_HOME=${configHome} HOOPCTL_TOKEN_STORE=plain HOOPCTL_GATEWAY=${gateway}`);
      say('    hoopctl targets');
      say("    hoopctl exec shop -- 'select id, name, ssn from customers'");
      say('    hoopctl exec web -- ls -l');
      say(`The sign-in code of the identity provider (${issuer}) is ${signInCode}.`);
    },
    pause: () => (yes || json || !voice.canAsk ? Promise.resolve() : voice.pause()),
    choose: (question, choices) => voice.choose(question, choices),
  };
}

function words(key: string): string {
  return key.replaceAll(/([A-Z])/g, ' $1').toLowerCase();
}

function plain(value: unknown): string {
  return escapeForDisplay(
    Array.isArray(value) ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value),
  );
}
