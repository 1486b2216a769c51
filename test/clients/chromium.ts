/**
 * Web pages in a real Chromium (Debian package chromium) that know the address and even the secret of a tunnel, and try all that a page can to ride it. Not a
 * part of `npm test`: `node test/clients/chromium.ts` prints what came of each try, and fails where one got through.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HttpRun, startHttpHouse } from '../fakes/http-house.ts';
import { requireServer } from '../fakes/servers.ts';

const PATIENCE_MS = 60_000;
const POSTED = 'fetch, POST with the secret';
const POLICY = `version: 1
access:
  - { name: all, subjects: { groups: [data-agents] }, targets: ['*'], effects: [read, write, delete] }
`;

const { chromium } = requireServer('chromium');
/** What reached the target. */
const reached: string[] = [];
const reports = new Map<string, (told: Record<string, string>) => void>();
const servers: Server[] = [];

const pagesPort = await listen(async (request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://page');
  if (pathname === '/report') {
    const { from, told } = JSON.parse(await textOf(request)) as { from: string; told: Record<string, string> };
    reports.get(from)?.(told);
    return void response.end();
  }
  if (pathname === '/away') return void response.writeHead(302, { location: `${run.url}/redirected` }).end();
  const html = pathname === '/allowed' ? page(open, ['fetch with the secret', POSTED]) : page(run);
  response.writeHead(200, { 'content-type': 'text/html' }).end(html);
});
const targetPort = await listen((request, response) => {
  reached.push(`${request.method} ${request.url}`);
  // A target that lets every page read what it says.
  response.writeHead(200, { 'content-type': 'text/plain', 'access-control-allow-origin': '*' }).end('the target');
});
const entry = [`address: http://127.0.0.1:${targetPort}`, 'account: { bearer: { env: BILLING_TOKEN } }'];
await using house = await startHttpHouse({
  policy: POLICY,
  others: { closed: entry, open: [...entry, `origins: ['http://127.0.0.1:${pagesPort}']`] },
});
await using run = await house.run('dana', { target: 'closed' });
await using open = await house.run('dana', { target: 'open' });

const folder = await mkdtemp(join(tmpdir(), 'hoopctl-chromium-'));
let failed = false;
try {
  // The first is of the same site as the tunnel; the second of another, by a name that leads here.
  for (const host of [`127.0.0.1:${pagesPort}`, `evil.example:${pagesPort}`]) await tryFrom(`http://${host}/`);
  await navigate('a name made to lead to the tunnel', `http://evil.example:${new URL(run.url).port}/rebound`);
  if (reached.length > 0) failed = true;
  console.log(`| what reached the target | ${reached.join(', ') || 'nothing'} |`);
  // It shows that the tries above could have come through: a page of an origin that is allowed asks with the secret, and reads the answer.
  const told = await tryFrom(`http://127.0.0.1:${pagesPort}/allowed`);
  if (told[POSTED] !== 'cors 200 the target' || reached.join() !== 'GET /fetch,POST /post') failed = true;
  await tryFrom(`http://evil.example:${pagesPort}/allowed`);
  if (reached.length > 2) failed = true;
  console.log(`| what reached the target | ${reached.join(', ')} |`);
} finally {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}
process.exitCode = failed ? 1 : 0;

async function listen(serve: RequestListener): Promise<number> {
  const server = createServer(serve);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function tryFrom(url: string): Promise<Record<string, string>> {
  const { promise, resolve } = Promise.withResolvers<Record<string, string>>();
  const { origin } = new URL(url);
  reports.set(origin, resolve);
  const browser = start(url, []);
  const timer = setTimeout(() => resolve({ 'the page': 'did not report' }), PATIENCE_MS);
  const told = await promise;
  clearTimeout(timer);
  await closed(browser);
  if ('the page' in told) failed = true;
  for (const [what, came] of Object.entries(told)) console.log(`| ${origin}: ${what} | ${came} |`);
  return told;
}

async function navigate(what: string, url: string): Promise<void> {
  const browser = start(url, ['--dump-dom']);
  const chunks: Buffer[] = [];
  browser.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const timer = setTimeout(() => browser.kill('SIGKILL'), PATIENCE_MS);
  await once(browser, 'close');
  clearTimeout(timer);
  const said = Buffer.concat(chunks)
    .toString()
    .replaceAll(/<[^>]*>|\s+/g, ' ')
    .trim();
  console.log(`| ${what} | ${said.slice(0, 120)} |`);
}

function start(url: string, more: readonly string[]): ChildProcess {
  const args = [
    ...['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-dev-shm-usage'],
    ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-proxy-server'],
    // No name leads anywhere but here.
    ...[`--host-resolver-rules=MAP * 127.0.0.1`, `--user-data-dir=${join(folder, 'profile')}`],
    // The browser's own guard of local addresses is newer than many browsers: ours is tried without it.
    '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights',
    ...more,
    url,
  ];
  return spawn(chromium as string, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, HOME: folder },
  });
}

