import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { writeFiles } from '../../../src/app/client-files.ts';
import type { Parting, Unavailable } from '../../../src/domain/protocol.ts';
import { client } from '../../../src/protocols/ssh/client.ts';
import { createParting, unavailable } from '../../../src/protocols/ssh/client-away.ts';
import { temporaryFolder } from '../../fakes/resources.ts';
import { type SshGateway, startSshGateway } from '../../fakes/ssh-gateway.ts';

const AWAY: Unavailable = { kind: 'unreachable', message: 'the gateway is away: connection refused (try later)' };
const BANNER = 'SSH-2.0-hoopctl\r\n';

describe('an ssh client that comes while the gateway is away', () => {
  test('is told so in clear, and sees the end', () => {
    const { answer, done } = unavailable(AWAY);
    const bytes = Buffer.from(answer);
    assert.equal(bytes.toString('latin1', 0, BANNER.length), BANNER);
    assert.deepEqual(packetOf(bytes.subarray(BANNER.length)), { reason: 7, message: AWAY.message, rest: 0 });
    assert.equal(done, true);
  });

  test('gets a packet of whole blocks, whatever the length of the message', () => {
    for (let length = 0; length < 24; length++) {
      const bytes = Buffer.from(unavailable({ kind: 'refused', message: 'x'.repeat(length) }).answer);
      const packet = bytes.subarray(BANNER.length);
      assert.equal(packet.length % 8, 0);
      assert.ok((packet[4] as number) >= 4);
      assert.deepEqual(packetOf(packet), { reason: 1, message: 'x'.repeat(length), rest: 0 });
    }
  });

  test('is told one line', () => {
    const bytes = Buffer.from(unavailable({ kind: 'login', message: 'log in\r\n\u001b[2Jagain' }).answer);
    assert.equal(packetOf(bytes.subarray(BANNER.length))?.message, 'log in [2Jagain');
  });

  test('shows it, where it is OpenSSH', async (t) => {
    const stderr = await sshAgainst(t, (socket) => {
      socket.end(unavailable(AWAY).answer);
      socket.resume();
    });
    assert.match(stderr, /Received disconnect from 127\.0\.0\.1 port \d+:7: the gateway is away: connection refused/);
  });
});

describe('an ssh connection that is cut', () => {
  test('before the gateway said anything is told why', () => {
    const words = Buffer.from(createParting().words(AWAY) ?? []);
    assert.equal(words.toString('latin1', 0, BANNER.length), BANNER);
  });

  test('within its banner, or within a packet, is just reset', () => {
    assert.equal(heard('SSH-2.0-hoo').words(AWAY), undefined);
    assert.equal(heard(`${BANNER}\0\0\0\x0c`).words(AWAY), undefined);
    assert.equal(heard(`${BANNER}\0\0\0\x0c\x0a\x14x`).words(AWAY), undefined);
  });

  test('between packets in clear is told why', () => {
    for (const said of [BANNER, `a line before\r\n${BANNER}`, `${BANNER}\0\0\0\x0c\x0a\x14${'x'.repeat(10)}`])
      for (const size of [1, 3, 100])
        assert.deepEqual(packetOf(Buffer.from(heard(said, size).words(AWAY) ?? [])), {
          ...{ reason: 7, message: AWAY.message, rest: 0 },
        });
  });

  test('after the gateway has changed keys is just reset', () => {
    assert.equal(heard(`${BANNER}\0\0\0\x0c\x0a\x15${'x'.repeat(10)}`).words(AWAY), undefined);
    assert.equal(heard(`${BANNER}\0\0\0\x0c\x0a\x15${'x'.repeat(10)}${'\0'.repeat(40)}`).words(AWAY), undefined);
  });

  test('after the gateway has taken its leave is told nothing more', () => {
    assert.equal(heard(`${BANNER}\0\0\0\x0c\x0a\x01${'x'.repeat(10)}`).words(AWAY)?.length, 0);
  });

  test('with lengths that are none is just reset', () => {
    for (const length of ['\xff\xff\xff\xff', '\0\0\0\0', '\0\0\0\x01'])
      assert.equal(heard(`${BANNER}${length}\x0a\x14xx`).words(AWAY), undefined);
    assert.equal(heard('x'.repeat(5_000)).words(AWAY), undefined);
  });

  test('is told by OpenSSH before its keys are exchanged, and is reset afterwards', async (t) => {
    const gateway = await startSshGateway(t);
    const early = await sshThrough(t, gateway, (parting, said) => said.length > BANNER.length && parting !== undefined);
    assert.match(early, /Received disconnect from 127\.0\.0\.1 port \d+:7: the gateway is away/);
    const late = await sshThrough(t, gateway, (parting) => parting === undefined);
    assert.match(late, /reset|closed/i);
    assert.doesNotMatch(late, /Received disconnect|Corrupted|Bad packet/);
  });
});

/** Cuts when `when` says so of the words that could be said now, and of all that the gateway said. */
function sshThrough(
  t: TestContext,
  gateway: SshGateway,
  when: (words: Uint8Array | undefined, said: Buffer) => boolean,
): Promise<string> {
  return sshAgainst(
    t,
    (local) => {
      const far = connect({ host: '127.0.0.1', port: gateway.port });
      const parting = createParting();
      let said = Buffer.alloc(0);
      let over = false;
      local.on('data', (chunk) => void far.write(chunk));
      far.on('error', () => undefined);
      far.on('data', (chunk: Buffer) => {
        if (over) return;
        parting.heard(chunk);
        said = Buffer.concat([said, chunk]);
        const words = parting.words(AWAY);
        over = when(words, said);
        local.write(chunk);
        if (!over) return;
        far.destroy();
        if (words === undefined) local.resetAndDestroy();
        else local.end(words);
      });
    },
    gateway,
  );
}

async function sshAgainst(
  t: TestContext,
  onConnection: (socket: Socket) => void,
  gateway?: SshGateway,
): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const folder = temporaryFolder(t);
  const secret = Buffer.alloc(32).toString('base64url');
  const endpoint = gateway?.endpoint ?? { target: 'web-1', host: '127.0.0.1', user: 'run', secret };
  const given = client.files?.([{ ...endpoint, port }], folder);
  writeFiles(folder, given?.files ?? {});
  const child = spawn('ssh', ['-F', `${folder}/ssh_config`, 'web-1', 'true'], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  return text(child.stderr);
}

function heard(said: string, size = said.length): Parting {
  const parting = createParting();
  for (let at = 0; at < said.length; at += size) parting.heard(Buffer.from(said.slice(at, at + size), 'latin1'));
  return parting;
}

/** RFC 4253, sections 6 and 11.1. */
function packetOf(bytes: Buffer): { reason: number; message: string; rest: number } | undefined {
  if (bytes.length < 14 || bytes[5] !== 1) return undefined;
  const length = bytes.readUInt32BE(10);
  const message = bytes.toString('utf8', 14, 14 + length);
  const used = 14 + length + 4 + (bytes[4] as number);
  return {
    reason: bytes.readUInt32BE(6),
    message,
    rest: bytes.length - used + (4 + bytes.readUInt32BE(0) - bytes.length),
  };
}
