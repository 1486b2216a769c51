/** Signatures are those that AWS publishes for its examples, and those that another implementation makes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AwsV4Signer } from 'aws4fetch';
import fc from 'fast-check';
import { type SigningKeys, signV4, type ToSign } from '../../../../src/protocols/http/credential/sigv4.ts';

const SUITE: SigningKeys = {
  ...{ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
  ...{ region: 'us-east-1', service: 'service' },
};
const S3: SigningKeys = {
  ...{ accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
  ...{ region: 'us-east-1', service: 's3' },
};
const IN_2015 = Date.UTC(2015, 7, 30, 12, 36, 0);
const IN_2013 = Date.UTC(2013, 4, 24);
const host = ['host', 'example.amazonaws.com'] as const;
const bucket = ['host', 'examplebucket.s3.amazonaws.com'] as const;
const get = (target: string, ...headers: ToSign['headers']): ToSign => ({
  ...{ method: 'GET', target, headers, body: undefined },
});
const UNRESERVED = '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** "Signature Version 4 test suite", and the examples of "Authenticating Requests: Using the Authorization Header" (Amazon S3 API Reference). */
const PUBLISHED: readonly [name: string, request: ToSign, keys: SigningKeys, now: number, signature: string][] = [
  ['get-vanilla', get('/', host), SUITE, IN_2015, '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
  [
    ...(['get-vanilla-query-order-key-case', get('/?Param2=value2&Param1=value1', host), SUITE, IN_2015] as const),
    'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  ],
  [
    ...(['get-vanilla-query-unreserved', get(`/?${UNRESERVED}=${UNRESERVED}`, host), SUITE, IN_2015] as const),
    '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
  ],
  [
    ...(['get-header-value-trim', get('/', host, ['My-Header1', ' value1'], ['My-Header2', ' "a   b   c"'])] as const),
    ...([SUITE, IN_2015, 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736'] as const),
  ],
  [
    ...(['post-vanilla', { ...get('/', host), method: 'POST' }, SUITE, IN_2015] as const),
    '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
  ],
  [
    'post-x-www-form-urlencoded',
    {
      ...get('/', ['Content-Type', 'application/x-www-form-urlencoded'], host),
      ...{ method: 'POST', body: Buffer.from('Param1=value1') },
    },
    ...([SUITE, IN_2015, 'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a'] as const),
  ],
  [
    ...(['S3: a part of an object', get('/test.txt', bucket, ['Range', 'bytes=0-9']), S3, IN_2013] as const),
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'S3: an object is put',
    {
      ...get('/test$file.text', ['Date', 'Fri, 24 May 2013 00:00:00 GMT'], bucket, [
        'x-amz-storage-class',
        'REDUCED_REDUNDANCY',
      ]),
      ...{ method: 'PUT', body: Buffer.from('Welcome to Amazon S3.') },
    },
    ...([S3, IN_2013, '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd'] as const),
  ],
  [
    ...(['S3: a parameter without a value', get('/?lifecycle', bucket), S3, IN_2013] as const),
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    ...(['S3: a list of objects', get('/?max-keys=2&prefix=J', bucket), S3, IN_2013] as const),
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
  [
    'IAM: a list of users',
    get(
      '/?Action=ListUsers&Version=2010-05-08',
      ['content-type', 'application/x-www-form-urlencoded; charset=utf-8'],
      ['host', 'iam.amazonaws.com'],
    ),
    ...([{ ...SUITE, service: 'iam' }, IN_2015] as const),
    '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
  ],
];

describe('the signature that is published for', () => {
  for (const [name, request, keys, now, signature] of PUBLISHED) {
    test(name, () => assert.equal(signatureOf(signV4(request, keys, now)), signature));
  }
});

test('a lent key’s token is sent and signed', () => {
  const added = signV4(get('/', host), { ...SUITE, sessionToken: 'TOKEN' }, IN_2015);
  assert.deepEqual(added[1], ['x-amz-security-token', 'TOKEN']);
  assert.match(added[2]![1], /SignedHeaders=host;x-amz-date;x-amz-security-token,/);
});

test('a stream is signed without its digest, and says so', () => {
  const added = signV4({ ...get('/', host), method: 'PUT', body: 'unsigned' }, S3, IN_2013);
  assert.deepEqual(added[1], ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD']);
});

test('another implementation signs alike', async () => {
  const word = fc.stringMatching(/^[A-Za-z0-9._~-]{1,6}$/);
  const escaped = fc.constantFrom('%20', '%C3%A9', '%3D', '%25', '%2B');
  const piece = fc.array(fc.oneof(word, escaped), { minLength: 1, maxLength: 3 }).map((parts) => `x${parts.join('')}`);
  const path = fc.array(piece, { maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
  const query = fc.uniqueArray(fc.tuple(piece, fc.option(piece)), { maxLength: 3, selector: ([name]) => name });
  await fc.assert(
    fc.asyncProperty(path, query, fc.constantFrom('service', 's3'), async (where, pairs, service) => {
      const asked = pairs.map(([name, value]) => (value === null ? name : `${name}=${value}`)).join('&');
      const target = `${where}${asked === '' ? '' : `?${asked}`}`;
      const { accessKeyId, secretAccessKey, region } = SUITE;
      const keys = { accessKeyId, secretAccessKey, region, service };
      const body = Buffer.from('{"a":1}');
      const payload = service === 's3' ? 'unsigned' : body;
      const ours = signatureOf(signV4({ method: 'POST', target, headers: [host], body: payload }, keys, IN_2015));
      const { headers } = await new AwsV4Signer({
        ...{ ...keys, method: 'POST', url: `https://${host[1]}${target}`, body, datetime: '20150830T123600Z' },
      }).sign();
      assert.equal(ours, signatureOf([['authorization', headers.get('authorization') ?? '']]), target);
    }),
    { seed: 11, numRuns: 100 },
  );
});

function signatureOf(headers: ToSign['headers']): string | undefined {
  return headers.at(-1)?.[1].match(/Signature=([0-9a-f]{64})$/)?.[1];
}
