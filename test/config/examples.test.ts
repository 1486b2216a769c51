/** What the documentation and the templates show loads as it stands, and says what they say it does. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { packageRoot } from '../../src/base/entry.ts';
import { openPolicy, testPolicy } from '../../src/app/policy.ts';
import { readGateway } from '../../src/config/gateway/index.ts';
import { loadClientConfig } from '../../src/config/index.ts';
import { protocols } from '../../src/protocols/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'hoop-examples-'));
after(() => rmSync(folder, { recursive: true }));

function examplesIn(page: string): string[] {
  const text = readFileSync(join(packageRoot(), 'docs', page), 'utf8');
  return [...text.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, example]) => example ?? '');
}

const postgres = (await protocols.get('postgres')?.())!.createProtocol({ clock: systemClock, fingerprint: () => '' });
after(() => postgres.close());
const gateway = (text: string) => readGateway({ file: 'gateway.yaml', text, folder: '/etc/hoop' }, { postgres });

test('the templates for a gateway load together, and meet their own cases', async () => {
  const copy = join(folder, 'gateway');
  cpSync(join(packageRoot(), 'templates/gateway'), copy, { recursive: true });
  const open = await openPolicy(join(copy, 'policy.yaml'));
  assert.deepEqual(open.notes, []);
  const { cases } = await testPolicy(join(copy, 'policy.cases.yaml'));
  assert.deepEqual(
    cases.flatMap(({ misses }) => misses),
    [],
  );
  assert.equal(cases.length, 5);
});

test('every policy in docs/policy.md loads, and its cases meet', async () => {
  const examples = examplesIn('policy.md');
  assert.equal(examples.length, 10);
  writeFileSync(join(folder, 'gateway.yaml'), readFileSync(join(packageRoot(), 'templates/gateway/gateway.yaml')));
  for (const example of examples.filter((text) => text.startsWith('version'))) {
    writeFileSync(join(folder, 'policy.yaml'), example);
    await openPolicy(join(folder, 'policy.yaml'));
  }
  writeFileSync(join(folder, 'policy.yaml'), examples[0]!);
  writeFileSync(join(folder, 'cases.yaml'), examples.find((text) => text.startsWith('cases'))!);
  assert.deepEqual(
    (await testPolicy(join(folder, 'cases.yaml'))).cases.flatMap(({ misses }) => misses),
    [],
  );
});

test('the gateway.yaml in docs/configuration.md loads', () => {
  const reading = gateway(examplesIn('configuration.md')[0]!);
  assert.deepEqual(reading.ok ? [] : reading.problems, []);
});

test('the hoop.yaml in docs/configuration.md loads', async () => {
  const project = join(folder, 'project');
  cpSync(join(packageRoot(), 'templates/openai-agent'), project, { recursive: true });
  writeFileSync(join(project, 'hoop.yaml'), examplesIn('configuration.md')[1]!);
  const config = await loadClientConfig({ env: { XDG_CONFIG_HOME: folder }, cwd: project, flags: {} });
  assert.equal(config.project?.agent, 'weekly-report');
});

test('every key of gateway.yaml that the schema knows is in the documentation', () => {
  const page = readFileSync(join(packageRoot(), 'docs/configuration.md'), 'utf8');
  const reading = gateway(
    'nope: 1\nidentity: { nope: 1, issuers: [{ issuer: https://a.example, audience: b, nope: 1 }] }',
  );
  assert.ok(!reading.ok);
  const known = reading.problems.flatMap(({ hint }) =>
    hint?.startsWith('known keys: ') ? hint.slice(12).split(', ') : [],
  );
  assert.ok(known.length > 20);
  for (const key of known) assert.ok(page.includes(key), key);
});
