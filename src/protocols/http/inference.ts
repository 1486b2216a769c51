/** What asking a model does, by the body of the request; and what rules may look at in it. */
import type { Effect, Facts, FactValue } from '../../domain/command.ts';
import { factOf, type JsonBody } from './body-facts.ts';
import type { Body } from './request.ts';
import { INEXACT, type Json, jsonAt } from './json.ts';
import type { Inference } from './routes.ts';
import type { Preset } from './presets.ts';

const UNKNOWN: ReadonlySet<Effect> = new Set(['unknown']);

export function inferenceEffects(kind: Inference, { document }: JsonBody): ReadonlySet<Effect> {
  if (!(document instanceof Map)) return UNKNOWN;
  const effects = new Set<Effect>(['read']);
  if (isKept(kind, jsonAt(document, '/store'))) effects.add('write');
  if (SUMMONS[kind].some((pointer) => isSaid(jsonAt(document, pointer)))) effects.add('execute');
  const tools = jsonAt(document, '/tools');
  if (isSaid(tools) && !(Array.isArray(tools) && tools.every((tool) => runsHere(kind, tool)))) effects.add('execute');
  return effects;
}

function isSaid(value: Json | undefined): boolean {
  return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
}

/** Responses are kept for a month unless they are not to be; completions only where it is asked for. */
function isKept(kind: Inference, store: Json | undefined): boolean {
  if (kind === 'messages') return false;
  return kind === 'responses' ? store !== false : store !== undefined && store !== null && store !== false;
}

/** What brings tools along that are not in the list: a prompt that is kept at the provider has its own. */
const SUMMONS: Readonly<Record<Inference, readonly string[]>> = {
  responses: ['/prompt'],
  chat: ['/web_search_options'],
  messages: ['/mcp_servers', '/container'],
};

/** Tools whose calls come back for the client to carry out, and those that do no more than look or draw. */
function runsHere(kind: Inference, tool: Json): boolean {
  if (!(tool instanceof Map)) return false;
  const type = jsonAt(tool, '/type');
  if (kind === 'messages')
    return (
      type === undefined || (typeof type === 'string' && /^(custom$|(bash|computer|text_editor|memory)_\d)/.test(type))
    );
  return typeof type === 'string' && CLIENT_TOOLS.has(type);
}

const CLIENT_TOOLS: ReadonlySet<string> = new Set([
  ...['function', 'custom', 'local_shell', 'apply_patch', 'computer', 'computer_use_preview'],
  ...['file_search', 'image_generation'],
]);

/** `http.json.model stream tools max_tokens`, of every body sent to a target with a preset. */
export function modelFacts(preset: Preset | undefined, body: Body, json: JsonBody): Facts {
  if (preset === undefined || body.kind === 'none') return {};
  const most = ['/max_output_tokens', '/max_completion_tokens', '/max_tokens'].map(json.at);
  const facts: Record<string, FactValue | undefined> = {
    model: json.at('/model'),
    stream: json.at('/stream'),
    tools: json.readable ? toolNames(json.document) : null,
    // With several of them, which one counts is the provider's business: the largest is what may come of it.
    max_tokens: most.includes(null) ? null : largest(most),
  };
  const known = Object.entries(facts).filter((fact): fact is [string, FactValue] => fact[1] !== undefined);
  return Object.fromEntries(known.map(([name, value]) => [`http.json.${name}`, value]));
}

function largest(values: readonly (FactValue | undefined)[]): FactValue | undefined {
  const given = values.filter((value) => value !== undefined);
  if (given.length === 0) return undefined;
  return given.every((value) => typeof value === 'number') ? Math.max(...given) : null;
}

/** A tool of the provider's own goes by its type. */
function toolNames(document: Json | undefined): FactValue | undefined {
  if (!(document instanceof Map)) return undefined;
  const lists = ['/tools', '/functions'].map((pointer) => jsonAt(document, pointer)).filter(isSaid);
  if (lists.length === 0) return undefined;
  const names = lists.flatMap((list) => (Array.isArray(list) ? list.map(nameOf) : [undefined]));
  return names.every((name) => name !== undefined) ? factOf(names) : null;
}

function nameOf(tool: Json): string | undefined {
  if (!(tool instanceof Map)) return undefined;
  const candidates = ['/name', '/function/name', '/custom/name', '/type'].map((pointer) => jsonAt(tool, pointer));
  const said = candidates.find((value) => value !== undefined && value !== INEXACT);
  return typeof said === 'string' && !candidates.includes(INEXACT) ? said : undefined;
}
