/**
 * A process of its own that writes to a store until it is told or killed: `node writer.ts URL revoke|half PREFIX COUNT`.
 *
 * `revoke` adds revocations and prints each epoch after it was acknowledged. `half` stops in the middle of a transaction and says so.
 */
import { systemClock } from '../../src/base/clock.ts';
import { createStore } from '../../src/store/index.ts';
import { openDatabase } from '../../src/store/open.ts';
import { aRevocation } from './samples.ts';

const [url = '', what, prefix = '', count = '0'] = process.argv.slice(2);

if (what === 'revoke') {
  const store = await createStore({ url, clock: systemClock });
  for (let i = 0; i < Number(count); i++) {
    const { epoch } = await store.revocations.add(aRevocation({ id: `${prefix}-${i}` }));
    process.stdout.write(`${epoch}\n`);
  }
  await store.close();
} else {
  const db = await openDatabase(url, systemClock);
  await db.transaction().execute(async (tx) => {
    await tx.updateTable('counters').set({ value: 1_000 }).where('name', '=', 'epoch').execute();
    process.stdout.write('half\n');
    await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));
  });
}
