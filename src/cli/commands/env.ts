/** `hoopctl env TARGET`: the variables of an open tunnel, for a shell or a file. */
import type { CommandForm } from '../command.ts';
import { heldTunnel } from '../held-tunnel.ts';

export const command: CommandForm = {
  name: 'env',
  summary: 'Print the variables of an open tunnel',
  details: ['In a shell: eval "$(hoopctl env orders-db)".'],
  arguments: [{ name: 'TARGET', summary: 'the target', required: true, completes: 'openTunnel' }],
  options: [
    { flags: '--format <format>', summary: 'sh (the default), dotenv or json', choices: ['sh', 'dotenv', 'json'] },
  ],
  async run(ctx, args, options) {
    const { endpoint, client, folder } = await heldTunnel(ctx, args.one('TARGET'));
    const files = folder === undefined ? {} : client.files?.([endpoint], folder).env;
    const variables = { ...client.environment(endpoint, true), ...files };
    const format = options.text('format') ?? (ctx.out.json ? 'json' : 'sh');
    if (format === 'json') ctx.out.document(variables);
    else
      for (const [name, value] of Object.entries(variables))
        ctx.out.print(format === 'sh' ? sh(name, value) : dotenv(name, value));
    return 0;
  },
};

function sh(name: string, value: string): string {
  return `export ${name}='${value.replaceAll("'", "'\\''")}'`;
}

// Single quotes: nothing within is expanded, by Node, Docker or the dotenv libraries alike.
function dotenv(name: string, value: string): string {
  return value.includes("'") ? `${name}=${JSON.stringify(value)}` : `${name}='${value}'`;
}
