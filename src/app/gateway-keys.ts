/** `hoopctl gateway rotate-key`: makes the key that signs from the gateway's next start on. */
import { systemClock } from '../base/clock.ts';
import { loadGateway } from '../config/index.ts';
import type { Protocol } from '../domain/protocol.ts';
import { protocols } from '../protocols/index.ts';
import { prepareSuccessor } from '../record/index.ts';
import { createSecrets } from '../secrets/index.ts';

export interface RotateKeyOptions {
  readonly config: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly warn: (message: string) => void;
}

/**
 * The old key has to sign that the new one takes its place, in a log that only the gateway writes: so it is the gateway that changes them, when it starts.
 *
 * @throws HoopError KEY_MISSING, KEY_SEALED, KEY_UNREADABLE, or what is wrong with gateway.yaml
 */
export async function rotateKey({ config: path, env, warn }: RotateKeyOptions): Promise<{ key: string; keys: string }> {
  const speaking = new Map<string, Protocol>();
  for (const [name, load] of protocols)
    speaking.set(name, (await load()).createProtocol({ clock: systemClock, fingerprint: () => '' }));
  try {
    const { keys, keysPassphrase, folder } = await loadGateway(path, Object.fromEntries(speaking));
    const secrets = createSecrets({ env, folder, warn: (text, hint) => warn(`${text} (${hint})`) });
    const passphrase = keysPassphrase && (await secrets.resolveToken(keysPassphrase)).expose();
    return { key: prepareSuccessor(keys, passphrase), keys };
  } finally {
    await Promise.all([...speaking.values()].map((protocol) => protocol.close()));
  }
}
