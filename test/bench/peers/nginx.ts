/** nginx: what everybody asks in the end, one reverse proxy before it, and two with TLS between them. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { requireServer } from '../../fakes/servers.ts';
import { startProgram } from '../processes.ts';
import { listening } from './listening.ts';

export interface RunningNginx extends AsyncDisposable {
  /** Master and workers. */
  readonly pids: readonly number[];
}

/** Connections live as long as the bench: what opening one costs is another section's. */
const ALWAYS = 'keepalive_requests 1000000000; keepalive_timeout 1h;';

/** @param http the lines of the `http` block */
export async function startNginx(folder: string, name: string, port: number, http: string): Promise<RunningNginx> {
  const nginx = requireServer('nginx')['nginx'] as string;
  const config = join(folder, `${name}.conf`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${join(folder, `${name}-${kind}`)};`,
  );
  await writeFile(
    config,
    `${process.getuid?.() === 0 ? 'user root;\n' : ''}daemon off;
worker_processes ${availableParallelism()};
pid ${join(folder, `${name}.pid`)};
error_log stderr;
events { worker_connections 4096; }
http {
  access_log off;
  ${temporary.join('\n  ')}
  ${ALWAYS}
  ${http}
}
`,
  );
  const program = startProgram(nginx, ['-e', 'stderr', '-c', config]);
  try {
    await listening(port, program);
    // The port is open before those are there who answer on it.
    while (childrenOf(program.pid).length < availableParallelism()) await pause(20);
  } catch (error) {
    await program.stop();
    throw error;
  }
  return { pids: [program.pid, ...childrenOf(program.pid)], [Symbol.asyncDispose]: () => program.stop() };
}

/** Small answers from memory, large ones from files. */
export function originServer(port: number, root: string, answer: string): string {
  return `server {
    listen 127.0.0.1:${port};
    root ${root};
    types { text/plain txt; }
    sendfile on;
    location = /v1/customers { default_type application/json; return 200 '${answer}'; }
  }`;
}

export interface Next {
  readonly port: number;
  /** Directives by which the next hop is spoken to over TLS. */
  readonly tls?: string;
}

/** As nginx's documentation recommends it: HTTP/1.1 and kept connections to what is behind; nothing waits in files. */
export function proxyServer(listen: string, next: Next, rest = ''): string {
  return `upstream next-${next.port} { server 127.0.0.1:${next.port}; keepalive 64; ${ALWAYS} }
  server {
    listen ${listen};
    ${rest}
    client_max_body_size 0;
    location / {
      proxy_pass ${next.tls === undefined ? 'http' : 'https'}://next-${next.port};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
      ${next.tls ?? ''}
    }
  }`;
}

/** proc(5): the workers. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
}
