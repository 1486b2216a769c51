/**
 * The real programs that tests talk to, the Debian package each comes with, and how a missing one gets here: by apt-get as root, otherwise by the
 * person, who is told the command by the test that needs it.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * @typedef {'postgresql' | 'postgresql-client' | 'pgbouncer' | 'haproxy' | 'stunnel4' | 'zsh' | 'fish' | 'man-db' | 'openssh-server' | 'openssh-client' | 'rsync' | 'git' | 'curl' | 'sshfs' | 'openssh-tests' | 'nginx' | 'chromium' | ClientName} ServerName
 * @typedef {'python3-requests' | 'python3-httpx' | 'python3-h2' | 'python3-psycopg' | 'python3-psycopg2' | 'python3-asyncpg' | 'libdbd-pg-perl' | 'python3-paramiko' | 'python3-asyncssh' | 'ansible-core' | 'default-jdk-headless' | 'libpostgresql-jdbc-java' | 'golang-go' | 'golang-github-lib-pq-dev' | 'golang-github-jackc-pgx-v4-dev'} ClientName
 * @typedef {'test' | 'bench' | 'clients'} NeededBy
 */

/** @type {ReadonlyMap<ServerName, { task: NeededBy, binaries: readonly string[], files?: readonly string[] }>} the key is the Debian package; `files` are what a library brings */
export const SERVERS = new Map([
  ['postgresql', { task: 'test', binaries: ['postgres', 'initdb', 'pg_ctl', 'pgbench'] }],
  ['postgresql-client', { task: 'test', binaries: ['psql'] }],
  ['openssh-server', { task: 'test', binaries: ['sshd'] }],
  ['openssh-client', { task: 'test', binaries: ['ssh', 'scp', 'sftp', 'ssh-keygen'] }],
  ['rsync', { task: 'test', binaries: ['rsync'] }],
  ['python3-paramiko', { task: 'test', binaries: ['python3'], files: ['/usr/lib/python3/dist-packages/paramiko'] }],
  ['python3-asyncssh', { task: 'test', binaries: ['python3'], files: ['/usr/lib/python3/dist-packages/asyncssh'] }],
  ['sshfs', { task: 'test', binaries: ['sshfs', 'fusermount3'] }],
  ['curl', { task: 'test', binaries: ['curl'] }],
  ['nginx', { task: 'test', binaries: ['nginx'] }],
  ['python3-requests', { task: 'test', binaries: ['python3'], files: ['/usr/lib/python3/dist-packages/requests'] }],
  ['python3-httpx', { task: 'test', binaries: ['python3'], files: ['/usr/lib/python3/dist-packages/httpx'] }],
  ['python3-h2', { task: 'test', binaries: ['python3'], files: ['/usr/lib/python3/dist-packages/h2'] }],
  ['git', { task: 'test', binaries: ['git'] }],
  ['zsh', { task: 'test', binaries: ['zsh'] }],
  ['fish', { task: 'test', binaries: ['fish'] }],
  ['man-db', { task: 'test', binaries: ['man'] }],
  ['python3-psycopg', { task: 'test', binaries: ['python3'], files: ['/usr/lib/python3/dist-packages/psycopg'] }],
  ['python3-psycopg2', { task: 'test', binaries: ['python3'], files: ['/usr/lib/python3/dist-packages/psycopg2'] }],
  ['python3-asyncpg', { task: 'test', binaries: ['python3'], files: ['/usr/lib/python3/dist-packages/asyncpg'] }],
  ['libdbd-pg-perl', { task: 'test', binaries: ['perl'], files: ['/usr/share/doc/libdbd-pg-perl'] }],
  ['ansible-core', { task: 'clients', binaries: ['ansible'] }],
  ['openssh-tests', { task: 'clients', binaries: [], files: ['/usr/lib/openssh/regress/test-exec.sh'] }],
  ['default-jdk-headless', { task: 'clients', binaries: ['java', 'javac'] }],
  ['libpostgresql-jdbc-java', { task: 'clients', binaries: [], files: ['/usr/share/java/postgresql.jar'] }],
  ['golang-go', { task: 'clients', binaries: ['go'] }],
  ['golang-github-lib-pq-dev', { task: 'clients', binaries: [], files: ['/usr/share/gocode/src/github.com/lib/pq'] }],
  [
    'golang-github-jackc-pgx-v4-dev',
    { task: 'clients', binaries: [], files: ['/usr/share/gocode/src/github.com/jackc/pgx'] },
  ],
  ['chromium', { task: 'clients', binaries: ['chromium'] }],
  ['pgbouncer', { task: 'bench', binaries: ['pgbouncer'] }],
  ['haproxy', { task: 'bench', binaries: ['haproxy'] }],
  ['stunnel4', { task: 'bench', binaries: ['stunnel4'] }],
]);

/**
 * Installs what the tasks lack, where it may. Never throws: a test that needs a missing server says so itself.
 *
 * @param {readonly NeededBy[]} tasks
 * @param {(line: string) => void} say
 */
export function ensureServers(tasks, say) {
  const missing = [...SERVERS]
    .filter(([, server]) => tasks.includes(server.task))
    .flatMap(([name]) => (findServer(name) === undefined ? [name] : []));
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0)
    return say(
      `not installed: ${missing.join(', ')}. The tests that need them will fail; as root: ${installCommand(missing)}`,
    );
  say(`installing ${missing.join(', ')} with apt-get`);
  // A bare machine has no package lists, an old one stale lists; both show as a failed install.
  if (!aptInstall(missing) && !(aptGet(['update']) && aptInstall(missing)))
    say(`apt-get could not install ${missing.join(', ')}; the tests that need them will fail`);
}

/**
 * Where each binary of a server lies, or undefined when one is missing.
 *
 * @param {ServerName} name
 * @returns {Record<string, string> | undefined}
 */
export function findServer(name) {
  /** @type {Record<string, string>} */
  const found = Object.create(null);
  const { binaries = [], files = [] } = SERVERS.get(name) ?? {};
  if (!files.every((file) => existsSync(file))) return undefined;
  for (const binary of binaries) {
    const path = searchFolders()
      .map((folder) => join(folder, binary))
      .find(isExecutable);
    if (path === undefined) return undefined;
    found[binary] = path;
  }
  return found;
}

/** @param {readonly string[]} packages */
export function installCommand(packages) {
  return `apt-get install -y ${packages.join(' ')}`;
}

/** Debian keeps PostgreSQL's programs off the PATH, and what is on it is a wrapper in Perl; daemons live in the sbin folders, which are not on a user's PATH. */
function searchFolders() {
  const home = '/usr/lib/postgresql';
  const versions = list(home).sort((a, b) => Number(b) - Number(a));
  const onPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return [
    ...versions.map((version) => join(home, version, 'bin')),
    ...onPath,
    '/usr/bin',
    '/usr/sbin',
    '/usr/local/sbin',
  ];
}

/** @param {string} folder */
function list(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {readonly string[]} packages */
function aptInstall(packages) {
  return aptGet(['install', '-y', '-q', '--no-install-recommends', ...packages]);
}

/** @param {readonly string[]} args */
function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const done = spawnSync(
    'apt-get',
    ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Options::=--force-confold', ...args],
    { env, stdio: ['ignore', 2, 2] },
  );
  return done.status === 0;
}
