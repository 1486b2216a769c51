/** `ip`: an object, and what to do with it. */
import type { Call } from '../program.ts';

const OPTIONS =
  /^-(?:[046sdojptcr]|br|brief|json|pretty|stats|statistics|details|oneline|color|resolve|timestamp|ts|family|human|h|f)$/;
const OBJECTS =
  /^(?:a|addr|address|l|link|r|ro|route|rule|ru|n|neigh|neighbor|neighbour|maddr|maddress|mroute|tunnel|tuntap|ntable|netconf|token)$/;
const SHOWS = /^(?:show|sh|list|ls|lst|get)$/;
const CHANGES = /^(?:add|a|del|delete|d|set|change|chg|replace|append|flush|f|save|restore)$/;

export function judgeIp(call: Call): void {
  const words = call.args.map(({ literal }) => literal);
  if (words.some((word) => word === undefined)) return call.unknown('what ip is asked for cannot be told');
  let i = 0;
  while (OPTIONS.test(words[i] ?? '')) i += words[i] === '-f' || words[i] === '-family' ? 2 : 1;
  const [object = '', verb = 'show'] = words.slice(i);
  if (!OBJECTS.test(object)) return call.unknown(`ip ${object} is not in the table`.replace('  ', ' '));
  if (SHOWS.test(verb)) call.find.program(call.name, ['read']);
  else if (CHANGES.test(verb)) call.find.program(call.name, ['administer']);
  else call.unknown(`ip ${object} ${verb} is not in the table`);
}
