/** Ways from OpenSSH's client to one and the same sshd: straight, through a port that ssh forwards, and through hoopctl with everything on. */
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../../src/app/demo/free-port.ts';
import { DANA, deviceToken } from '../../fakes/idp.ts';
import { type RunningSshd, startSshd } from '../../fakes/sshd.ts';
import { startProgram } from '../processes.ts';
import type { World } from '../world.ts';
import { newHome, removeSealed, startGateway } from './hoopctl.ts';
import type { Peer } from './peer.ts';

export const STRAIGHT = 'ssh';
export const FORWARDED = 'ssh through ssh -L';
export const GATEWAY = 'hoopctl';

export interface SshPeer extends Pick<Peer, 'processes' | 'tidy'> {
  /** For `-F`; the host's name in it is `web`. */
  readonly config: string;
}

export interface SshPeers extends AsyncDisposable {
  readonly peers: ReadonlyMap<string, SshPeer>;
  /** The folder at the host in which the account may write. */
  readonly folder: string;
}

export async function startSshPeers(world: World): Promise<SshPeers> {
  const opened = new AsyncDisposableStack();
  try {
    const sshd = opened.use(await startSshd({ lines: ['LogLevel ERROR'] }));
    const place = await world.place('ssh');
    const straight = join(place, 'straight');
    await writeFile(join(place, 'known_hosts'), `web ${sshd.hostKey}\n`);
    await writeFile(straight, configOf(place, sshd, sshd.port));
    const door = await freePort();
    const forward = startProgram('ssh', [
      '-F',
      straight,
      '-N',
      '-L',
      `127.0.0.1:${door}:127.0.0.1:${sshd.port}`,
      'web',
    ]);
    opened.defer(() => forward.stop());
    await listening(door);
    const forwarded = join(place, 'forwarded');
    await writeFile(forwarded, configOf(place, sshd, door));
    const gateway = await startSshGateway(world, sshd, opened);
    return {
      folder: sshd.folder,
      peers: new Map<string, SshPeer>([
        [STRAIGHT, { config: straight, processes: {} }],
        [FORWARDED, { config: forwarded, processes: { 'ssh -L': [forward.pid] } }],
        [GATEWAY, gateway],
      ]),
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** OpenSSH's own choice of algorithms. */
function configOf(place: string, { user, keyFile }: RunningSshd, port: number): string {
  return [
    'Host web',
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    `  User ${user}`,
    `  IdentityFile ${keyFile}`,
    '  IdentitiesOnly yes',
    `  UserKnownHostsFile ${join(place, 'known_hosts')}`,
    '  HostKeyAlias web',
    '  BatchMode yes',
    '',
  ].join('\n');
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const there = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (there) return;
    await pause(25);
  }
  throw new Error('ssh -L does not listen');
}

async function startSshGateway(world: World, sshd: RunningSshd, opened: AsyncDisposableStack): Promise<SshPeer> {
  const folder = await world.place('hoopctl-ssh');
  const port = await freePort();
  await writeFile(join(folder, 'gateway.yaml'), gatewayYaml(world, sshd, port));
  await writeFile(join(folder, 'policy.yaml'), POLICY);
  const gateway = await startGateway(folder, [world.hoopctl], { password: '' });
  opened.defer(() => gateway.stop());
  const token = await deviceToken(world.idp, DANA.email);
  const env = await newHome(world, { url: `https://127.0.0.1:${port}`, token });
  const args = [world.hoopctl, 'tunnel', 'web', '--json', '--purpose', 'the bench'];
  const tunnel = startProgram(process.execPath, args, { env });
  opened.defer(() => tunnel.stop());
  const [, config = ''] = await tunnel.says(/"HOOP_SSH_CONFIG":"([^"]+)"/);
  return {
    config,
    processes: { hoopctl: [tunnel.pid], gateway: [gateway.pid] },
    tidy: () => removeSealed(join(folder, 'recordings')),
  };
}

function gatewayYaml({ idp, tls }: World, { port: target, hostKey, user, keyFile }: RunningSshd, port: number): string {
  return `listen: 127.0.0.1:${port}
publicUrl: https://127.0.0.1:${port}
tls: { cert: ${tls.cert}, key: ${tls.key} }
identity:
  maxAge: 12h
  issuers:
    - issuer: ${idp.issuer}
      audience: ${idp.audience}
      clientId: ${idp.clientId}
      scopes: [openid, offline_access, email, groups]
      groupsClaim: groups
      subjectClaim: email
store: sqlite:./data/hoop.db
recordings: { url: 'file:./recordings', durability: process }
keys: file:./keys
policy: ./policy.yaml
targets:
  web:
    protocol: ssh
    address: 127.0.0.1:${target}
    hostKey: ${hostKey}
    account: { user: ${user}, key: { file: ${keyFile} } }
`;
}

const POLICY = `version: 1
access:
  - name: the-bench
    subjects: { groups: [data-agents] }
    targets: [web]
    effects: [read, write, transfer]
    session: { max: 8h, idle: 8h }
rules:
  - name: nothing-at-the-root
    targets: ['*']
    when: { effects: [delete], resources: ['/'] }
    then: deny
    reason: nobody empties a host
  - name: files
    targets: [web]
    when: { effects: [transfer] }
    then: allow
masks:
  - { name: pii-patterns, targets: [web], detect: [email, credit_card, us_ssn], with: redact }
limits:
  - { name: none, targets: ['*'], rowsPerStatement: none, bytesPerStatement: none, rowsPerRun: none, bytesPerRun: none, then: deny }
`;
