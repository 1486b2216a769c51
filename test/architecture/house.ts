/** The rules of the house as tables, and a check that holds a source tree against them. Pure over a folder, so that it can be shown violations. */
import { globSync, readFileSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { holds, importsOf, type Import, type Token, tokenize } from './scan.ts';

/** What a room may import beside itself. */
export const MAY_IMPORT: ReadonlyMap<string, readonly string[]> = new Map([
  ['base', []],
  ['domain', ['base']],
  ...['languages', 'policy', 'mask', 'record'].map((room): [string, string[]] => [room, ['base', 'domain']]),
  ['protocols', ['base', 'domain', 'languages', 'mask']],
  ...['identity', 'secrets', 'store', 'approvals', 'tunnel', 'gateway', 'launcher', 'config', 'api'].map(
    (room): [string, string[]] => [room, ['base', 'domain']],
  ),
  [
    'app',
    [
      'base',
      'domain',
      'languages',
      'policy',
      'mask',
      'record',
      'protocols',
      'identity',
      'secrets',
      'store',
      'approvals',
      'tunnel',
      'gateway',
      'launcher',
      'config',
      'api',
    ],
  ],
  ['cli', ['base', 'domain', 'config', 'api', 'app', 'protocols']],
]);

/** Doors beside the index: what a command line needs of a room whose index loads the gateway's side. */
const SIDE_DOORS = new Set(['api/client.ts', 'api/shapes.ts', 'config/client/index.ts']);

/** Rooms that another room may enter by few doors only. */
const NARROW: readonly { from: string; to: string; doors: readonly string[] }[] = [
  { from: 'cli', to: 'api', doors: ['api/client.ts', 'api/shapes.ts'] },
  { from: 'cli', to: 'protocols', doors: ['protocols/index.ts'] },
];

/** Shared by several protocols, so each of them may import it. */
const SHARED_PROTOCOL_ROOMS = new Set(['http-wire']);

/** Files that only think: no sockets, files, processes or threads. */
const PURE_FILES = [
  /^protocols\/[^/]+\/(frames|messages|conversation|interpret|refuse|rows)(\.ts$|\/)/,
  /^policy\//,
  /^domain\//,
];
const IO_MODULES = new Set(
  [
    'child_process',
    'cluster',
    'dgram',
    'dns',
    'fs',
    'http',
    'http2',
    'https',
    'inspector',
    'net',
    'readline',
    'repl',
    'sqlite',
    'tls',
    'tty',
    'worker_threads',
  ].flatMap((name) => [name, `node:${name}`]),
);

/** Calls that stand in few places, as tokens side by side. `only` says where, as paths below src/. */
const GUARDED: readonly { tokens: readonly string[]; only: RegExp; why: string }[] = [
  {
    tokens: ['.', 'reveal', '('],
    only: /^(protocols\/[^/]+\/upstream\.ts$|secrets\/)/,
    why: "a target's credential is revealed only in a protocol's upstream.ts and in secrets/",
  },
  { tokens: ['mintPermit'], only: /^(gateway\/gate|domain\/permit)\.ts$/, why: 'only gateway/gate.ts makes a Permit' },
  { tokens: ['as', 'Permit'], only: /^domain\/permit\.ts$/, why: 'only gateway/gate.ts makes a Permit' },
  { tokens: ['Date', '.', 'now'], only: /^(?!policy\/)/, why: 'policy knows no clock' },
  { tokens: ['new', 'Date', '('], only: /^(?!policy\/)/, why: 'policy knows no clock' },
];

const TOP_FOLDERS = new Set(['bin', 'src', 'templates', 'test', 'release', 'docs']);
const GENERATED_FOLDERS = new Set(['node_modules', 'dist']);
const NO_ROOM = /(^|\/)(utils?|helpers?|common|misc|shared)(\.ts$|\/)/;
const SILENT_TESTS = ['skip', 'only', 'todo'];

export interface Inspection {
  /** Source files read, as paths below src/. */
  readonly files: readonly string[];
  readonly violations: readonly string[];
}

interface Source {
  readonly path: string;
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly imports: readonly Import[];
}

/** Holds everything below `root` (a checkout) against the tables above. */
export function inspectHouse(root: string): Inspection {
  const sources = readSources(root, 'src');
  const tests = readSources(root, 'test');
  const paths = new Set(sources.map(({ path }) => path));
  const violations = [
    ...topFolders(root),
    ...sources.flatMap((source) => [
      ...layout(source).map((found) => `src/${source.path}: ${found}`),
      ...guarded(source).map((found) => `src/${source.path}: ${found}`),
      ...source.imports
        .flatMap((found) => importRules(source.path, found, paths))
        .map((found) => `src/${source.path}: ${found}`),
    ]),
    ...new Set(cycles(sources).map((cycle) => `import cycle: ${cycle.join(' → ')}`)),
    ...tests.flatMap((source) => silentTests(source).map((found) => `test/${source.path}: ${found}`)),
  ];
  return { files: [...paths], violations };
}

function readSources(root: string, folder: string): Source[] {
  const paths = globSync('**/*.{ts,js,mjs,cjs,tsx}', { cwd: join(root, folder) }).sort();
  return paths.map((path) => {
    const text = readFileSync(join(root, folder, path), 'utf8');
    return { path: path.replaceAll('\\', '/'), text, tokens: tokenize(text), imports: importsOf(text) };
  });
}

function topFolders(root: string): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .filter(({ name }) => !TOP_FOLDERS.has(name) && !GENERATED_FOLDERS.has(name) && !name.startsWith('dist.draft-'))
    .map(({ name }) => `${name}/: not a folder of this house`);
}

