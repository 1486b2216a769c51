/** `hoopctl whoami [--claims]`: who the gateway takes the caller for. */
import type { CommandForm } from '../command.ts';
import { fail } from '../errors.ts';
import { until } from '../wording.ts';

export const command: CommandForm = {
  name: 'whoami',
  summary: 'Show who the gateway takes you for',
  options: [{ flags: '--claims', summary: "show the claims of the login's own token too (not the token)" }],
  async run(ctx, _args, options) {
    const { client, login } = await ctx.gateway();
    const me = await client.me(ctx.signal);
    const claims = options.has('claims') ? claimsOf((await login.token(ctx.signal)).expose()) : undefined;
    if (ctx.out.json) {
      ctx.out.document({ gateway: login.gateway, login: login.source, ...me, ...(claims && { claims }) });
      return 0;
    }
    ctx.out.fields([
      ['name', me.name],
      ['gateway', me.local ? `${login.gateway} (local: one person, this machine)` : login.gateway],
      ['isolation', me.isolation === 'none' ? 'none: gateway and agents run under one account' : undefined],
      ['issuer', me.issuer],
      ['subject', me.subject],
      ['groups', me.groups.length > 0 ? me.groups.join(', ') : '–'],
      ['roles', me.roles.length > 0 ? me.roles.join(', ') : '–'],
      ['login', login.source === 'stored' ? 'stored' : `a token from ${login.source}`],
      ['token ends', me.expiresAt === undefined ? undefined : until(ctx.clock, me.expiresAt)],
    ]);
    for (const [name, value] of Object.entries(claims ?? {}))
      ctx.out.print({ text: `  ${name}: `, style: 'dim' }, JSON.stringify(value));
    return 0;
  },
};

/** The middle part of a JWT (RFC 7519). Shown, not trusted: the gateway has judged the token. */
function claimsOf(token: string): Record<string, unknown> {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    if (typeof claims === 'object' && claims !== null) return { ...claims };
  } catch {
    // Falls through: said below in one way for whatever is not a JWT.
  }
  throw fail('NOT_FOUND', 'this login has an opaque token: it carries no claims to show', {
    hint: 'what the gateway makes of it is shown without --claims',
  });
}
