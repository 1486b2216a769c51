/** `events:` in gateway.yaml: what is meant is read, what is not is refused at its line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readGateway } from '../../src/config/gateway/index.ts';

function read(events: string) {
  const text = `identity: { issuers: [{ issuer: 'https://idp.example', audience: a }] }
store: sqlite:./data/hoop.db
recordings: file:./recordings
keys: file:./keys
policy: ./policy.yaml
targets: {}
events: ${events}
`;
  return readGateway({ file: 'gateway.yaml', text, folder: '/etc/hoop' }, {});
}

function sinks(events: string) {
  const reading = read(events);
  return reading.ok ? reading.config.events : reading.problems;
}

test('a webhook, a syslog receiver and a file are read, each with its default name and queue', () => {
  const queue = 256 * 1024 * 1024;
  assert.deepEqual(
    sinks(`
  - { webhook: { url: 'https://siem.example/in', secret: { env: KEY } }, queue: 1GiB }
  - { syslog: 'tls://siem.example' }
  - { name: relay, syslog: { url: 'tcp://127.0.0.1:1514' } }
  - { name: pinned, syslog: { url: 'tls://10.0.0.1:6514', ca: ca.pem } }
  - { file: ./events.ndjson }`),
    [
      {
        kind: 'webhook',
        name: 'webhook',
        queue: 1024 ** 3,
        format: 'array',
        url: 'https://siem.example/in',
        secret: { env: 'KEY' },
      },
      { kind: 'syslog', name: 'syslog', queue, address: { host: 'siem.example', port: 6514 }, tls: true },
      { kind: 'syslog', name: 'relay', queue, address: { host: '127.0.0.1', port: 1514 }, tls: false },
      {
        kind: 'syslog',
        name: 'pinned',
        queue,
        address: { host: '10.0.0.1', port: 6514 },
        tls: true,
        ca: '/etc/hoop/ca.pem',
      },
      { kind: 'file', name: 'file', queue, path: '/etc/hoop/events.ndjson' },
    ],
  );
});

for (const [events, message] of [
  ['{ file: ./a }', /must be a list/],
  ['[{ name: siem }]', /names no place/],
  ["[{ file: ./a, syslog: 'tls://h' }]", /is syslog and file at once/],
  ['[{ file: ./a }, { file: ./b }]', /"file" stands here a second time/],
  ['[{ file: ./a, queue: 3KiB }]', /must be 1MiB or more/],
  ["[{ webhook: 'https://siem.example' }]", /needs a secret beside its url/],
  ["[{ webhook: { url: 'https://siem.example' } }]", /needs a secret/],
  ["[{ webhook: { url: 'http://siem.example', secret: { env: K } } }]", /must be https/],
  ["[{ webhook: { url: 'https://siem.example', secret: hunter2 } }]", /may not stand here in clear text/],
  ["[{ webhook: { url: 'https://siem.example', authorization: 'Bearer hunter2' } }]", /must name where the secret is/],
  ["[{ syslog: 'tcp://siem.example:514' }]", /must be tls/],
  ["[{ syslog: 'udp://127.0.0.1:514' }]", /udp is not in this version/],
  ["[{ syslog: 'siem.example:514' }]", /must be tls:/],
  ['[{ name: ../../keys, file: ./a }]', /must be letters/],
  ['[{ kafka: x }]', /unknown key "kafka"/],
] as const)
  test(`events: ${events} is refused`, () => {
    const reading = read(events);
    assert.ok(!reading.ok);
    assert.match(reading.problems.map((problem) => problem.message).join('\n'), message);
    assert.doesNotMatch(JSON.stringify(reading.problems), /hunter2/);
  });
