/** The reader of pages: what it finds, and that nothing on a page is passed over in silence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Block, blocksIn } from './blocks.ts';
import { openDesk } from './follow.ts';

const page = (...lines: string[]) => blocksIn(lines.join('\n'), 'page.md');

function block(commands: string, more: Partial<Block> = {}): Block {
  return { page: 'page.md', line: 1, commands, as: 'dana', exit: 0, terminal: false, prints: [], ...more };
}

test('commands, their marks, and what they print are read', () => {
  const read = page('# A page', '```sh as=riley exit=4', 'one', 'two', '```', '', '```text', 'said', '```');
  assert.deepEqual(read, [block('one\ntwo', { line: 2, as: 'riley', exit: 4, prints: ['said'] })]);
});

test('in a list they are set back', () => {
  assert.deepEqual(
    page('1. do', '', '   ```sh', '   one', '     two', '   ```').map(({ commands }) => commands),
    ['one\n  two'],
  );
});

for (const [what, lines, wanted] of [
  ['a command outside a fence', ['    hoopctl login'], /page\.md:1 a command outside a fence/],
  ['a fence of another kind', ['```bash', 'ls', '```'], /page\.md:1 a fence marked "bash"/],
  ['a fence of no kind', ['```', 'ls', '```'], /a fence marked ""/],
  ['a mark nobody knows', ['```sh skip', 'ls', '```'], /"skip" is no mark/],
  ['a block for elsewhere without a reason', ['```sh elsewhere', 'ls', '```'], /elsewhere needs a reason/],
  ['output that nothing printed', ['```text', 'said', '```'], /nothing printed this/],
  ['a fence without an end', ['```sh', 'ls'], /does not end/],
] as const) {
  test(`${what} is an error`, () => assert.throws(() => page(...lines), wanted));
}

test('where a person is and what they exported lasts, and each has a home of their own', async () => {
  using desk = openDesk();
  const [, , third, fourth] = await desk.follow([
    block('mkdir there && cd there'),
    block('export COLOUR=blue'),
    block('echo "$COLOUR in $(basename "$PWD")"', { prints: ['blue in …'] }),
    block('echo "${COLOUR:-none} in $(basename "$PWD")"', { as: 'riley' }),
  ]);
  assert.equal(third, 'blue in there\n');
  assert.equal(fourth, 'none in riley\n');
});

test('what the test gives counts more than what was exported before', async () => {
  using desk = openDesk();
  await desk.follow([block('export PATH="/before:$PATH" COLOUR=blue')]);
  const [said] = await desk.follow([block('echo "$COLOUR ${PATH%%:*}"')], {
    env: { COLOUR: "it's", PATH: '/given:/bin' },
  });
  assert.equal(said, "it's /given\n");
});

test('a command that ends otherwise, or prints something else, is an error', async () => {
  using desk = openDesk();
  await assert.rejects(desk.follow([block('exit 3')]), /page\.md:1 ended otherwise/);
  await desk.follow([block('exit 3', { exit: 3 })]);
  await assert.rejects(desk.follow([block('echo a; echo b', { prints: ['b', 'a'] })]), /does not print "a"/);
  await assert.rejects(desk.follow([block('false; true')]), /ended otherwise/);
});

test('a stand-in that stands on no page is an error', async () => {
  using desk = openDesk();
  assert.deepEqual(await desk.follow([block('echo http://gw')], { standIns: [['http://gw', 'there']] }), ['there\n']);
  await assert.rejects(desk.follow([block('echo')], { standIns: [['http://gw', 'there']] }), /stands on no page/);
});

test('what runs in the background is there until the page ends', async () => {
  using desk = openDesk();
  const [, second] = await desk.follow([
    block('echo up > up; echo listens; sleep 600', { background: /listens/ }),
    block('cat up'),
  ]);
  assert.equal(second, 'up\n');
  await assert.rejects(desk.follow([block('echo no', { background: /listens/ })]), /ended without saying \/listens\//);
});

test('a question is answered on a terminal', async () => {
  using desk = openDesk();
  const asked = block('read -r -p "password of me:" given; echo "got $given"', { terminal: true, prints: ['got x'] });
  await desk.follow([{ ...asked, prints: ['…got x'] }], { answers: [[/password of/, 'x\n']] });
});
