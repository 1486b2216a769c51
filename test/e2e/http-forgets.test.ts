/** Requests on one connection that stays: what each of them held is let go of with it. */
import assert from 'node:assert/strict';
import { Agent, ClientRequest, request } from 'node:http';
import { after, before, test } from 'node:test';
import { queryObjects } from 'node:v8';
import { type HttpHouse, type HttpRun, startHttpHouse } from '../fakes/http-house.ts';

const POLICY = `version: 1
access:
  - { name: billing, subjects: { groups: [data-agents] }, targets: [billing], effects: [read, write] }
masks:
  - { name: ssn, targets: [billing], json: ['$..ssn'], with: redact }
`;
const REQUESTS = 200;

let house: HttpHouse;
let run: HttpRun;

before(async () => {
  house = await startHttpHouse({
    policy: POLICY,
    serve(request, response) {
      request.resume();
      response.setHeader('content-type', 'application/json').end('{"ssn":"219-09-9999"}');
    },
  });
  run = await house.run('dana');
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
});

test('a connection that stays holds nothing of the requests that are over', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < REQUESTS; i++) assert.equal(await ask(agent, i % 2 === 0 ? undefined : '{"a":1}'), 200);
  // Those of the gateway's side are of the same class, and this test's own are gone as well.
  const held = queryObjects(ClientRequest, { format: 'count' });
  agent.destroy();
  assert.ok(held < REQUESTS / 10, `${held} of ${REQUESTS} requests to the target are still held`);
});

function ask(agent: Agent, body: string | undefined): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${run.secret}`, 'content-type': 'application/json' };
    const method = body === undefined ? 'GET' : 'POST';
    request(`${run.url}/v1/customers`, { agent, method, headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    })
      .once('error', reject)
      .end(body);
  });
}
