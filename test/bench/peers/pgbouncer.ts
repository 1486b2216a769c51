/** pgbouncer alone, and behind a pair of stunnels. Session pooling unless told: the only mode in which a session means what it does without it. */
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../../src/app/demo/free-port.ts';
import { serverAccount } from '../../fakes/postgres.ts';
import { requireServer } from '../../fakes/servers.ts';
import { startProgram } from '../processes.ts';
import type { World } from '../world.ts';
import { delayed } from './delay.ts';
import { listening } from './listening.ts';
import type { Peer } from './peer.ts';

export interface PgbouncerOptions {
  /** Default: session. */
  readonly pooling?: 'session' | 'transaction';
  /** Connections to PostgreSQL. */
  readonly poolSize?: number;
}

export async function startPgbouncer(world: World, options: PgbouncerOptions = {}): Promise<Peer> {
  const { pgbouncer } = requireServer('pgbouncer');
  const { host, port, user, password, database } = world.target;
  const folder = await world.place('pgbouncer');
  const own = await freePort();
  // It does not run as root, and must be able to read its files.
  const account = await serverAccount();
  const users = join(folder, 'users.txt');
  const config = join(folder, 'pgbouncer.ini');
  await writeFile(users, `"${user}" "${password}"\n`);
  await writeFile(
    config,
    `[databases]
${database} = host=${host} port=${port} dbname=${database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = ${options.pooling ?? 'session'}
max_client_conn = 8000
default_pool_size = ${options.poolSize ?? 100}
listen_backlog = 4096
ignore_startup_parameters = extra_float_digits,options,search_path,statement_timeout,idle_in_transaction_session_timeout
log_connections = 0
log_disconnections = 0
`,
  );
  if (account.uid !== undefined && account.gid !== undefined)
    for (const path of [folder, users, config]) await chown(path, account.uid, account.gid);
  const program = startProgram(pgbouncer as string, [config], account);
  await listening(own, program);
  return {
    name: 'pgbouncer',
    address: { ...world.target, port: own },
    processes: { pgbouncer: [program.pid] },
    [Symbol.asyncDispose]: () => program.stop(),
  };
}

/** The client's stunnel, TLS, the server's stunnel, pgbouncer. */
export async function startStunnel(world: World, delay = 0): Promise<Peer> {
  const stunnel = requireServer('stunnel4')['stunnel4'] as string;
  const opened = new AsyncDisposableStack();
  try {
    const pooler = opened.use(await startPgbouncer(world));
    const folder = await world.place('stunnel');
    const start = async (name: string, accept: number, lines: string) => {
      const config = join(folder, `${name}.conf`);
      await writeFile(config, `${COMMON}\n[pg]\naccept = 127.0.0.1:${accept}\n${lines}\n`);
      const program = startProgram(stunnel, [config]);
      opened.defer(() => program.stop());
      await listening(accept, program);
      return program.pid;
    };
    const [near, far] = [await freePort(), await freePort()];
    const server = await start('server', far, `connect = 127.0.0.1:${pooler.address.port}\ncert = ${world.tls.both}`);
    const between = await delayed(far, delay, opened);
    const client = await start(
      'client',
      near,
      `client = yes\nconnect = 127.0.0.1:${between}\nCAfile = ${world.tls.cert}\nverifyChain = yes\ncheckHost = localhost`,
    );
    return {
      name: 'pgbouncer+stunnel',
      address: { ...world.target, port: near },
      processes: { ...pooler.processes, client: [client], server: [server] },
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

const COMMON = `foreground = yes
pid =
syslog = no
debug = err
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1`;
