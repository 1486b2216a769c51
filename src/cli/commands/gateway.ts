/** `hoopctl gateway (init|check|start|rotate-key)`. */
import { resolve } from 'node:path';
import type { LocalTarget } from '../../app/init-target.ts';
import { Secret } from '../../base/secret.ts';
import type { TargetName } from '../../domain/target.ts';
import type { Arguments, CommandForm, Options, OptionSpec } from '../command.ts';
import type { Context } from '../context.ts';
import { fail } from '../errors.ts';
import { gatewayLog } from '../gateway-log.ts';
import { version } from '../version.ts';
import { tellWritten } from './init.ts';

const CONFIG: OptionSpec = { flags: '--config <file>', summary: 'the gateway.yaml; needed', completes: 'file' };

const init: CommandForm = {
  name: 'init',
  summary: 'Write gateway.yaml, policy.yaml and what belongs to them',
  details: [
    'With --local: a gateway for one person on this machine, ready to start. The database password is asked for and goes to a file of its own,',
    'which only you can read; it never stands in gateway.yaml or on the command line.',
  ],
  arguments: [{ name: 'DIR', summary: 'the folder; default: hoop-gateway', completes: 'folder' }],
  options: [
    { flags: '--local', summary: 'for one person on this machine, with a built-in sign-in' },
    { flags: '--target <name=url>', summary: 'shop=postgres://me@host/db; with --local, at least one', repeat: true },
    {
      flags: '--password-file <file>',
      summary: 'read the password from there instead of asking; - is stdin',
      completes: 'file',
    },
    { flags: '--user <name>', summary: 'what policy calls you; default: your user name here' },
  ],
  run: runInit,
};

const check: CommandForm = {
  name: 'check',
  summary: 'Report everything that would keep a gateway from starting',
  options: [CONFIG, { flags: '--login', summary: 'log in to each target once' }],
  async run(ctx, _args, options) {
    const { checkGateway } = await import('../../app/gateway-check.ts');
    const { out, env, signal } = ctx;
    const checked = await checkGateway({ config: configOf(options), env, login: options.has('login'), signal });
    for (const warning of checked.warnings) out.warn(warning);
    if (out.json) out.document({ ...checked, targets: checked.targets.map(targetShape) });
    else {
      out.print({ text: 'ok ', style: 'green' }, checked.config);
      out.print({ text: 'ok ', style: 'green' }, checked.policy.files.join(', '));
      for (const target of checked.targets) showTarget(ctx, target);
      for (const { name, kind, to } of checked.events)
        out.print({ text: 'ok ', style: 'green' }, `events: ${name} (${kind} ${to})`);
    }
    const failed = checked.targets.find((target) => target.state === 'failed');
    if (failed?.state !== 'failed') return 0;
    throw fail('TARGET_FAILED', `target "${failed.name}": ${failed.error.message}`, {
      exit: failed.error.exit,
      hint: failed.error.hint,
    });
  },
};

const rotateKey: CommandForm = {
  name: 'rotate-key',
  summary: 'Make a new key to sign recordings with, from the next start on',
  details: [
    'At that start the old key signs in the log that the new one takes its place. Its public half stays beside the new one: both are needed to verify.',
    'Runs that are live then have to be started anew.',
  ],
  options: [CONFIG],
  run: runRotateKey,
};

const start: CommandForm = {
  name: 'start',
  summary: 'Run a gateway until SIGTERM or Ctrl-C',
  details: [
    'Its log goes to stderr. It stops by telling sessions why, sealing recordings, and ending what is left after 10 s.',
  ],
  options: [CONFIG],
  async run(ctx, _args, options) {
    const { out, env } = ctx;
    const { startGateway } = await import('../../app/gateway/start.ts');
    const gateway = await startGateway({
      configPath: configOf(options),
      env,
      log: await gatewayLog(ctx),
      version: version(),
      onSignInCode: (code) => showCode(ctx, code),
    });
    const stop = () => void gateway.stop();
    ctx.signal.addEventListener('abort', stop, { once: true });
    process.once('SIGTERM', stop);
    ctx.onClose(() => void process.off('SIGTERM', stop));
    if (out.json) out.ndjson({ event: 'ready', url: gateway.url, adminUrl: gateway.adminUrl });
    else out.print('gateway listens on ', { text: gateway.url, style: 'bold' });
    return gateway.closed;
  },
};