function layout({ path, text }: Source): string[] {
  const found: string[] = [];
  if (!MAY_IMPORT.has(roomOf(path))) found.push('stands in no room');
  if (!path.endsWith('.ts')) found.push('sources are .ts');
  if (!text.startsWith('/**')) found.push('does not open with its reason in a doc comment');
  if (NO_ROOM.test(path)) found.push('a name that says nothing: find the room it belongs to');
  return found;
}

function guarded({ path, tokens }: Source): string[] {
  return GUARDED.filter((rule) => !rule.only.test(path) && holds(tokens, ...rule.tokens)).map(({ why }) => why);
}

function importRules(from: string, { specifier, typeOnly }: Import, paths: ReadonlySet<string>): string[] {
  if (specifier === undefined) return ['imports a name computed at run time'];
  if (!specifier.startsWith('.')) return packageRules(from, specifier, typeOnly);
  const to = posix.normalize(posix.join(posix.dirname(from), specifier));
  if (to.startsWith('..')) return [`imports ${specifier}, which lies outside src/`];
  if (!paths.has(to)) return [`imports ${specifier}, which does not exist`];
  return [...roomRules(from, to), ...doorRules(from, to, paths), ...protocolRules(from, to)];
}

function packageRules(from: string, specifier: string, typeOnly: boolean): string[] {
  if (typeOnly || !IO_MODULES.has(specifier.replace(/\/promises$/, ''))) return [];
  return PURE_FILES.some((pure) => pure.test(from)) ? [`imports ${specifier}, but does no I/O`] : [];
}

function roomRules(from: string, to: string): string[] {
  const [here, there] = [roomOf(from), roomOf(to)];
  if (here === there || MAY_IMPORT.get(here)?.includes(there)) return [];
  return [`${here} may not import ${there} (${to})`];
}

/** From outside a folder that has an index.ts, only that is imported. */
function doorRules(from: string, to: string, paths: ReadonlySet<string>): string[] {
  const narrow = NARROW.find((rule) => rule.from === roomOf(from) && rule.to === roomOf(to));
  if (narrow !== undefined) return narrow.doors.includes(to) ? [] : [`imports ${to}, which is not that room's door`];
  if (SIDE_DOORS.has(to) || handsOutClient(from, to)) return [];
  const folders = to
    .split('/')
    .slice(0, -1)
    .map((_, at, all) => all.slice(0, at + 1).join('/'));
  const walls = folders.filter((folder) => !from.startsWith(`${folder}/`));
  const index = walls.map((folder) => `${folder}/index.ts`).find((file) => paths.has(file));
  return index === undefined || index === to ? [] : [`imports ${to} past its door ${index}`];
}

function protocolRules(from: string, to: string): string[] {
  const [here, there] = [protocolOf(from), protocolOf(to)];
  if (there === undefined || here === there || SHARED_PROTOCOL_ROOMS.has(there)) return [];
  if (here !== undefined) return [`one protocol imports another (${to})`];
  if (to === `protocols/${there}/index.ts` || handsOutClient(from, to)) return [];
  return [`imports ${to}; outside a protocol only its index.ts is imported`];
}

/** The list of protocols hands each one's native client to the command line, without the rest of it. */
function handsOutClient(from: string, to: string): boolean {
  return from === 'protocols/index.ts' && to === `protocols/${protocolOf(to)}/client.ts`;
}

/** Every way back to a file, along imports that are followed when it is loaded. */
function cycles(sources: readonly Source[]): string[][] {
  const edges = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.filter(({ lazy }) => !lazy).flatMap((found) => targetOf(path, found)),
    ]),
  );
  const found: string[][] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) found.push([...trail.slice(seenAt), path]);
    if (seenAt >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

function targetOf(from: string, { specifier }: Import): string[] {
  return specifier?.startsWith('.') ? [posix.normalize(posix.join(posix.dirname(from), specifier))] : [];
}

/** A missing server fails its test; it is never passed over. */
function silentTests({ tokens }: Source): string[] {
  const found = SILENT_TESTS.filter((word) =>
    ['test', 'it', 'describe', 'suite'].some((call) => holds(tokens, call, '.', word, '(')),
  );
  const option = SILENT_TESTS.filter((word) => holds(tokens, word, ':', 'true'));
  return [...found, ...option].map((word) => `a test is passed over (${word})`);
}

function roomOf(path: string): string {
  return path.includes('/') ? path.split('/')[0]! : '';
}

function protocolOf(path: string): string | undefined {
  const [room, name, ...rest] = path.split('/');
  return room === 'protocols' && rest.length > 0 ? name : undefined;
}
