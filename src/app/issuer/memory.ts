/** Keeps what the provider issued in the memory of this process, and forgets it when it has expired. */
import type { Adapter, AdapterPayload } from 'oidc-provider';

interface Kept {
  readonly payload: AdapterPayload;
  readonly until: number;
}

/** @returns what oidc-provider calls to store each kind of thing */
export function memoryAdapter(): (kind: string) => Adapter {
  const kept = new Map<string, Kept>();

  function alive(key: string): AdapterPayload | undefined {
    const found = kept.get(key);
    if (found && found.until > Date.now()) return found.payload;
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

  return (kind) => ({
    async upsert(id, payload, expiresIn) {
      sweep();
      kept.set(`${kind}:${id}`, {
        payload,
        until: expiresIn ? Date.now() + expiresIn * 1000 : Number.POSITIVE_INFINITY,
      });
    },
    find: async (id) => alive(`${kind}:${id}`),
    findByUid: async (uid) => findBy(kind, 'uid', uid),
    findByUserCode: async (userCode) => findBy(kind, 'userCode', userCode),
    async consume(id) {
      const payload = alive(`${kind}:${id}`);
      if (payload) payload.consumed = Math.floor(Date.now() / 1000);
    },
    async destroy(id) {
      kept.delete(`${kind}:${id}`);
    },
    async revokeByGrantId(grantId) {
      for (const [key, { payload }] of kept) if (payload.grantId === grantId) kept.delete(key);
    },
  });
}