export const command: CommandForm = {
  name: 'gateway',
  summary: 'Set up, check and run a gateway',
  subcommands: [init, check, start, rotateKey],
};

async function runRotateKey(ctx: Context, _args: Arguments, options: Options): Promise<number> {
  const { rotateKey: rotate } = await import('../../app/gateway-keys.ts');
  const made = await rotate({ config: configOf(options), env: ctx.env, warn: (text) => ctx.out.warn(text) });
  if (ctx.out.json) ctx.out.document(made);
  else ctx.out.print(`key ${made.key} signs from the gateway's next start on`);
  ctx.out.notice(
    'restart the gateway now, then give the new public key to whoever verifies: hoopctl audit key --keys DIR',
  );
  return 0;
}

async function runInit(ctx: Context, args: Arguments, options: Options): Promise<number> {
  const { initLocalGateway, initTemplate } = await import('../../app/init.ts');
  const { parseLocalTarget } = await import('../../app/init-target.ts');
  const dir = resolve(ctx.cwd, args.optional('DIR') ?? 'hoop-gateway');
  const given = options.list('target');
  if (!options.has('local') && given.length + ['password-file', 'user'].filter((name) => options.has(name)).length > 0)
    throw fail('USAGE', '--target, --user and --password-file go with --local', { hint: 'add --local' });
  if (options.has('local') && given.length === 0)
    throw fail('USAGE', '--local needs a target', { hint: 'add --target shop=postgres://me@host/db' });
  const targets = given.map(parseLocalTarget);
  const twice = targets.find(({ name }, index) => targets.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined)
    throw fail('USAGE', `target "${twice.name}" is given twice`, { hint: 'give each its own name' });
  const written = options.has('local')
    ? initLocalGateway(dir, await personOf(options), targets, await passwords(ctx, targets, options))
    : initTemplate('gateway', dir, ctx.cwd);
  tellWritten(ctx, written);
  return 0;
}

async function personOf(options: Options): Promise<string> {
  const { userInfo } = await import('node:os');
  const name = options.text('user') ?? userInfo().username;
  if (name.trim() === '') throw fail('USAGE', 'nobody is named', { hint: 'add --user NAME' });
  return name;
}

async function passwords(ctx: Context, targets: readonly LocalTarget[], options: Options) {
  const file = options.text('password-file');
  const found = new Map<TargetName, Secret>();
  if (file !== undefined && targets.length > 1)
    throw fail('USAGE', '--password-file is for one target', { hint: 'without it each password is asked for' });
  for (const { name, user } of targets) {
    const asked = async () => ctx.prompt.hidden(`password of ${user} at ${name}:`, '--password-file FILE');
    const text = file === undefined ? await asked() : (await readPassword(ctx, file)).replace(/\r?\n$/, '');
    if (text === '') throw fail('USAGE', `the password of ${name} is empty`, { hint: 'nothing was written' });
    found.set(name, Secret.of(text));
  }
  return found;
}

async function readPassword({ cwd, stdin }: Context, file: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  if (file === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks).toString('utf8');
  }
  return readFile(resolve(cwd, file), 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw fail('FILE_UNREADABLE', `${file} can not be read (${error.code})`, {
      hint: 'give the file that holds the password',
    });
  });
}

type Checked = Awaited<ReturnType<typeof import('../../app/gateway-check.ts').checkGateway>>['targets'][number];

function showTarget({ out }: Context, target: Checked): void {
  if (target.state === 'notTried') return;
  if (target.state === 'failed') out.print({ text: '✘  ', style: 'red' }, `${target.name}: ${target.error.message}`);
  else {
    out.print({ text: 'ok ', style: 'green' }, `${target.name}: ${target.server}`);
    for (const warning of target.warnings) out.print(`     ${warning}`);
  }
}

function targetShape(target: Checked): Record<string, unknown> {
  if (target.state !== 'failed') return { ...target };
  const { code, message, hint, exit } = target.error;
  return { name: target.name, state: target.state, error: { code, message, hint, exit } };
}

function configOf(options: Options): string {
  const config = options.text('config');
  if (config === undefined) throw fail('USAGE', 'which gateway.yaml?', { hint: 'add --config gateway.yaml' });
  return config;
}

/** On stderr, whatever the format: whoever signs in has to read it here, which an agent elsewhere can not. */
function showCode({ out }: Context, code: string): void {
  if (out.json) out.event({ event: 'signInCode', code });
  else out.ask('to sign in here, type the code ', { text: code, style: 'bold' });
}
