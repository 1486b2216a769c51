/** Golden dialogues: what client, gate and target say to one another, whole and in one-byte pieces. */
import { readdirSync, readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { closeReader, readDialogues, runDialogue } from './reader.ts';

const FOLDER = join(import.meta.dirname, 'postgres');

after(closeReader);

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
  describe(file, () => {
    for (const dialogue of readDialogues(readFileSync(join(FOLDER, file), 'utf8'))) {
      test(dialogue.name, () => runDialogue(dialogue));
      test(`${dialogue.name} (byte by byte)`, () => runDialogue(dialogue, 1));
    }
  });
}

describe('the reader of dialogues', () => {
  const good = '# a\nclient > Q select 1\ngate < select 1\ngate > permit\ntarget < Q select 1\n';

  test('takes a dialogue that is as it says', () => runDialogue(readDialogues(good)[0] as never));

  test('sees a line that is not what happens', async () => {
    await assert.rejects(runDialogue(readDialogues(good.replace('< Q select 1', '< Q select 2'))[0] as never));
  });

  test('sees what happens without a line', async () => {
    await assert.rejects(runDialogue(readDialogues(good.replace('target < Q select 1\n', ''))[0] as never));
  });
});
