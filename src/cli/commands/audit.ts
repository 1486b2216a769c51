/** `hoopctl audit (verify|key)`: whether recordings are what the gateway wrote. */
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
    'Grades: complete, open, crashed, truncated, tampered. Ends with 8 when one fails; crashed is noticed, not failed.',
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
    { flags: '--strict', summary: 'fail open, crashed and an unsigned tail too' },
    { flags: '--log', summary: 'the log of sessions (not in this version)' },
    { flags: '--since <note>', summary: 'against a noted checkpoint (not in this version)' },
  ],
  async run(ctx, args, options) {
    const { auditVerify } = await import('../../app/audit.ts');
    const path = args.optional('PATH');
    const session = options.text('session');
    const keyFiles = options.list('key').map((file) => resolve(ctx.cwd, file));
    const remote = session !== undefined && path === undefined ? await remoteSession(ctx, session) : undefined;
    using progress = ctx.out.progress({ what: 'verifying', unit: 'recordings' });
    let verified = 0;
    const result = await auditVerify(
      {
        path: path === undefined ? undefined : resolve(ctx.cwd, path),
        session: remote?.session ?? session,
        keyFiles,
        pinnedKeys: keyFiles.length > 0 ? undefined : await pinnedKey(ctx),
        allow: options.text('allow'),
        strict: options.has('strict'),
        log: options.has('log'),
        since: options.text('since'),
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
    else ctx.out.notice(`${result.recordings} verified, ${result.failed} failed`);
    return result.exit;
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
  ],
  async run(ctx, _args, options) {
    const dir = options.text('keys');
    const pem =
      dir === undefined
        ? await keyOfGateway(ctx)
        : (await import('../../app/audit.ts')).auditKey(resolve(ctx.cwd, dir));
    if (ctx.out.json) ctx.out.document({ pem });
    else for (const line of pem.trimEnd().split('\n')) ctx.out.print(line);
    return 0;
  },
};

export const command: CommandForm = {
  name: 'audit',
  summary: 'Prove that recordings are whole and unchanged',
  subcommands: [verify, key],
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

function show({ out }: Context, report: Report): void {
  if (out.json) {
    out.ndjson(report);
    return;
  }
  const style: Style = report.fails ? 'red' : report.grade === 'complete' ? 'green' : 'yellow';
  const name = report.path ?? 'recording';
  out.print({ text: report.grade.padEnd(9), style }, `  ${name}  ${report.events} events`);
  for (const remark of report.remarks) out.print(`           ${remark}`);
}
