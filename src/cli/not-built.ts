/** What the documentation names and this version does not do. It is refused by name, with what to do meanwhile; never accepted and ignored. */

export interface NotBuilt {
  /** As typed: `policy diff`. */
  readonly path: string;
  readonly hint: string;
}

export const NOT_BUILT: readonly NotBuilt[] = [
  {
    path: 'policy diff',
    hint: 'compare what single statements get with: hoopctl policy explain TARGET --policy FILE -- TEXT',
  },
  { path: 'gateway drain', hint: 'stop the gateway with SIGTERM: it tells sessions, seals recordings and ends' },
  { path: 'gateway backup', hint: 'stop the gateway, then copy its data and keys folders' },
  { path: 'gateway restore', hint: 'stop the gateway, then put back its data and keys folders' },
];

export function notBuilt(path: string): NotBuilt | undefined {
  return NOT_BUILT.find((entry) => entry.path === path);
}
