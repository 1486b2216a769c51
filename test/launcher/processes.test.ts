import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killAll, signalAll } from '../../src/launcher/processes.ts';

test('nobody is signalled in the name of an agent that was not started', () => {
  assert.equal(signalAll(undefined, 'SIGKILL'), 0);
  killAll(undefined);
  // Signal 0 would only look; 0 and 1 stand for our own group and for everybody.
  for (const pid of [0, 1, -1]) assert.throws(() => signalAll({ run: 'run_x', pid }, 'SIGCONT'), /is no agent/);
});
