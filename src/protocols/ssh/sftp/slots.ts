/** What was asked of the target and is not answered yet. Slots are used again: nothing is made per request once there were a few. */
import type { OpenFile } from './files.ts';

export interface Slot {
  /** The number under which the target knows it. */
  readonly id: number;
  /** The client's number; undefined for a request of our own. */
  client: number | undefined;
  take: Take | undefined;
  /** The packet type that answers it, beside STATUS. */
  reply: number;
  /** Of READ and WRITE: which file, where, and how much. */
  file: OpenFile | undefined;
  offset: bigint;
  length: number;
}

/** What is done with the answer: a packet's type, and its body with our number in front. */
export type Take = (type: number, body: Buffer, slot: Slot) => void;

export class Slots {
  readonly #all: Slot[] = [];
  readonly #free: Slot[] = [];
  /** Numbers of the client's that wait for an answer. */
  readonly #clients = new Set<number>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many more may be asked. Our own requests have room of their own: they are few. */
  get full(): boolean {
    return this.#clients.size >= this.#limit;
  }

  /** Whether the client waits for an answer to that number already. */
  has(client: number): boolean {
    return this.#clients.has(client);
  }

  /** Marks a number of the client's as one that waits; `answered` takes it back. */
  expect(client: number): void {
    this.#clients.add(client);
  }

  open(client: number | undefined, reply: number, take: Take): Slot {
    const slot = this.#free.pop() ?? this.#made();
    slot.client = client;
    slot.take = take;
    slot.reply = reply;
    return slot;
  }

  /** @returns undefined for a number that nothing waits under */
  find(id: number): Slot | undefined {
    const slot = this.#all[id];
    return slot?.take ? slot : undefined;
  }

  release(slot: Slot): void {
    slot.take = undefined;
    slot.file = undefined;
    this.#free.push(slot);
  }

  answered(client: number): void {
    this.#clients.delete(client);
  }

  #made(): Slot {
    const slot: Slot = {
      ...{ id: this.#all.length, client: undefined, take: undefined, reply: 0 },
      ...{ file: undefined, offset: 0n, length: 0 },
    };
    this.#all.push(slot);
    return slot;
  }
}
