/** PostgreSQL keeps what every protocol must keep. */
import { after } from 'node:test';
import { protocolContract } from '../../contract/protocol.ts';
import { rawClient } from '../../fakes/pg-client.ts';
import { closeReader, openStage } from './stage.ts';

after(closeReader);

protocolContract({
  name: 'postgres',
  read: 'select 1',
  change: 'delete from orders',
  card: "select '4111 1111 1111 1111'",
  async open({ judge, masks }) {
    const { house, target, close } = await openStage({
      ...(judge ? { judge } : {}),
      ...(masks ? { view: () => ({ masks }) } : {}),
      fake: {
        reply: (word) =>
          word.includes('4111') ? 'T card | D 4111 1111 1111 1111 | D no card | C SELECT 2 | Z I' : undefined,
      },
    });
    return {
      house,
      close,
      received: () => target.received.filter((word) => word.startsWith('Q ')).map((word) => word.slice(2)),
      async connect({ secret, split } = {}) {
        const client = await rawClient(house.port, split);
        const last = await client.login(secret === undefined ? {} : { secret });
        if (last !== 'Z I') throw new Error(last);
        return {
          run: async (command) => (await client.ask(`Q ${command}`)).join('\n'),
          send: (command) => client.say(`Q ${command}`),
          hangUp: () => client.close(),
          async untilEnd() {
            await client.closed;
            return client.heard.join('\n');
          },
        };
      },
    };
  },
});
