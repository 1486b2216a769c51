/**
 * Bundles `src/` into `dist/`: the JavaScript that a package holds, because Node strips no types below node_modules.
 *
 * `node release/build.ts [--out DIR]`. Splitting keeps every lazy `import()` lazy; each worker is an entry point, so that base/entry.ts finds it.
 */
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build, type Plugin } from 'esbuild';
import { packageRoot } from '../src/base/entry.ts';
import { manPages } from '../src/cli/man.ts';

/** Dependencies that stay packages of their own, and why. Those of `optionalDependencies` always do: they may not be there. */
const EXTERNAL: readonly string[] = [
  'libpg-query', // reads its WebAssembly from beside itself
  'tsx', // is handed to another Node by path
  'fastify', // compiles schemas into code that requires its own files by name
  'pino', // starts worker threads from its own folder
  'ssh2', // looks for files beside itself, and for native parts that may not be there
];

/** esbuild turns CommonJS dependencies into modules, where `require` of a Node built-in does not exist by itself. */
const BANNER =
  "import { createRequire as bundledRequire } from 'node:module'; const require = bundledRequire(import.meta.url);";

/** With DEV=true in its user's environment ink would load devtools that are not installed, and fail. */
const withoutDevtools: Plugin = {
  name: 'without-devtools',
  setup({ onResolve, onLoad }) {
    const filter = /^react-devtools-core$/;
    onResolve({ filter }, ({ path }) => ({ path, namespace: 'nothing' }));
    onLoad({ filter, namespace: 'nothing' }, () => ({
      contents: 'export default { initialize() {}, connectToDevTools() {} };',
    }));
  },
};

const root = packageRoot();
const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'dist') } } });
await bundle(resolve(values.out));

async function bundle(out: string): Promise<void> {
  const startedAt = new Date();
  const draft = `${out}.draft-${process.pid}`;
  try {
    await build({
      absWorkingDir: root,
      entryPoints: entryPoints(),
      outbase: 'src',
      outdir: draft,
      entryNames: '[dir]/[name]',
      chunkNames: 'chunks/[name]-[hash]',
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      sourcemap: true,
      sourcesContent: false,
      legalComments: 'linked',
      banner: { js: BANNER },
      external: [...EXTERNAL, ...optionalDependencies()].flatMap((name) => [name, `${name}/*`]),
      plugins: [withoutDevtools],
      logLevel: 'warning',
    });
    await writeManual(join(draft, 'man'));
    // The age of the build is the moment before it read the first source: bin/hoopctl.js compares it with theirs.
    utimesSync(join(draft, 'cli', 'main.js'), startedAt, startedAt);
    rmSync(out, { recursive: true, force: true });
    renameSync(draft, out);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  console.error(`built ${relative(process.cwd(), out) || out}`);
}

/** Where package.json's `man` expects them. */
async function writeManual(folder: string): Promise<void> {
  mkdirSync(folder);
  for (const [file, text] of await manPages()) writeFileSync(join(folder, file), text);
}

function entryPoints(): string[] {
  const workers = globSync(['src/**/worker.ts', 'src/**/*-worker.ts'], { cwd: root });
  return ['src/cli/main.ts', ...workers].filter((file) => existsSync(join(root, file)));
}

function optionalDependencies(): string[] {
  const manifest: { optionalDependencies?: Record<string, string> } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  return Object.keys(manifest.optionalDependencies ?? {});
}
