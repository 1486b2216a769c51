/** `hoopctl audit (verify|checkpoint|key)`: whether recordings are what the gateway wrote, and whether all of them are there. */
import { resolve } from 'node:path';
import type { auditVerify } from '../../app/audit.ts';
import { HoopError } from '../../base/error.ts';
import type { CommandForm } from '../command.ts';
import type { Context } from '../context.ts';
import type { Style } from '../part.ts';
import { fetched } from '../replay.ts';

type Report = Parameters<Parameters<typeof auditVerify>[1]>[0];

const verify: CommandForm = {
  name: 'verify',
  summary: 'Prove that recordings are whole and unchanged, offline, with the public key alone',
  details: [
    'The key: --key FILE, else the one pinned at your first login. Never one from what is verified.',
    'Grades: complete, open, crashed, truncated, tampered; with --log also missing and expired. Ends with 8 when one fails; crashed is noticed, not failed.',
    '--log goes through the whole log of sessions below PATH and every recording it tells of; without PATH, through the log of the gateway you are logged in to.',
  ],
  arguments: [{ name: 'PATH', summary: 'a recording, or a folder of them', completes: 'file' }],
  options: [
    {
      flags: '--session <id>',
      summary: 'one session: below PATH, else fetched from the gateway',
      completes: 'session',
    },
    {
      flags: '--key <file>',
      summary: 'PEM of the public key; may be given several times',
      repeat: true,
      completes: 'file',
    },
    { flags: '--allow <grades>', summary: 'grades not to fail, separated by commas' },
    { flags: '--strict', summary: 'fail open, crashed, expired and an unsigned tail too' },
    { flags: '--log', summary: 'the whole log of sessions, and each recording against it' },
    {
      flags: '--since <note>',
      summary:
        'a checkpoint noted earlier: that nothing before it was rewritten (with --log); may be given several times',
      repeat: true,
      completes: 'file',
    },
  ],
  async run(ctx, args, options) {
    const { auditVerify } = await import('../../app/audit.ts');
    const given = args.optional('PATH');
    const path = given === undefined ? undefined : resolve(ctx.cwd, given);
    const session = options.text('session');
    const files = (name: string) => options.list(name).map((file) => resolve(ctx.cwd, file));
    const keyFiles = files('key');
    const since = files('since');
    const wholeLog = options.has('log') || since.length > 0;
    const remote =
      session !== undefined && path === undefined && !wholeLog ? await remoteSession(ctx, session) : undefined;
    const remoteLog = wholeLog && path === undefined && session === undefined ? await logOfGateway(ctx) : undefined;
    using progress = ctx.out.progress({ what: 'verifying', unit: 'recordings' });
    let verified = 0;
    const result = await auditVerify(
      {
        path,
        session: remote?.session ?? session,
        keyFiles,
        pinnedKeys: keyFiles.length > 0 ? undefined : await pinnedKey(ctx),
        allow: options.text('allow'),
        strict: options.has('strict'),
        log: wholeLog,
        since,
        remoteLog,
        ...remote,
      },
      (report) => {
        verified += 1;
        progress.tell({ rows: verified });
        show(ctx, report);
      },
    );
    progress.end();
    if (ctx.out.json) ctx.out.ndjson({ summary: { ...result } });
    else ctx.out.notice(summaryOf(result));
    return result.exit;
  },
};

const checkpoint: CommandForm = {
  name: 'checkpoint',
  summary: 'Print the signed head of the log of sessions, to keep somewhere else',
  details: [
    'Keep it where whoever keeps the gateway cannot reach it. Later: hoopctl audit verify --log PATH --since FILE.',
    'It is printed only if the key that is known signed it: --key FILE, else the one pinned at your first login.',
  ],
  arguments: [
    {
      name: 'PATH',
      summary: 'a folder of recordings, instead of the gateway you are logged in to',
      completes: 'folder',
    },
  ],
  options: [
    { flags: '--key <file>', summary: 'PEM of the public key', repeat: true, completes: 'file' },
    { flags: '--witnessed', summary: 'the newest one that a witness signed too' },
  ],
  async run(ctx, args, options) {
    const { auditCheckpoint, checkpointsBelow, keysFor } = await import('../../app/audit.ts');
    const path = args.optional('PATH');
    const witnessed = options.has('witnessed');
    const keyFiles = options.list('key').map((file) => resolve(ctx.cwd, file));
    const keys = keysFor({ keyFiles, pinnedKeys: keyFiles.length > 0 ? undefined : await pinnedKey(ctx) });
    const notes =
      path === undefined
        ? [await remoteFile(ctx, witnessed ? 'checkpoint?witnessed=true' : 'checkpoint')]
        : checkpointsBelow(resolve(ctx.cwd, path), witnessed);
    for (const bytes of notes) {
      const head = auditCheckpoint(bytes, keys);
      const { origin, size, root, note } = head;
      const text = head.bytes.toString('utf8');
      if (ctx.out.json)
        ctx.out.ndjson({ origin, size, root: root.toString('base64'), signatures: note.signatures.length, note: text });
      else for (const line of text.trimEnd().split('\n')) ctx.out.print(line);
    }
    return 0;
  },
};