async function closed(browser: ChildProcess): Promise<void> {
  if (browser.exitCode !== null || browser.signalCode !== null) return;
  const over = once(browser, 'exit');
  browser.kill('SIGTERM');
  await over;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Each try tells what the page got to see of it. */
function page({ url, secret }: HttpRun, only?: readonly string[]): string {
  return `<!doctype html><meta charset="utf-8"><body><script>
const URL_ = ${JSON.stringify(url)}, SECRET = ${JSON.stringify(secret)};
const INSIDE = 'http://x:' + SECRET + '@' + ${JSON.stringify(new URL(url).host)};
const ONLY = ${JSON.stringify(only ?? null)};
const auth = { authorization: 'Bearer ' + SECRET };
const seen = (promise) => Promise.race([promise, new Promise((r) => setTimeout(() => r('nothing within 3 s'), 3000))]).catch((e) => 'error: ' + e.message);
const ask = (path, init) => seen(fetch(URL_ + path, init).then(async (r) => r.type + ' ' + r.status + ' ' + (await r.text()).slice(0, 40)));
const element = (tag, fields) => seen(new Promise((r) => {
  const e = Object.assign(document.createElement(tag), fields, { onload: () => r('loaded'), onerror: () => r('error') });
  document.body.append(e);
}));
const form = (method) => seen(new Promise((r) => {
  const frame = Object.assign(document.createElement('iframe'), { name: 'f' + method, onload: () => r('the frame loaded something') });
  document.body.append(frame);
  const f = Object.assign(document.createElement('form'), { method, action: URL_ + '/form-' + method, target: frame.name });
  document.body.append(f);
  f.submit();
}));
const tries = {
  'fetch with the secret': () => ask('/fetch', { headers: auth }),
  ${JSON.stringify(POSTED)}: () => ask('/post', { method: 'POST', headers: { ...auth, 'content-type': 'application/json' }, body: '{}' }),
  'fetch no-cors': () => ask('/no-cors', { mode: 'no-cors' }),
  'fetch no-cors, POST': () => ask('/no-cors-post', { method: 'POST', mode: 'no-cors', body: 'x=1' }),
  'fetch with credentials in the address': () => seen(fetch(INSIDE + '/inside').then((r) => r.status)),
  'fetch through a redirect of the page': () => seen(fetch('/away', { mode: 'no-cors' }).then((r) => r.type)),
  'XMLHttpRequest with user and password': () => seen(new Promise((r) => {
    const x = new XMLHttpRequest();
    x.onloadend = () => r('status ' + x.status);
    x.open('GET', URL_ + '/xhr', true, 'x', SECRET);
    x.send();
  })),
  'img': () => element('img', { src: URL_ + '/img' }),
  'img with credentials': () => element('img', { src: INSIDE + '/img' }),
  'script': () => element('script', { src: URL_ + '/script' }),
  'stylesheet': () => element('link', { rel: 'stylesheet', href: URL_ + '/style' }),
  'iframe': () => element('iframe', { src: URL_ + '/frame' }),
  'iframe with credentials': () => element('iframe', { src: INSIDE + '/frame' }),
  'iframe without an origin': () => element('iframe', { sandbox: 'allow-scripts', srcdoc: '<img src="' + URL_ + '/opaque">' }),
  'form, GET': () => form('get'),
  'form, POST': () => form('post'),
  'WebSocket': () => seen(new Promise((r) => {
    const w = new WebSocket(URL_.replace('http', 'ws') + '/socket');
    w.onopen = () => r('open');
    w.onerror = () => r('error');
  })),
  'EventSource': () => seen(new Promise((r) => {
    const s = new EventSource(URL_ + '/source');
    s.onopen = () => r('open');
    s.onerror = () => { s.close(); r('error'); };
  })),
  'sendBeacon': () => seen(Promise.resolve(String(navigator.sendBeacon(URL_ + '/beacon', 'x')))),
  'a worker': () => seen(new Promise((r) => {
    const code = 'fetch(' + JSON.stringify(URL_ + '/worker') + ', { headers: ' + JSON.stringify(auth) + ' }).then((r) => postMessage("status " + r.status), () => postMessage("error"))';
    new Worker(window.URL.createObjectURL(new Blob([code]))).onmessage = ({ data }) => r(data);
  })),
};
(async () => {
  const told = {};
  for (const [what, attempt] of Object.entries(tries)) if (ONLY === null || ONLY.includes(what)) told[what] = String(await attempt());
  await fetch('/report', { method: 'POST', body: JSON.stringify({ from: location.origin, told }) });
})();
</script>`;
}
