/** What several drivers are made to say. */
import assert from 'node:assert/strict';
import { type Told, refused } from '../clients.ts';

/** Runs until it is called off, and allocates nothing. */
export const ENDLESS = 'SELECT count(*) FROM generate_series(1, 1000000000000)';

/** A list of values, each a parameter. */
export function idList(count: number): { text: string; values: number[] } {
  const values = Array.from({ length: count }, (_, i) => i);
  const list = values.map((i) => `$${i + 1}`).join(',');
  return { text: `SELECT count(*)::int AS n FROM generate_series(0, ${count - 1}) i WHERE i IN (${list})`, values };
}

/** Calls it off again and again until it ends: the first call may come before it began. */
export async function again(answer: Promise<unknown>, cancel: () => Promise<unknown> | unknown): Promise<Told> {
  let over = false;
  const told = refused(answer).finally(() => {
    over = true;
  });
  while (!over) {
    await Promise.race([told, new Promise((resolve) => setTimeout(resolve, 100))]);
    if (!over) await cancel();
  }
  assert.equal((await told).code, '57014', (await told).message);
  return told;
}