const key: CommandForm = {
  name: 'key',
  summary: 'Print the public key that recordings are verified with',
  options: [
    {
      flags: '--keys <dir>',
      summary: "from a gateway's keys folder, instead of the one pinned at login",
      completes: 'folder',
    },
    { flags: '--note', summary: 'as other tools for signed notes take it: NAME+KEYID+KEY' },
    { flags: '--id <gateway>', summary: 'whose key it is, where --note goes with --keys' },
  ],
  async run(ctx, _args, options) {
    const { auditKey, noteKeys } = await import('../../app/audit.ts');
    const dir = options.text('keys');
    const pem = dir === undefined ? await keyOfGateway(ctx) : auditKey(resolve(ctx.cwd, dir));
    if (options.has('note')) {
      const gateway = options.text('id') ?? (dir === undefined ? await gatewayId(ctx) : undefined);
      if (gateway === undefined)
        throw new HoopError('AUDIT_USAGE', 'a key for signed notes carries the name of its gateway', {
          exit: 2,
          hint: 'give it with --id: it is what the log is called below .log in the recordings',
        });
      const keys = noteKeys(pem, gateway);
      if (ctx.out.json) ctx.out.document({ keys });
      else for (const one of keys) ctx.out.print(one);
      return 0;
    }
    if (ctx.out.json) ctx.out.document({ pem });
    else for (const line of pem.trimEnd().split('\n')) ctx.out.print(line);
    return 0;
  },
};

export const command: CommandForm = {
  name: 'audit',
  summary: 'Prove that recordings are whole and unchanged, and that none is gone',
  subcommands: [verify, checkpoint, key],
};

const PEM = /^-----BEGIN PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]{1,1000}-----END PUBLIC KEY-----\s*$/;

async function pinnedKey(ctx: Context): Promise<string | undefined> {
  const { knownGateway } = await import('../../app/login.ts');
  return (await knownGateway(ctx.place))?.evidenceKey?.pem;
}

async function keyOfGateway(ctx: Context): Promise<string> {
  const pinned = await pinnedKey(ctx);
  if (pinned !== undefined) return pinned;
  const client = await ctx.stranger();
  ctx.out.notice('this is what the gateway says now; log in once to pin its key');
  const { pem } = (await client.config(ctx.signal)).evidenceKey;
  // Printed as it is, line by line: it has to be what it says.
  if (!PEM.test(pem)) throw new HoopError('ANSWER_INVALID', 'what the gateway gives for its public key is none');
  return pem;
}

/** Its recording, and whether it lives: an unsealed recording is open when its gateway says that the session is. */
async function remoteSession(ctx: Context, id: string) {
  const { client } = await ctx.gateway();
  const { id: session, state } = await client.session(id, ctx.signal);
  return {
    session,
    source: await fetched(ctx, session),
    isLive: (asked: string) => asked === session && state === 'live',
  };
}

async function gatewayId(ctx: Context): Promise<string> {
  return (await (await ctx.stranger()).config(ctx.signal)).gateway;
}

async function remoteFile(ctx: Context, name: string): Promise<Uint8Array> {
  const { client } = await ctx.gateway();
  return client.auditFile(name, ctx.signal);
}

/** Fetched as it is asked for. A tile that is not there is a tile that is not there, not an error. */
async function logOfGateway(ctx: Context) {
  const { client } = await ctx.gateway();
  const { gateway } = await client.config(ctx.signal);
  const read = async (name: string): Promise<Buffer | undefined> => {
    const asked = name === 'witnessed' ? 'checkpoint?witnessed=true' : name;
    try {
      return await client.auditFile(asked, ctx.signal);
    } catch (error) {
      if (error instanceof HoopError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  };
  return { gateway, read };
}

function summaryOf({ recordings, failed, logs }: Awaited<ReturnType<typeof auditVerify>>): string {
  const what = logs === 0 ? `${recordings}` : `${recordings} recordings and ${logs === 1 ? 'a log' : `${logs} logs`}`;
  return `${what} verified, ${failed} failed`;
}

function show({ out }: Context, report: Report): void {
  if (out.json) {
    out.ndjson(report);
    return;
  }
  const style: Style = report.fails ? 'red' : report.grade === 'complete' ? 'green' : 'yellow';
  const about =
    report.kind === 'log'
      ? `the log of ${report.gateway}  ${report.size} leaves${report.since.map((size) => `, continues the ${size} noted`).join('')}`
      : `${report.path ?? 'recording'}  ${report.events} events${placeInLog(report.log)}`;
  out.print({ text: report.grade.padEnd(9), style }, `  ${about}`);
  for (const remark of report.remarks) out.print(`           ${remark}`);
}

function placeInLog(log: Extract<Report, { kind: 'recording' }>['log']): string {
  if (log?.opened === undefined || !('size' in log)) return '';
  const sealed = log.sealed === undefined ? '' : ` and ${log.sealed}`;
  return `, leaf ${log.opened}${sealed} of ${log.size} in the log of ${log.gateway}`;
}
