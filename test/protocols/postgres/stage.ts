/** A gateway in small for PostgreSQL, with a scripted target behind it. */
import { systemClock } from '../../../src/base/clock.ts';
import { createSqlReader } from '../../../src/languages/sql/index.ts';
import { createProtocol } from '../../../src/protocols/postgres/index.ts';
import { scramVerifier } from '../../../src/protocols/postgres/scram.ts';
import { type PostgresSettings, readSettings } from '../../../src/protocols/postgres/settings.ts';
import { type House, type HouseParts, startHouse } from '../../fakes/house.ts';
import { type FakeTarget, type FakeTargetOptions, startFakeTarget } from '../../fakes/pg-target.ts';

export interface PgStage {
  readonly house: House;
  readonly target: FakeTarget;
  close(): Promise<void>;
}

const reader = createSqlReader();

/** Ends the threads that read SQL; for `after`. */
export function closeReader(): Promise<void> {
  return reader.close();
}

export interface PgStageOptions
  extends Partial<Omit<HouseParts<PostgresSettings>, 'protocol' | 'settings' | 'verifier'>> {
  readonly fake?: FakeTargetOptions;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export async function openStage({ fake, settings, ...parts }: PgStageOptions = {}): Promise<PgStage> {
  const target = await startFakeTarget(fake);
  const address = { host: target.host, port: target.port };
  const read = readSettings({
    address: `${target.host}:${target.port}`,
    ...{ database: 'shop', tls: 'disable', account: { user: 'app_reader', password: { env: 'UNUSED' } } },
    ...settings,
  });
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const protocol = createProtocol({ clock: systemClock, fingerprint: () => 'f'.repeat(64), reader });
  const house = await startHouse({
    ...{
      protocol,
      settings: read.settings,
      verifier: await scramVerifier('run-secret'),
      address,
      password: 'target-password-1',
    },
    ...parts,
  });
  return {
    house,
    target,
    async close() {
      await house.close();
      await target.close();
    },
  };
}
