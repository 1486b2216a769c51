/** A gateway as a process of its own: `node gateway-main.ts CONFIG`. Says where it listens on stdout, as one line of JSON; logs to stderr. */
import { flushCompileCache } from 'node:module';
import pino from 'pino';
import { startGateway } from '../../src/app/gateway/start.ts';

const [configPath = ''] = process.argv.slice(2);
const gateway = await startGateway({
  configPath,
  env: process.env,
  log: pino({ level: 'info' }, pino.destination({ dest: 2, sync: true })),
  version: '0.0.0',
  // Other times than a gateway's own, so that a test need not wait for those.
  limits: JSON.parse(process.env['TEST_LIMITS'] ?? '{}'),
});
process.once('SIGTERM', () => void gateway.stop());
process.stdout.write(`${JSON.stringify({ url: gateway.url, adminUrl: gateway.adminUrl })}\n`);
// Whoever is killed keeps no cache of compiled code (NODE_COMPILE_CACHE) unless it is written now.
flushCompileCache();
process.exitCode = await gateway.closed;
