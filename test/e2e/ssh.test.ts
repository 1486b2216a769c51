/** SSH through the gateway: OpenSSH's own client and server, with everything real in between. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SshHouse, type SshRun, startSshHouse } from '../fakes/ssh-house.ts';
import { until } from './clients.ts';

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: operators
    subjects: { groups: [data-agents] }
    targets: [web-1]
    effects: [read, write, delete, transfer, execute]
rules:
  - name: nothing-at-the-root
    targets: [web-1]
    when: { effects: [delete], resources: ['/'] }
    then: deny
    reason: nobody empties a host
  - name: transfers
    targets: [web-1]
    when: { effects: [transfer] }
    then: allow
  - name: deletes-need-a-person
    targets: [web-1]
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 60s, self: false, proof: login } }
masks:
  - { name: mail, targets: ['*'], detect: [email], with: redact }
`;

let house: SshHouse;
let run: SshRun;

before(async () => {
  house = await startSshHouse({ policy: POLICY });
  run = await house.run('dana');
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
});

test('a command runs at the target, with its output and its exit code', async () => {
  const done = await run.ssh(['web-1', 'echo hello']);
  assert.deepEqual(done, { code: 0, stdout: 'hello\n', stderr: '' });
  const failed = await run.ssh(['web-1', 'ls /no/such/place']);
  assert.equal(failed.code, 2);
  assert.match(failed.stderr, /No such file/);
});
