/** `hoopctl doctor`: everything that has to be right, one after the other. What fails is a finding, and the rest is looked at all the same. */
import { HoopError } from '../../base/error.ts';
import type { LoginPlace } from '../login.ts';
import { type Configured, configuration } from './configuration.ts';
import { connection } from './connection.ts';
import { type Finding, findingsOf } from './finding.ts';
import { gatewayFindings } from './gateway.ts';
import { isolation } from './isolation.ts';
import { loginFindings } from './login.ts';
import { machine, tools } from './machine.ts';

export type { Finding } from './finding.ts';

/** @param version of this hoopctl */
export async function* examine(place: LoginPlace, version: string, signal: AbortSignal): AsyncGenerator<Finding> {
  yield* guarded('Machine', machine(place, version), signal);
  const { address, files } = (yield* guarded('Configuration', configuration(place), signal)) ?? BROKEN;
  const url = address?.url;
  yield* guarded('Login', loginFindings(place, files === 'read' ? url : undefined), signal);
  let told: 'none' | undefined;
  if (address !== undefined) {
    // Asked by its address: a file that is broken has been told of, and is not in the way.
    const there: LoginPlace = { ...place, gateway: address.url, notice: () => {} };
    const answers = yield* guarded('Gateway', connection(there, address), signal);
    if (answers && files === 'read')
      told = yield* guarded('Gateway', gatewayFindings(there, address.url, version, signal), signal);
  }
  yield* guarded('Isolation', isolation(place, url, told), signal);
  yield* guarded('Tools', tools(place), signal);
}

const BROKEN: Configured = { files: 'broken' };

/** A check that fails in a way nobody thought of is a problem of its own, not the end. */
async function* guarded<T>(
  group: Finding['group'],
  findings: Generator<Finding, T> | AsyncGenerator<Finding, T>,
  signal: AbortSignal,
): AsyncGenerator<Finding, T | undefined> {
  try {
    for (let next = await findings.next(); ; next = await findings.next()) {
      signal.throwIfAborted();
      if (next.done) return next.value;
      yield next.value;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    yield findingsOf(group).failed(error instanceof HoopError ? error.code : 'check', error);
    return undefined;
  }
}
