/** `hoopctl gateways [list|use URL|forget URL]`: the gateways you have logged in to. */
import type { ListedGateway } from '../../app/gateways.ts';
import type { CommandForm } from '../command.ts';

const list: CommandForm = {
  name: 'list',
  summary: 'List the gateways you have logged in to',
  async run({ out, place }) {
    const { listGateways } = await import('../../app/gateways.ts');
    const gateways = await listGateways(place);
    if (out.json) for (const each of gateways) out.ndjson(viewOf(each));
    else if (gateways.length === 0) out.notice('none yet; log in with: hoopctl login --gateway URL');
    else
      out.table(gateways, [
        { title: 'GATEWAY', cell: ({ url }) => ({ text: url, style: 'bold' }), whole: true },
        { title: 'IN USE', cell: ({ inUse }) => (inUse ? 'yes' : '–') },
        { title: 'LOGIN', cell: ({ login }) => login?.name ?? 'none' },
        { title: 'CA', cell: ({ ca }) => (ca === undefined ? 'public' : 'private'), spare: 1 },
        { title: 'EVIDENCE KEY', cell: ({ evidenceKey }) => evidenceKey?.id ?? 'not pinned', spare: 2 },
      ]);
    return 0;
  },
};

const use: CommandForm = {
  name: 'use',
  summary: 'Use one of them from now on',
  arguments: [{ name: 'URL', summary: 'the gateway', required: true, completes: 'gateway' }],
  async run({ out, place }, args) {
    const { chooseGateway } = await import('../../app/gateways.ts');
    const { url, overruledBy } = await chooseGateway(place, args.one('URL'));
    if (overruledBy !== undefined) out.warn(`${overruledBy} still names a gateway and goes first`);
    if (out.json) out.document({ gateway: url });
    else out.notice(`using ${url}`);
    return 0;
  },
};

const forget: CommandForm = {
  name: 'forget',
  summary: 'Forget one: its pinned evidence key and its CA',
  arguments: [{ name: 'URL', summary: 'the gateway', required: true, completes: 'gateway' }],
  async run({ out, place }, args) {
    const { forgetGateway } = await import('../../app/gateways.ts');
    const url = await forgetGateway(place, args.one('URL'));
    if (out.json) out.document({ gateway: url });
    else out.notice(`forgot ${url}`);
    return 0;
  },
};

export const command: CommandForm = {
  name: 'gateways',
  summary: 'Show and choose the gateways you have logged in to',
  subcommands: [list, use, forget],
  defaultSubcommand: 'list',
};

function viewOf({ url, inUse, login, ca, evidenceKey }: ListedGateway): Record<string, unknown> {
  return {
    gateway: url,
    inUse,
    login: login?.name,
    issuer: login?.issuer,
    privateCa: ca !== undefined,
    evidenceKey: evidenceKey?.id,
  };
}
