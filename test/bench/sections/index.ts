/** All sections, in the order in which they are measured. */
import { allocations } from './allocations.ts';
import { beside } from './beside.ts';
import { bulk } from './bulk.ts';
import { connections } from './connections.ts';
import { distance } from './distance.ts';
import { http } from './http.ts';
import { idle } from './idle.ts';
import { profile } from './profile.ts';
import type { Section } from './section.ts';
import { slowReader } from './slow-reader.ts';
import { ssh } from './ssh.ts';
import { start } from './start.ts';
import { statements } from './statements.ts';
import { transactions } from './transactions.ts';

export const SECTIONS: readonly Section[] = [
  transactions,
  statements,
  connections,
  bulk,
  distance,
  beside,
  slowReader,
  idle,
  ssh,
  http,
  start,
  allocations,
  profile,
];
