/** `hoopctl url TARGET`: the address of an open tunnel, with its secret. */
import type { CommandForm } from '../command.ts';
import { fail } from '../errors.ts';
import { heldTunnel } from '../held-tunnel.ts';

export const command: CommandForm = {
  name: 'url',
  summary: 'Print the URL of an open tunnel',
  arguments: [{ name: 'TARGET', summary: 'the target', required: true, completes: 'openTunnel' }],
  options: [
    { flags: '--jdbc', summary: 'as JDBC writes it' },
    { flags: '--sqlalchemy', summary: 'as SQLAlchemy writes it' },
  ],
  async run(ctx, args, options) {
    const forms = (['jdbc', 'sqlalchemy'] as const).filter((form) => options.has(form));
    if (forms.length > 1) throw fail('USAGE', '--jdbc and --sqlalchemy were both given', { hint: 'choose one' });
    const { endpoint, client } = await heldTunnel(ctx, args.one('TARGET'));
    const url = client.url(endpoint, forms[0] ?? 'url');
    if (ctx.out.json) ctx.out.document({ target: endpoint.target, url });
    else ctx.out.print(url);
    return 0;
  },
};
