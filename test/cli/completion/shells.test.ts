/** A tab in bash, zsh and fish: what is completed is a word and nothing more, whatever the gateway calls its targets. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SHELLS } from '../../../src/cli/completion/quoting.ts';
import { targetView } from '../api.ts';
import { shellPlace } from './terminal.ts';

/** Each with what is typed of it before the tab. */
const HOSTILE: readonly (readonly [typed: string, name: string])[] = [
  ['a', 'a$(touch pwned)'],
  ['b', 'b`touch pwned`'],
  ['c', 'c;touch pwned'],
  ['d', "d'e'"],
  ['e', 'e"f'],
  ['f', 'f g  h'],
  ['g', 'g!!'],
  ['h', 'h*'],
  ['i', 'i|touch pwned'],
  ['j', 'j\\k'],
  ['k', 'k&touch pwned'],
  ['l', 'l>pwned'],
  ['m', 'm#n'],
  ['n', 'n{a,b}'],
  ['o', 'o=~p:@q'],
  ['p', 'p$HOME'],
  ['r', 'r[ab]?'],
  ['s', 's<pwned'],
  ['u', 'u-é-ü-日本'],
];

/** Never offered: they would break the line, hide in it, or pass for an option. */
const NEVER = ['v\ntouch pwned', 'w\x1b]52;c;aGk=\x07', 'x\u202edesrever', 'y\u200b', '--yes', 'z\ttouch pwned', ''];

describe('names that would run, expand or hide', () => {
  for (const shell of SHELLS) {
    test(`in ${shell}`, async (t) => {
      const place = await shellPlace(t);
      place.api.on('GET /v1/targets', {
        json: [...HOSTILE.map(([, name]) => name), ...NEVER].map((name) => ({ ...targetView(), name })),
      });
      await place.warm('target');
      const letters = ['v', 'w', 'x', 'y', 'z'];
      const words = [...HOSTILE.map(([typed]) => typed), ...letters, '--y'];
      await place.answers(
        shell,
        words.map((word) => ['exec', word]),
      );
      const calls = await place.type(
        shell,
        words.map((word) => `hoopctl exec ${word}`),
      );
      assert.deepEqual(calls, [
        ...HOSTILE.map(([, name]) => ['exec', name]),
        ...letters.map((letter) => ['exec', letter]),
        ['exec', '--y'],
      ]);
      assert.equal(existsSync(join(place.dir, 'pwned')), false);
    });
  }
});

describe('a whole command line, asked of hoopctl itself', () => {
  const lines = [
    ['hoopctl who', ['whoami']],
    ['hoopctl targets sh', ['targets', 'show']],
    ['hoopctl exec bill', ['exec', 'billing']],
    ['hoopctl run --target bill', ['run', '--target', 'billing']],
    ['hoopctl run --target=bill', ['run', '--target=billing']],
    ['hoopctl approvals list --state cons', ['approvals', 'list', '--state', 'consumed']],
    ['hoopctl exec --file quer', ['exec', '--file', 'query one.sql']],
    ['hoopctl exec --file=quer', ['exec', '--file=query one.sql']],
    ["hoopctl exec --purpose 'a b' billing --pur", ['exec', '--purpose', 'a b', 'billing', '--pur']],
    ['hoopctl run -- unexpan', ['run', '--', 'unexpand']],
    ['hoopctl trust fol', ['trust', 'folder']],
  ] as const;
  for (const shell of SHELLS) {
    test(`in ${shell}`, async (t) => {
      const place = await shellPlace(t);
      place.api.on('GET /v1/targets', { json: ['billing', 'orders'].map((name) => ({ ...targetView(), name })) });
      await place.warm('target');
      writeFileSync(join(place.dir, 'query one.sql'), '');
      mkdirSync(join(place.dir, 'folder'));
      const calls = await place.type(
        shell,
        lines.map(([line]) => line),
      );
      assert.deepEqual(
        calls.map((words) => words.map((word) => word.replace(/\/$/, ''))),
        lines.map(([, words]) => words),
      );
    });
  }
});
