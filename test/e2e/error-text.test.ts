/** What detectors find in results they find in error messages too: PostgreSQL quotes the values it complains about. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { type Stack, type StackRun, startStack } from '../fakes/stack.ts';

let stack: Stack;
let run: StackRun;
let client: pg.Client;
before(async () => {
  stack = await startStack({
    sql: `CREATE TABLE notes (id int, body text); INSERT INTO notes VALUES (1, 'ada.lindqvist@example.test');
      GRANT SELECT ON notes TO shop_agent;`,
  });
  run = await stack.run('dana');
  client = new pg.Client(run.connection);
  client.on('error', () => {});
  await client.connect();
});
after(async () => {
  await client.end();
  await run[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

for (const cast of ['int', 'date', 'uuid']) {
  test(`a value that does not fit ${cast} is masked where the error quotes it`, async () => {
    const error = await client.query(`SELECT body::${cast} FROM notes`).then(
      () => assert.fail('it fitted'),
      (reason: pg.DatabaseError) => reason,
    );
    assert.match(error.message, /invalid input syntax for type/);
    const told = [error.message, error.detail, error.hint, error.where].join(' ');
    assert.doesNotMatch(told, /lindqvist|example\.test/);
    assert.match(told, /\*\*\*/);
  });
}
