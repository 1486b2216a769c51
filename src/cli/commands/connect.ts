/** `hoopctl connect TARGET`: the native client (psql, ssh, curl), or raw bytes for a program that brings its own. */
import type { CommandForm } from '../command.ts';
import { gearOf, RUN_OPTIONS, runOptions, signalsForChild } from '../run-options.ts';

export const command: CommandForm = {
  name: 'connect',
  summary: 'Open a target in its own client',
  details: [
    'What follows -- is for the client: hoopctl connect orders-db -- -c "\\d", hoopctl connect web-1 -- -L 8080:localhost:80.',
    'On http the path stands first, what curl shall do with it after it: hoopctl connect billing -- /v1/refunds -X POST -d @refund.json.',
    'With --stdio bytes pass between standard input and output; the secret is that of the tunnel to the same target. Files that use it as',
    "OpenSSH's ProxyCommand: hoopctl targets ssh-config.",
    "Exit code: the client's own, 7 when revoked, 9 when ended by a limit.",
  ],
  arguments: [
    { name: 'TARGET', summary: 'the target', required: true, completes: 'target' },
    { name: 'ARGS', summary: 'for the client', many: true, completes: 'file' },
  ],
  options: [...RUN_OPTIONS, { flags: '--stdio', summary: 'raw bytes instead of a client' }],
  endsAsChild: true,
  async run(ctx, args, options) {
    const gateway = await ctx.gateway();
    const gear = gearOf(ctx, gateway);
    const common = { ...runOptions(options, ctx.env), target: args.one('TARGET') };
    const { connectNative, connectStdio } = await import('../../app/connect.ts');
    if (options.has('stdio')) {
      const { sshConfigKeeper, tunnelMemory } = await import('../../app/tunnel-place.ts');
      const kept = await sshConfigKeeper(ctx.place, gateway);
      const streams = { input: ctx.stdin, output: ctx.stdout, signal: ctx.signal, kept };
      await connectStdio(gear, { ...common, ...streams }, await tunnelMemory(ctx.place, gateway), () => undefined);
      return 0;
    }
    const { cwd, env, stderr } = ctx;
    return connectNative(
      gear,
      { ...common, args: args.many('ARGS'), cwd, env, signals: signalsForChild() },
      ({ type }) => {
        // The client owns the terminal: what waits for a person is rung, not written.
        if (stderr.isTTY && (type === 'held' || type === 'loginRequired')) stderr.write('\x07');
      },
    );
  },
};
