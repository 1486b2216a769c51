/** Logins with certificates: made for each command, good for a moment, for one account and for that command alone. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import ssh2 from 'ssh2';
import { certify } from '../../src/protocols/ssh/certificate.ts';
import { keyFromSeed } from '../../src/protocols/ssh/keys.ts';
import { ended, type SshHouse, type SshRun, startSshHouse } from '../fakes/ssh-house.ts';
import { until } from './clients.ts';

const POLICY = `version: 1
access:
  - { name: all, subjects: { groups: [data-agents] }, targets: [web-1], effects: [read, write, delete, transfer, unknown] }
rules:
  - { name: more, targets: [web-1], when: { effects: [transfer, unknown] }, then: allow }
`;

const folder = mkdtempSync(join(tmpdir(), 'hoopctl-ca-'));
const authority = keyFromSeed(randomBytes(32));
const caFile = join(folder, 'user_ca');
let house: SshHouse;
let run: SshRun;

before(async () => {
  writeFileSync(caFile, authority.privateOpenSsh, { mode: 0o600 });
  writeFileSync(`${caFile}.pub`, `${authority.publicLine}\n`, { mode: 0o644 });
  house = await startSshHouse({
    policy: POLICY,
    target: ['modes: [argv, exec, shell]'],
    // The authority's public half is all the host knows.
    lines: [`TrustedUserCAKeys ${caFile}.pub`],
    account: ({ user }) => `{ user: ${user}, certificate: { authority: { file: ${caFile} } } }`,
  });
  writeFileSync(join(house.sshd.folder, 'authorized_keys'), '');
  run = await house.run('dana');
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test('commands, files and shells work as with a key', async () => {
  assert.deepEqual(await run.ssh(['web-1', "echo 'a  b'"]), { code: 0, stdout: 'a  b\n', stderr: '' });
  assert.equal((await run.ssh(['web-1', 'seq 3 | tail -n 1'])).stdout, '3\n');
  const local = join(run.folder, 'up');
  writeFileSync(local, 'certified');
  const up = await run.program('scp', [local, `web-1:${join(house.sshd.folder, 'up')}`]);
  assert.equal(up.code, 0, up.stderr);
  const shell = await run.ssh(['-tt', 'web-1'], { input: 'echo $((6*7))\nexit\n' });
  assert.match(shell.stdout, /42/);
});

test("the host's own log names the session, and the command is forced by the certificate", async () => {
  await run.ssh(['web-1', 'echo logged']);
  const opened = (await house.events()).flatMap(({ type, session }) => (type === 'session.opened' ? [session] : []));
  await until('it is logged', async () => {
    const log = await house.sshd.log();
    return (
      opened.some((session) => log.includes(`ID hoopctl ${session}`)) &&
      /Starting session: forced-command.*'echo logged'/.test(log)
    );
  });
});

test('OpenSSH reads the certificate as it was meant', async () => {
  const key = ssh2.utils.parseKey(authority.privateOpenSsh);
  assert.ok(!(key instanceof Error));
  const ca = { publicBlob: authority.publicBlob, sign: (data: Buffer) => key.sign(data) as Buffer };
  const { blob } = certify({
    ...{ authority: ca, principals: ['deploy', 'web'], id: 'hoopctl ses_1', permits: ['permit-pty'] },
    ...{
      from: Date.parse('2026-11-22T07:00:00Z'),
      until: Date.parse('2026-11-22T07:02:00Z'),
      forceCommand: 'uptime -p',
    },
  });
  const file = join(folder, 'shown-cert.pub');
  writeFileSync(file, `ssh-ed25519-cert-v01@openssh.com ${blob.toString('base64')}\n`);
  const { stdout } = await ended('ssh-keygen', ['-L', '-f', file]);
  for (const line of [
    /user certificate/,
    /Key ID: "hoopctl ses_1"/,
    /deploy\s+web/,
    /force-command uptime -p/,
    /permit-pty/,
  ])
    assert.match(stdout, line);
  assert.doesNotMatch(stdout, /permit-port-forwarding|permit-agent/);
});

test('an authority that the host does not know opens nothing', async () => {
  const other = keyFromSeed(randomBytes(32));
  writeFileSync(caFile, other.privateOpenSsh, { mode: 0o600 });
  try {
    const refused = await run.ssh(['web-1', 'echo in']);
    assert.equal(refused.code, 254);
    assert.match(refused.stderr, /does not take the login of its account/);
  } finally {
    writeFileSync(caFile, authority.privateOpenSsh, { mode: 0o600 });
  }
});
