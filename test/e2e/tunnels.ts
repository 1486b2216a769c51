/** hoopctl tunnel as a process of its own, in a home of its own, and who logs in there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Home, RunningCli } from '../cli/cli.ts';
import type { Stack } from '../fakes/stack.ts';
import { later } from './clients.ts';

export async function tunnelIn(home: Home, env: Record<string, string>) {
  const child = home.start(['tunnel', 'shop'], { env });
  await child.says(/shop {2}127\.0\.0\.1:\d+/);
  const url = (await home.run(['url', 'shop'], { env })).stdout.trim();
  const [held] = (await home.run(['tunnel', 'list', '--json'], { env })).stdout.trim().split('\n');
  return { child, url, run: JSON.parse(held ?? '{}').run as string };
}

export async function ask(connectionString: string, text: string): Promise<unknown> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows[0]?.n;
  } finally {
    await client.end();
  }
}

export async function refusedWith(url: string, code: string): Promise<boolean> {
  const answer = await later(ask(url, 'SELECT 1'));
  return !answer.ok && answer.told.code === code;
}

/** What a person was told of how things went, beside how to connect. */
export function toldIn({ stderr }: { stderr: string }): string[] {
  return stderr.split('\n').filter((line) => line !== '' && !/password and URL|^hoopctl: error|hint/.test(line));
}

export async function logIn(stack: Stack, home: Home, who: string): Promise<void> {
  const child: RunningCli = home.start(['login', '--gateway', stack.gateway.url]);
  const [link = ''] = /http\S+user_code=\S+/.exec(await child.says(/http\S+user_code=\S+\s/)) ?? [];
  await stack.idp.visit(link, { user: `${who}@example.test` });
  const { code, stderr } = await child.ended;
  assert.equal(code, 0, stderr);
}

/** As an administrator of the identity provider would. */
export async function endLogin(stack: Stack, home: Home): Promise<void> {
  const stored = JSON.parse(readFileSync(join(home.dir, '.config', 'hoopctl', 'logins.json'), 'utf8'));
  for (const text of Object.values(stored)) {
    const { refreshToken } = JSON.parse(String(text));
    if (refreshToken === undefined) continue;
    const body = new URLSearchParams({ token: refreshToken, client_id: stack.idp.clientId });
    const { status } = await fetch(`${stack.idp.issuer}/token/revocation`, { method: 'POST', body });
    assert.equal(status, 200);
  }
}
