/** A run's trace: its sessions are recorded with it, and a collector that is named gets their spans below the run's own. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, recorded, refused, sessionOf, until } from './clients.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CANARY = 'canary-in-a-statement';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code?: number };
}

let stack: Stack;
const spans: Span[] = [];
let received = '';
const collector = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    received += body;
    for (const { scopeSpans } of JSON.parse(body).resourceSpans)
      for (const scope of scopeSpans) spans.push(...scope.spans);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});

before(async () => {
  await new Promise<void>((resolve) => void collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as { port: number };
  stack = await startStack({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/` } });
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  collector.close();
});

const value = (span: Span | undefined, key: string) => span?.attributes.find((one) => one.key === key)?.value;

test('joins the launcher, the recording and the spans of session and commands', async () => {
  await using run = await stack.run('dana', { trace: `00-${TRACE}-00f067aa0ba902b7-01`, agent: 'reporter' });
  assert.match(
    run.trace,
    new RegExp(`^00-${TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`),
    'a span of its own in the trace that was there',
  );
  const client = await connected(run);
  const session = await sessionOf(stack, client);
  await client.query(`SELECT id, ssn FROM customers WHERE name <> '${CANARY}' LIMIT 2`);
  await refused(client.query('DROP TABLE customers'));
  await client.end();
  const [opened] = await recorded(stack, session);
  assert.equal((opened as { trace?: string }).trace, run.trace);

  await until('the spans came', () => spans.some(({ name }) => name === 'session shop'));
  const [root] = spans.filter(({ name }) => name === 'session shop');
  assert.equal(root?.traceId, TRACE);
  assert.equal(root?.parentSpanId, run.trace.split('-')[2]);
  assert.deepEqual(value(root, 'hoop.session'), { stringValue: session });
  const below = spans.filter(({ parentSpanId }) => parentSpanId === root?.spanId);
  const select = below.find(
    ({ name, attributes }) => name === 'select' && attributes.some(({ key }) => key === 'hoop.masked_cells'),
  );
  assert.deepEqual(value(select, 'db.response.returned_rows'), { intValue: 2 });
  const drop = below.find(({ name }) => name === 'drop');
  assert.deepEqual(value(drop, 'hoop.verdict'), { stringValue: 'deny' });
  assert.equal(drop?.status.code, 2);
  assert.ok(!received.includes(CANARY), 'no text of a statement leaves');
});

test('of a collector that does not answer, and of a launcher that tells nonsense, keeps nothing from working', async () => {
  await using run = await stack.run('dana', { trace: '00-nonsense' });
  assert.match(run.trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  collector.removeAllListeners('request');
  collector.on('request', (request) => request.socket.destroy());
  await using client = await connected(run);
  assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
});
