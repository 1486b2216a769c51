/**
 * Keeps what the provider issued in the memory of this process, and forgets it when it has expired. What a login is renewed by outlives the process, where a
 * file is given for it.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { SealedFile } from './sealed-file.ts';

interface Kept {
  readonly payload: AdapterPayload;
  /** Epoch ms; null: without end. */
  readonly until: number | null;
}

/** Logins that were begun and sessions of browsers end with the process; only these do not. */
const LASTING: ReadonlySet<string> = new Set(['RefreshToken', 'Grant']);

/** @returns what oidc-provider calls to store each kind of thing */
export async function memoryAdapter(file?: SealedFile): Promise<(kind: string) => Adapter> {
  const kept = new Map<string, Kept>(entriesOf(await file?.read()));

  function alive(key: string): AdapterPayload | undefined {
    const found = kept.get(key);
    if (found && (found.until === null || found.until > Date.now())) return found.payload;
    kept.delete(key);
    return undefined;
  }

  function findBy(kind: string, field: 'uid' | 'userCode', value: string): AdapterPayload | undefined {
    for (const [key, { payload }] of kept) {
      if (key.startsWith(`${kind}:`) && payload[field] === value) return alive(key);
    }
    return undefined;
  }

  function sweep(): void {
    for (const key of kept.keys()) alive(key);
  }

  // Before the provider answers: a token it gave out, or took back, is so after a crash too.
  async function save(kind: string): Promise<void> {
    if (LASTING.has(kind)) await file?.write([...kept].filter(([key]) => LASTING.has(kindOf(key))));
  }

  return (kind) => ({
    async upsert(id, payload, expiresIn) {
      sweep();
      kept.set(`${kind}:${id}`, { payload, until: expiresIn ? Date.now() + expiresIn * 1000 : null });
      await save(kind);
    },
    find: async (id) => alive(`${kind}:${id}`),
    findByUid: async (uid) => findBy(kind, 'uid', uid),
    findByUserCode: async (userCode) => findBy(kind, 'userCode', userCode),
    async consume(id) {
      const payload = alive(`${kind}:${id}`);
      if (!payload) return;
      payload.consumed = Math.floor(Date.now() / 1000);
      await save(kind);
    },
    async destroy(id) {
      if (kept.delete(`${kind}:${id}`)) await save(kind);
    },
    async revokeByGrantId(grantId) {
      for (const [key, { payload }] of kept) if (payload.grantId === grantId) kept.delete(key);
      await save(kind);
    },
  });
}

function kindOf(key: string): string {
  return key.slice(0, key.indexOf(':'));
}

// The seal was whole: what stands in it is what was written.
function entriesOf(value: unknown): [string, Kept][] {
  return Array.isArray(value) ? (value as [string, Kept][]) : [];
}
