/** What a model's tokens cost, for budgets: `prices: { 'gpt-5*': { input: 1.25, output: 10 } }`, per million tokens in whatever currency. */
import { isFields, refuseOthers, type Say } from './say.ts';

export interface Price {
  /** The model's name, or the beginning of names, with `*` at its end. */
  readonly model: string;
  readonly input: number;
  readonly output: number;
  /** Of input that the provider had already; as `input` where it is not said. */
  readonly cached?: number;
}

export type Prices = readonly Price[];

const HINT = "write it as prices: { 'gpt-5*': { input: 1.25, output: 10, cached: 0.125 } }, per million tokens";

export function readPrices(raw: unknown, say: Say): Prices {
  const prices: Price[] = [];
  if (raw === undefined) return prices;
  if (!isFields(raw)) return say(['prices'], 'prices are written by the names of models', HINT) ?? prices;
  for (const [name, value] of Object.entries(raw)) {
    const path = ['prices', name];
    if (!/^[^\s*]*\*?$/.test(name) || name === '')
      say(path, `"${name}" is no name of models`, '"*" stands at the end only');
    if (!isFields(value)) {
      say(path, 'a price has input and output', HINT);
      continue;
    }
    refuseOthers(value, ['input', 'output', 'cached'], 'a price', path, say);
    const { input, output, cached } = value;
    if (!isAmount(input) || !isAmount(output) || (cached !== undefined && !isAmount(cached)))
      say(path, 'a price has input and output, numbers that are not negative', HINT);
    else prices.push({ model: name, input, output, ...(cached !== undefined && { cached }) });
  }
  return prices;
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
