/** A process of its own that renews the stored login of a folder: `node renewer.ts FOLDER ISSUER SUBJECT`. Prints the token that it then has. */
import { systemClock } from '../../src/base/clock.ts';
import { freshLogin, openTokenStore, refreshLogin } from '../../src/identity/index.ts';

const [folder = '', issuer = '', subject = ''] = process.argv.slice(2);
const store = await openTokenStore({ folder, env: { HOOPCTL_TOKEN_STORE: 'plain' }, clock: systemClock });
const login = await freshLogin({
  store,
  key: { gateway: 'https://gateway.example', issuer, subject },
  clock: systemClock,
  refresh: (old) =>
    refreshLogin(old, {
      issuer: { issuer, clientId: 'hoopctl', audience: 'hoop-gateway', use: 'accessToken' },
      clock: systemClock,
    }),
});
process.stdout.write(login?.token.expose() ?? 'none');
