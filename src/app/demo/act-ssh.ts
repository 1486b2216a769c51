/** The demo's step with SSH: an agent that looks after a host. What it claims it has asked the host, its web server and the clients about. */
import { accessSync, constants } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Scene } from './scene.ts';
import type { Child } from './child.ts';
import { RESTART } from './files.ts';
import { expect } from './watching.ts';
import { PEOPLE, type World } from './world.ts';

export async function lookAfterTheHost({
  world,
  story,
  interactive,
}: Scene): Promise<Readonly<Record<string, unknown>>> {
  const { host } = world;
  if (!host) throw new Error('there is no host');
  const before = await host.webProcess();
  await story.pause();
  const agent = await startAgent(world, (line) => story.agent(line));
  await agent.says(/web\.mjs/);
  const [refusal] = await agent.says(/HOOP_DENIED[^\n]*/);
  const [, request = ''] = await agent.says(/waiting for approval (\w+)/);
  expect((await host.webProcess()) === before, 'the web server was restarted although nobody approved');
  expect((await host.commands()).length === 1, 'more than the listing reached the host');
  if (interactive) {
    const word = await story.choose('You are riley. Let the web server be restarted?', ['approve', 'deny']);
    expect(word === 'approve', 'you denied it: the agent was told so, and the web server goes on');
  }
  const child = world.as('riley', ['approve', request]);
  await world.signIn('riley', child);
  expect((await child.exited) === 0, `approving failed: ${child.stderr().slice(-400)}`);
  expect((await agent.exited) === 0, `the agent failed: ${agent.stderr().slice(-400)}`);
  const after = await host.webProcess();
  expect(after !== before, 'it was approved, and the web server is the old one');
  const reached = await host.commands();
  expect(reached.at(-1) === RESTART.join(' ') && reached.length === 2, `the host was asked for: ${reached.join('; ')}`);
  return {
    agentWasTold: refusal,
    restartApprovedBy: PEOPLE.riley.email,
    webServerProcess: `${before}, then ${after}`,
    reachedTheHost: reached,
  };
}

const WANTED = ['ls -l', 'rm -rf /', 'restart-web'] as const;

/** With ssh as it is; hoopctl does it itself where there is none. */
async function startAgent(world: World, onLine: (line: string) => void): Promise<Child> {
  const script = join(world.folder, 'host-agent.sh');
  const asked = WANTED.map((command) => `ask '${command}'`);
  await writeFile(
    script,
    ['ask() {', '  echo "> ssh web $1"', '  ssh -F "$HOOP_SSH_CONFIG" web "$1" 2>&1', '}', ...asked, ''].join('\n'),
  );
  if (hasSsh())
    return world.as(
      'dana',
      [
        'run',
        '--target',
        'web',
        '--agent',
        'host-agent',
        '--purpose',
        'looks after the web server',
        '--',
        'sh',
        script,
      ],
      { onLine },
    );
  let said = '';
  const ask = (command: string): Child => {
    onLine(`> hoopctl exec web -- ${command}`);
    return world.as('dana', ['exec', 'web', '--', command], { onLine });
  };
  for (const command of WANTED.slice(0, 2)) {
    const child = ask(command);
    await child.exited;
    said += child.stdout() + child.stderr();
  }
  const last = ask(WANTED[2]);
  return { ...last, says: async (pattern, ms) => pattern.exec(said) ?? last.says(pattern, ms) };
}

function hasSsh(): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, 'ssh'), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
