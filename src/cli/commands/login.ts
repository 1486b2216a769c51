/** `hoopctl login`: device flow by default, so it works where there is no browser. */
import type { LoggedIn } from '../../app/log-in.ts';
import type { CommandForm, Options } from '../command.ts';
import type { Context } from '../context.ts';
import { showSignIn } from '../sign-in.ts';

export const command: CommandForm = {
  name: 'login',
  summary: 'Log in to a gateway',
  details: [
    "Prints a link and a code; sign in with them in any browser. The first login pins the gateway's evidence key and remembers --ca.",
    'The login is kept in the keychain, else in a file sealed with a passphrase (HOOPCTL_PASSPHRASE, or asked for).',
  ],
  options: [
    {
      flags: '--flow <flow>',
      summary: 'device (the default), or browser on this machine',
      choices: ['device', 'browser'],
    },
    { flags: '--issuer <url>', summary: 'which identity provider, where the gateway has several' },
    {
      flags: '--insecure-storage',
      summary: 'without a keychain, keep the login in a plain file that only you can read',
    },
  ],
  async run(ctx, _args, options) {
    const { logIn } = await import('../../app/log-in.ts');
    using progress = ctx.out.progress({ what: 'waiting for the gateway' });
    const signIn = { what: 'waiting for the sign-in' };
    const done = await logIn(ctx.place, {
      flow: options.text('flow') === 'browser' ? 'browser' : 'device',
      issuer: options.text('issuer'),
      insecureStorage: options.has('insecure-storage'),
      signal: ctx.signal,
      onPrompt: (prompt) => {
        progress.tell(signIn);
        void showSignIn(ctx, { event: 'login', why: 'to log in', ...prompt });
      },
      onLink: (link) => {
        progress.tell(signIn);
        showLink(ctx, link);
      },
    });
    progress.end();
    tell(ctx, done, options);
    return 0;
  },
};

function showLink({ out }: Context, link: string): void {
  if (out.json) out.event({ event: 'login', link });
  else {
    out.ask('to log in, open in a browser on this machine:');
    out.ask('');
    out.ask('  ', { text: link, style: 'cyan' });
    out.ask('');
  }
}

function tell({ out }: Context, { gateway, me, storedIn, evidenceKey }: LoggedIn, options: Options): void {
  if (evidenceKey.state === 'differs')
    out.warn(
      `${gateway} now shows the evidence key ${evidenceKey.id}; pinned is ${evidenceKey.pinned}, and stays. Ask who runs it; to pin anew: hoopctl logout, then hoopctl gateways forget ${gateway}`,
    );
  if (out.json) {
    out.document({ gateway, ...me, storedIn, evidenceKey });
    return;
  }
  out.print('logged in to ', { text: gateway, style: 'bold' }, ' as ', { text: me.name, style: 'bold' });
  if (me.local) out.notice('this gateway is local: for one person, on this machine');
  if (evidenceKey.state === 'pinned') out.notice(`pinned its evidence key ${evidenceKey.id}`);
  if (storedIn === 'file') out.explain('the login is kept in a file sealed with your passphrase');
  if (storedIn === 'keychain') out.explain('the login is kept in the keychain');
  if (options.has('insecure-storage') && storedIn !== 'plain')
    out.notice(`--insecure-storage was not needed: there is a ${storedIn}`);
}
