import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { guardBrowser } from '../../../src/protocols/http-wire/guard.ts';

const HOST = ['Host', '127.0.0.1:4100'] as const;
const ALLOWED = new Set(['https://app.example:8443']);

describe('programs may ask', () => {
  for (const [name, headers] of [
    ['curl', [HOST]],
    ['localhost', [['host', 'LocalHost:80']]],
    ['IPv6', [['Host', '[::1]:4100']]],
    ["Node's fetch", [HOST, ['sec-fetch-mode', 'cors']]],
    ['a person at the address bar', [HOST, ['Sec-Fetch-Site', 'none']]],
    ['a page of an allowed origin', [HOST, ['Origin', 'https://app.example:8443'], ['Sec-Fetch-Site', 'cross-site']]],
  ] as const)
    test(name, () => {
      assert.equal(guardBrowser(headers, ALLOWED), undefined);
    });
});

describe('web pages may not', () => {
  for (const [name, headers] of [
    ['by a name of their own (DNS rebinding)', [['Host', 'rebind.evil.example:4100']]],
    ['by a name that begins like ours', [['Host', '127.0.0.1.evil.example']]],
    ['by a name below localhost', [['Host', 'evil.localhost']]],
    ['by another spelling of the address', [['Host', '0x7f.1']]],
    ['by 0.0.0.0', [['Host', '0.0.0.0:4100']]],
    ['by no name', []],
    ['from another origin', [HOST, ['Origin', 'https://evil.example']]],
    ['from the allowed host on another port', [HOST, ['Origin', 'https://app.example']]],
    ['from a sandboxed frame', [HOST, ['Origin', 'null']]],
    ['from another page of this machine', [HOST, ['Origin', 'http://127.0.0.1:3000'], ['Sec-Fetch-Site', 'same-site']]],
    ['from what we served', [HOST, ['Sec-Fetch-Site', 'same-origin']]],
    ['by an image or a link', [HOST, ['Sec-Fetch-Site', 'cross-site'], ['Sec-Fetch-Mode', 'no-cors']]],
  ] as const)
    test(name, () => {
      assert.equal(typeof guardBrowser(headers, ALLOWED), 'string');
    });
});
