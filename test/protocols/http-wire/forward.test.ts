import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  forwardedRequestHeaders,
  forwardedTrailers,
  neverForwarded,
  returnedHeaders,
  returnedTrailers,
  SIGNIFICANT,
} from '../../../src/protocols/http-wire/forward.ts';
import type { HeaderList } from '../../../src/protocols/http-wire/head.ts';

const NONE: ReadonlySet<string> = new Set();
const names = (headers: HeaderList) => headers.map(([name]) => name);

describe('towards the target', () => {
  test('only what is listed passes, as it was spelled and in its order', () => {
    const { kept, dropped } = forwardedRequestHeaders(
      [
        ['Host', 'a'],
        ['Accept', 'x'],
        ['X-Odd', '1'],
        ['accept', 'y'],
        ['x-odd', '2'],
        ['OpenAI-Beta', 'z'],
        ['X-Stainless-Lang', 'js'],
      ],
      NONE,
    );
    assert.deepEqual(kept, [
      ['Accept', 'x'],
      ['accept', 'y'],
      ['OpenAI-Beta', 'z'],
      ['X-Stainless-Lang', 'js'],
    ]);
    assert.deepEqual(dropped, ['host', 'x-odd']);
  });

  test('a target may name further ones', () => {
    assert.deepEqual(names(forwardedRequestHeaders([['X-Api-Version', '2']], new Set(['x-api-version'])).kept), [
      'X-Api-Version',
    ]);
  });

  for (const name of [
    ...[
      'Authorization',
      'Proxy-Authorization',
      'Cookie',
      'X-Api-Key',
      'api-key',
      'X_Api_Key',
      'Host',
      'Forwarded',
      'Via',
    ],
    ...[
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'X_Forwarded_Host',
      'X-Original-URL',
      'X-Rewrite-URL',
      'X-HTTP-Method-Override',
      'X-Real-IP',
    ],
    ...[
      'Connection',
      'Keep-Alive',
      'Transfer-Encoding',
      'Content-Length',
      'Upgrade',
      'Trailer',
      'Expect',
      'Origin',
      'Sec-Fetch-Site',
      'Hoop-Refusal',
    ],
  ])
    test(`${name} never passes, not even named`, () => {
      const lower = name.toLowerCase();
      assert.equal(neverForwarded(lower), true);
      assert.deepEqual(forwardedRequestHeaders([[name, 'x']], new Set([lower])), { kept: [], dropped: [lower] });
    });

  test('what connection names is for this hop', () => {
    const { kept } = forwardedRequestHeaders(
      [
        ['Connection', 'keep-alive, Prefer'],
        ['connection', 'RANGE'],
        ['Prefer', 'x'],
        ['Range', 'bytes=0-1'],
        ['Accept', 'y'],
      ],
      NONE,
    );
    assert.deepEqual(names(kept), ['Accept']);
  });

  test('te passes as trailers alone', () => {
    assert.deepEqual(names(forwardedRequestHeaders([['TE', 'Trailers']], NONE).kept), ['TE']);
    assert.deepEqual(names(forwardedRequestHeaders([['TE', 'gzip, trailers']], NONE).kept), []);
  });

  test('trailers never carry what frames, routes or vouches', () => {
    const trailers: HeaderList = [
      'Authorization',
      'Content-Length',
      'Content-Type',
      'Host',
      'X-Sum',
      'grpc-status',
      'If-Match',
    ].map((name) => [name, '1']);
    assert.deepEqual(names(forwardedTrailers(trailers, new Set(['x-sum', 'authorization']))), ['X-Sum', 'grpc-status']);
  });

  test('approvals are bound to what changes the meaning', () => {
    const telling = ['accept', 'if-match', 'range', 'openai-project', 'prefer', 'content-type', 'x-api-version'];
    const idle = [
      'user-agent',
      'accept-encoding',
      'traceparent',
      'tracestate',
      'x-request-id',
      'x-stainless-lang',
      'idempotency-key',
    ];
    assert.deepEqual(telling.filter(SIGNIFICANT), telling);
    assert.deepEqual(idle.filter(SIGNIFICANT), []);
  });
});

describe('back to the client', () => {
  test('all passes but what is not for it', () => {
    const kept = returnedHeaders([
      ['Content-Type', 'a'],
      ['Set-Cookie', 'a=b'],
      ['Connection', 'close, X-Hop'],
      ['X-Hop', '1'],
      ['Alt-Svc', 'h3=":443"'],
      ['Strict-Transport-Security', 'max-age=1'],
      ['Proxy-Authenticate', 'Basic'],
      ['Hoop-Refusal', 'HOOP_DENIED'],
      ['Refresh', '0; url=https://evil.example'],
      ['Clear-Site-Data', '"*"'],
      ['Transfer-Encoding', 'chunked'],
      ['X-Split', 'a\r\nb'],
      ['X Bad', 'a'],
      ['X-Request-Id', '7'],
      ['Retry-After', '1'],
    ]);
    assert.deepEqual(names(kept), ['Content-Type', 'X-Request-Id', 'Retry-After']);
  });

  test('trailers are held to the same, and to being trailers', () => {
    const trailers: HeaderList = [
      'grpc-status',
      'Set-Cookie',
      'Content-Length',
      'Location',
      'Digest',
      'hoop-refusal',
    ].map((name) => [name, '1']);
    assert.deepEqual(names(returnedTrailers(trailers)), ['grpc-status', 'Digest']);
  });
});
