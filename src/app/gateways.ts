/** `hoopctl gateways`: which ones are known, which one is used, and forgetting one. */
import { errorTable } from '../base/error.ts';
import { describeOrigin } from '../config/index.ts';
import { findKnown, forget, gatewayUrl, type KnownGateway, readKnown, remember } from './known-gateways.ts';
import { clientConfig, type LoginPlace, refuseInRun } from './login.ts';

const fail = errorTable({
  GATEWAY_UNKNOWN: { exit: 2, hint: 'log in with: hoopctl login --gateway URL' },
  STILL_LOGGED_IN: { exit: 2 },
});

export interface ListedGateway extends KnownGateway {
  readonly inUse: boolean;
}

export async function listGateways(place: LoginPlace): Promise<readonly ListedGateway[]> {
  const { folder, gateway } = await clientConfig(place);
  const known = readKnown(folder);
  const current = gateway === undefined ? known.current : gatewayUrl(gateway.value);
  return known.gateways.map((each) => ({ ...each, inUse: each.url === current }));
}

/** @returns what goes before this choice all the same, if anything does */
export async function chooseGateway(place: LoginPlace, text: string): Promise<{ url: string; overruledBy?: string }> {
  refuseInRun(place);
  const { folder, gateway } = await clientConfig(place);
  const url = gatewayUrl(text);
  remember(folder, known(folder, url), true);
  return gateway === undefined ? { url } : { url, overruledBy: describeOrigin(gateway.from) };
}

/** Unpins its key and forgets its CA. @throws STILL_LOGGED_IN: a stored login would be left behind without a name */
export async function forgetGateway(place: LoginPlace, text: string): Promise<string> {
  refuseInRun(place);
  const { folder } = await clientConfig(place);
  const url = gatewayUrl(text);
  if (known(folder, url).login !== undefined)
    throw fail('STILL_LOGGED_IN', `you are logged in to ${url}`, {
      hint: `first run: hoopctl logout --gateway ${url}`,
    });
  forget(folder, url);
  return url;
}

function known(folder: string, url: string): KnownGateway {
  const found = findKnown(readKnown(folder), url);
  if (found === undefined) throw fail('GATEWAY_UNKNOWN', `${url} is not known here`);
  return found;
}
