/**
 * Every command, fed with what a terminal would obey and an eye would not see, in all that comes from outside: answers and errors of the gateway, files,
 * names, arguments. As text and as JSON, on a terminal and not: nothing of it arrives raw.
 *
 * A command that is not in the table below fails the test: say there what hostile text it prints, or why it prints none.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { COMMANDS } from '../../src/cli/commands.ts';
import { main } from '../../src/cli/main.ts';
import {
  agentView,
  approvalView,
  configView,
  type FakeApi,
  HOSTILE,
  meView,
  personView,
  type Reply,
  receipt,
  refusal,
  revocationView,
  sessionView,
  startApi,
  targetView,
} from './api.ts';
import { type Home, newHome } from './cli.ts';

/** Beside the others: OSC 8, APC, NEL, NUL, tab, lone surrogates, soft hyphen, joiners, byte order mark, tag characters, a bidi isolate without end. */
const EVIL = `zqe${HOSTILE}\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x07\x1b_apc\x1b\\\x85\0\t\ud800x\udc00\u00ad\u200d\ufeff\u061c\u{e0041}\u2067`;
/** How it begins, with nothing in it to escape: where that is seen, the hostile text was printed, even where it was cut. */
const MARK = 'zqe';
/** Line feeds are ours. U+FFFD is what half a surrogate becomes on its way out. */
const RAW =
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd\ud800-\udfff\u{e0000}-\u{e0fff}]/u;
const POSES_AS_OURS = /^hoopctl: hint: run rm/m;

interface Scene {
  /** `@/file` is a file that `prepare` wrote. */
  readonly args: readonly string[];
  /** What the gateway answers. */
  readonly answers?: Readonly<Record<string, Reply>>;
  prepare?(home: Home): void;
  /** It is refused without being repeated. */
  readonly unsaid?: true;
  /** Its JSON holds nothing from outside. */
  readonly textOnly?: true;
  /** Ended as soon as the hostile text was seen: it would go on. */
  readonly endless?: true;
}

const OPENED = {
  type: 'session.opened',
  target: 'orders-db',
  protocol: 'postgres',
  account: EVIL,
  via: 'run',
  agent: { kind: 'claimed', name: EVIL },
};
const REFUSED = refusal(403, EVIL, EVIL, 4, EVIL);
const get = (path: string, json: unknown) => ({ [`GET ${path}`]: { json } });

const SCENES: Readonly<Record<string, readonly Scene[] | string>> = {
  whoami: [
    {
      args: ['whoami'],
      answers: get('/v1/me', { ...meView(), name: EVIL, issuer: EVIL, subject: EVIL, groups: [EVIL] }),
    },
    { args: ['whoami'], answers: { 'GET /v1/me': REFUSED } },
  ],
  login: [
    { args: ['login'], answers: { 'GET /v1/config': REFUSED } },
    {
      args: ['login'],
      answers: get('/v1/config', { ...configView('http://127.0.0.1'), publicUrl: EVIL, issuers: [] }),
    },
    { args: ['login', '--issuer', EVIL], answers: {} },
  ],
  logout: [{ args: ['logout', '--gateway', EVIL] }],
  'gateways list': [{ args: ['gateways', 'list'], prepare: (home) => knowGateway(home) }],
  'gateways use': [{ args: ['gateways', 'use', EVIL] }],
  'gateways forget': [{ args: ['gateways', 'forget', EVIL] }],
  trust: [{ args: ['trust', EVIL] }],
  'targets list': [{ args: ['targets', 'list'], answers: get('/v1/targets', [targetView(EVIL)]) }],
  'targets show': [
    { args: ['targets', 'show', EVIL], answers: get('/v1/targets', [targetView(EVIL)]) },
    { args: ['targets', 'show', EVIL], answers: get('/v1/targets', [targetView('orders-db')]) },
  ],
  'targets refresh': [
    {
      args: ['targets', 'refresh', 'shop'],
      answers: { 'POST /v1/targets/shop/refresh': { json: { target: EVIL, sessions: 1 } } },
    },
    { args: ['targets', 'refresh', 'shop'], answers: { 'POST /v1/targets/shop/refresh': REFUSED } },
  ],
  'targets rotate': [
    {
      args: ['targets', 'rotate', 'shop'],
      answers: {
        'POST /v1/targets/shop/rotate': { json: { target: EVIL, account: EVIL, changedAt: EVIL, nextAt: EVIL } },
      },
    },
    { args: ['targets', 'rotate', 'shop'], answers: { 'POST /v1/targets/shop/rotate': REFUSED } },
  ],
  'targets ssh-config': [
    {
      args: ['targets', 'ssh-config'],
      answers: {
        ...get('/v1/me', {
          issuer: 'https://idp.test',
          subject: 'dana',
          name: EVIL,
          groups: [],
          roles: [],
          local: false,
        }),
        ...get('/v1/targets', [{ ...targetView(EVIL), protocol: 'ssh', shown: { hostKey: EVIL } }]),
      },
    },
    { args: ['targets', 'ssh-config'], answers: { 'GET /v1/targets': REFUSED } },
  ],
  run: [
    { args: ['run', '--target', EVIL, '--', 'true'], answers: get('/v1/targets', [targetView('orders-db')]) },
    { args: ['run', '--', EVIL], answers: get('/v1/targets', []) },
    { args: ['run', EVIL], answers: get('/v1/targets', []) },
    { args: ['run', '--', 'true'], answers: { 'GET /v1/targets': REFUSED } },
    { args: ['run', '--env-file', EVIL, '--', 'true'], answers: get('/v1/targets', []) },
  ],
  exec: [
    { args: ['exec', EVIL, '--', 'SELECT 1'], answers: get('/v1/targets', [targetView('orders-db')]) },
    { args: ['exec', 'x', '--', 'SELECT 1'], answers: { 'GET /v1/targets': REFUSED } },
    { args: ['exec', 'x', '--file', EVIL] },
    {
      args: ['exec', 'orders-db', '--', 'SELECT 1'],
      answers: {
        ...get('/v1/targets', [{ ...targetView('orders-db'), protocol: 'postgres' }]),
        'POST /v1/runs': REFUSED,
      },
    },
  ],
  connect: [
    { args: ['connect', EVIL], answers: get('/v1/targets', [targetView('orders-db')]) },
    { args: ['connect', 'x'], answers: { 'GET /v1/targets': REFUSED } },
  ],
  tunnel: [
    { args: ['tunnel', EVIL], answers: get('/v1/targets', [targetView('orders-db')]) },
    { args: ['tunnel', 'x'], answers: { 'GET /v1/targets': REFUSED } },
    { args: ['tunnel', 'stop', EVIL] },
  ],
  env: [{ args: ['env', EVIL] }],
  url: [{ args: ['url', EVIL] }],
  'approvals list': [
    { args: ['approvals', 'list', '--state', 'all'], answers: get('/v1/approvals', [approvalView(EVIL)]) },
  ],
  'approvals watch': [
    {
      args: ['approvals', 'watch'],
      answers: { ...get('/v1/approvals', [approvalView(EVIL)]), 'GET /v1/approvals/stream': { events: [] } },
      endless: true,
    },
    { args: ['approvals', 'watch'], answers: { 'GET /v1/approvals': REFUSED, 'GET /v1/approvals/stream': REFUSED } },
  ],
  'approvals show': [
    { args: ['approvals', 'show', 'apr_1'], answers: get('/v1/approvals/apr_1', approvalView(EVIL)) },
    {
      args: ['approvals', 'show', 'apr_1'],
      answers: get(
        '/v1/approvals/apr_1',
        approvalView(EVIL, {
          state: 'denied',
          decidedBy: EVIL,
          decisionReason: EVIL,
          agent: { kind: 'registered', name: EVIL },
        }),
      ),
    },
  ],
  approve: [
    {
      args: ['approve', 'apr_1'],
      answers: get('/v1/approvals/apr_1', approvalView(EVIL, { mayDecide: false })),
      textOnly: true,
    },
    { args: ['approve', 'apr_1', '--digest', EVIL], answers: get('/v1/approvals/apr_1', approvalView(EVIL)) },
    {
      args: ['approve', 'apr_1'],
      answers: {
        ...get('/v1/approvals/apr_1', approvalView(EVIL)),
        'POST /v1/approval-logins': {
          json: {
            id: 'l',
            verificationUri: EVIL,
            verificationUriComplete: EVIL,
            userCode: EVIL,
            expiresIn: 9,
            interval: 0,
          },
        },
        'POST /v1/approval-logins/l/poll': { json: { state: 'failed', code: EVIL, message: EVIL } },
      },
    },
  ],
  deny: [
    {
      args: ['deny', 'apr_1'],
      answers: get('/v1/approvals/apr_1', approvalView(EVIL, { state: 'denied', decidedBy: EVIL })),
    },
    {
      args: ['deny', 'apr_1'],
      answers: {
        ...get('/v1/approvals/apr_1', approvalView(EVIL, { proof: 'login' })),
        'POST /v1/approvals/apr_1/decision': { json: approvalView(EVIL, { id: EVIL, state: 'denied' }) },
      },
    },
  ],
  'agents list': [{ args: ['agents', 'list'], answers: get('/v1/agents', [agentView(EVIL)]) }],
  'agents show': [{ args: ['agents', 'show', 'a'], answers: get('/v1/agents/a', agentView(EVIL)) }],
  'people list': [{ args: ['people', 'list'], answers: get('/v1/people', [personView(EVIL)]) }],
  'people show': [{ args: ['people', 'show', 'p'], answers: get('/v1/people/p', personView(EVIL)) }],
  revoke: [
    { args: ['revoke', '--agent', EVIL, '--yes'], answers: { 'POST /v1/revocations': { json: receipt(EVIL) } } },
    { args: ['revoke', '--agent', EVIL, '--dry-run'], answers: { 'POST /v1/revocations': { json: receipt(EVIL) } } },
    { args: ['revoke', '--agent', 'a', '--until', EVIL] },
  ],
  unrevoke: [
    {
      args: ['unrevoke', 'rev_1', '--reason', EVIL],
      answers: {
        ...get('/v1/revocations', [revocationView(EVIL)]),
        'DELETE /v1/revocations/rev_1': { json: { ...revocationView(EVIL), liftedBy: EVIL, liftReason: EVIL } },
      },
    },
  ],
  'revocations list': [{ args: ['revocations', 'list'], answers: get('/v1/revocations', [revocationView(EVIL)]) }],
  'revocations show': [
    { args: ['revocations', 'show', 'rev_1'], answers: get('/v1/revocations', [revocationView(EVIL)]) },
  ],
  'sessions list': [
    { args: ['sessions', 'list', '--would-be'], answers: get('/v1/sessions', [sessionView(EVIL)]) },
    { args: ['sessions', 'list', '--text', EVIL], answers: get('/v1/sessions', [sessionView(EVIL, { id: EVIL })]) },
    { args: ['sessions', 'list', '--verdict', EVIL] },
  ],
  'sessions show': [{ args: ['sessions', 'show', 'ses_1'], answers: get('/v1/sessions/ses_1', sessionView(EVIL)) }],
  'sessions replay': [
    { args: ['sessions', 'replay', 'ses_1'], answers: { 'GET /v1/sessions/ses_1/events': { lines: recording() } } },
    { args: ['sessions', 'replay', `./${EVIL}`] },
    {
      args: ['sessions', 'replay', '@/hostile.ndjson'],
      prepare: ({ dir }) =>
        writeFileSync(
          join(dir, 'hostile.ndjson'),
          recording()
            .map((event) => `${JSON.stringify(event)}\n`)
            .join(''),
        ),
    },
  ],
  'sessions tail': [
    {
      args: ['sessions', 'tail', 'ses_1', '--from-start'],
      answers: {
        ...get('/v1/sessions/ses_1', sessionView(EVIL, { state: 'live' })),
        'GET /v1/sessions/ses_1/events': { lines: recording() },
      },
    },
    {
      args: ['sessions', 'tail', 'ses_1'],
      answers: { ...get('/v1/sessions/ses_1', sessionView(EVIL)), 'GET /v1/sessions/ses_1/events': { lines: [] } },
    },
  ],
  'sessions export': [
    ...['csv', 'cast', 'html'].map((format) => ({
      args: ['sessions', 'export', 'ses_1', '--format', format],
      answers: {
        ...get('/v1/sessions/ses_1', sessionView(EVIL, { state: 'live' })),
        'GET /v1/sessions/ses_1/events': { lines: recording() },
      },
    })),
    {
      args: ['sessions', 'export', '--table', 'x', '--out', `./${EVIL.replaceAll(/[\0/]/g, '')}`],
      answers: {
        ...get('/v1/sessions', [sessionView(EVIL, { id: EVIL })]),
        [`GET /v1/sessions/${encodeURIComponent(EVIL.toWellFormed())}/events`]: refusal(404, 'NOT_FOUND', EVIL, 4),
      },
    },
    { args: ['sessions', 'export', '--user', EVIL], answers: { 'GET /v1/sessions': REFUSED } },
    { args: ['sessions', 'export', 'ses_1', '--since', EVIL] },
  ],
  'sessions flag': [
    {
      args: ['sessions', 'flag'],
      answers: {
        ...get('/v1/sessions', [
          sessionView(EVIL, {
            id: 'ses_1',
            refused: 9,
            openedAt: new Date().toISOString(),
            client: EVIL,
            tables: [EVIL],
          }),
        ]),
        ...get('/v1/agents', [
          {
            name: EVIL,
            kind: 'registered',
            owners: { users: [EVIL], groups: [EVIL] },
            runs: 1,
            live: 0,
            revoked: false,
          },
        ]),
        ...get('/v1/people', []),
        'GET /v1/sessions/ses_1/events': { lines: recording() },
      },
    },
    { args: ['sessions', 'flag', '--agent', EVIL], answers: { 'GET /v1/sessions': REFUSED } },
    { args: ['sessions', 'flag', '--since', EVIL] },
  ],
  'sessions reindex': [
    {
      args: ['sessions', 'reindex'],
      answers: {
        'POST /v1/sessions/reindex': {
          lines: [{ read: 1, of: 1, restored: 0, gone: 0, unreadable: [EVIL], done: true }],
        },
      },
    },
    { args: ['sessions', 'reindex'], answers: { 'POST /v1/sessions/reindex': REFUSED } },
  ],
  'sessions kill': [
    {
      args: ['sessions', 'kill', 'ses_1', '--yes', '--reason', EVIL],
      answers: { 'POST /v1/sessions/ses_1/kill': { json: receipt(EVIL).sessions[0] } },
    },
  ],
  'audit verify': [
    { args: ['audit', 'verify', EVIL, '--gateway', 'https://gateway.example'], prepare: (home) => knowGateway(home) },
    { args: ['audit', 'verify', '.', '--key', EVIL] },
    {
      args: ['audit', 'verify', '@/rec', '--gateway', 'https://gateway.example'],
      prepare(home) {
        knowGateway(home);
        const folder = join(home.dir, 'rec', '2026', '11', '21');
        mkdirSync(folder, { recursive: true });
        const name = `${EVIL.replaceAll(/[\0/\ud800-\udfff]/g, '')}.ndjson`.slice(-200);
        writeFileSync(
          join(folder, name),
          recording()
            .map((event) => `${JSON.stringify(event)}\n`)
            .join(''),
        );
      },
    },
  ],
  'audit checkpoint': [{ args: ['audit', 'checkpoint', EVIL, '--key', EVIL] }],
  'audit key': [
    { args: ['audit', 'key', '--keys', EVIL] },
    {
      args: ['audit', 'key'],
      answers: get('/v1/config', { ...configView('http://127.0.0.1'), evidenceKey: { id: EVIL, pem: EVIL } }),
      unsaid: true,
    },
  ],
  'policy check': [
    { args: ['policy', 'check', EVIL] },
    {
      args: ['policy', 'check', '@/policy.yaml'],
      prepare: ({ dir }) => writeFileSync(join(dir, 'policy.yaml'), JSON.stringify({ version: 1, [EVIL]: EVIL })),
    },
  ],
  'policy explain': [
    {
      args: ['policy', 'explain', 'orders-db', '--', EVIL],
      answers: {
        'POST /v1/policy/explain': {
          json: {
            verdict: 'deny',
            rules: [EVIL],
            reason: EVIL,
            hint: EVIL,
            statements: [
              {
                text: EVIL,
                effects: ['read'],
                resources: [{ kind: EVIL, name: EVIL, access: 'read' }],
                facts: { [EVIL]: EVIL },
                verdict: 'deny',
                rules: [EVIL],
                reason: EVIL,
                rewritten: EVIL,
                masked: [EVIL],
              },
            ],
          },
        },
      },
    },
    { args: ['policy', 'explain', EVIL, '--policy', EVIL, '--', 'SELECT 1'] },
  ],
  'policy test': [
    { args: ['policy', 'test', EVIL] },
    {
      args: ['policy', 'test', '@/cases.yaml'],
      prepare: ({ dir }) =>
        writeFileSync(join(dir, 'cases.yaml'), JSON.stringify({ cases: [{ name: EVIL, [EVIL]: 1 }] })),
    },
  ],
  'policy simulate': [
    { args: ['policy', 'simulate', EVIL] },
    {
      args: ['policy', 'simulate', '@/policy.yaml', '--recordings', '@/recordings'],
      prepare: ({ dir }) => {
        writeFileSync(
          join(dir, 'policy.yaml'),
          JSON.stringify({ version: 1, access: [{ name: 'one', subjects: { users: ['x'] }, targets: ['*'] }] }),
        );
        const events = [
          { ...OPENED, principal: { issuer: EVIL, subject: EVIL, name: EVIL }, circumstances: { groups: [] } },
          {
            type: 'verdict',
            command: EVIL,
            verdict: 'allow',
            text: { text: EVIL },
            effects: [],
            resources: [],
            facts: {},
          },
        ];
        mkdirSync(join(dir, 'recordings'));
        writeFileSync(
          join(dir, 'recordings', 'ses_1.ndjson'),
          events.map((one) => `${JSON.stringify({ at: new Date().toISOString(), ...one })}\n`).join(''),
        );
      },
    },
  ],
  'gateway init': [{ args: ['gateway', 'init', 'gw', '--local', '--target', EVIL] }],
  'gateway check': [
    { args: ['gateway', 'check', '--config', EVIL] },
    {
      args: ['gateway', 'check', '--config', '@/gateway.yaml'],
      prepare: ({ dir }) =>
        writeFileSync(join(dir, 'gateway.yaml'), JSON.stringify({ [EVIL]: EVIL, targets: { [EVIL]: {} } })),
    },
  ],
  'gateway rotate-key': [{ args: ['gateway', 'rotate-key', '--config', EVIL] }],
  'gateway start': [{ args: ['gateway', 'start', '--config', EVIL] }],
  init: [{ args: ['init', EVIL] }, { args: ['init', 'shell-agent', join('/dev/null', MARK, '\x1b[2J')] }],
  demo: 'prints what it made itself, through the same voice',
  doctor: [
    { args: ['doctor'], answers: { 'GET /v1/config': REFUSED, 'GET /v1/me': REFUSED }, unsaid: true },
    { args: ['doctor'], answers: { 'GET /v1/me': REFUSED } },
    {
      args: ['doctor'],
      answers: get('/v1/config', { ...configView('http://127.0.0.1'), gateway: EVIL, version: EVIL, publicUrl: EVIL }),
    },
  ],
  completion: [{ args: ['completion', EVIL] }],
  help: [{ args: ['help', EVIL] }],
  version: 'prints the version of this package alone',
};

/** The words by which each command is typed; `tunnel` reads its `list` and `stop` itself. */
async function everyCommand(): Promise<string[]> {
  const forms = await Promise.all(COMMANDS.map(({ load }) => load()));
  return forms.flatMap(({ command }) =>
    command.subcommands === undefined
      ? [command.name]
      : command.subcommands.map((each) => `${command.name} ${each.name}`),
  );
}

test('every command is in the table, and the table names no other', async () => {
  const all = new Set(await everyCommand());
  assert.deepEqual(
    [...all].filter((name) => !(name in SCENES)),
    [],
    'say what hostile text the command prints',
  );
  const gone = Object.keys(SCENES).filter((name) => !all.has(name));
  assert.deepEqual(gone, []);
});

for (const [name, scenes] of Object.entries(SCENES)) {
  if (typeof scenes === 'string') continue;
  describe(`nothing hostile comes out raw of ${name}`, () => {
    scenes.forEach((scene, number) => {
      test(`scene ${number + 1}`, async (t) => {
        const api = await startApi(t);
        for (const [route, reply] of Object.entries(scene.answers ?? {})) api.on(route, reply);
        const home = newHome(t);
        scene.prepare?.(home);
        for (const terminal of [true, false]) {
          for (const form of scene.textOnly ? ['text'] : ['text', 'json']) {
            const said = await spoken(home, api, scene, form, terminal);
            const where = `${form}, ${terminal ? 'on a terminal' : 'into a pipe'}:\n${JSON.stringify(said)}`;
            assert.ok(scene.unsaid || said.includes(MARK), `the hostile text was not printed: ${where}`);
            assert.ok(!RAW.test(said), `${JSON.stringify(RAW.exec(said)?.[0])} came out: ${where}`);
            assert.doesNotMatch(said, POSES_AS_OURS, where);
          }
        }
      });
    });
  });
}

/** Runs it in this process, as the command line would. @returns all that it printed */
async function spoken(home: Home, api: FakeApi, scene: Scene, form: string, terminal: boolean): Promise<string> {
  let said = '';
  const seen = Promise.withResolvers<void>();
  const stream = () =>
    Object.assign(
      new Writable({
        decodeStrings: false,
        write(chunk, _encoding, done) {
          said += String(chunk);
          if (said.includes(MARK)) seen.resolve();
          done();
        },
      }),
      terminal ? { isTTY: true, columns: 100 } : {},
    ) as unknown as NodeJS.WriteStream;
  const args = scene.args.map((word) => word.replace(/^@/, home.dir));
  const dashes = args.indexOf('--');
  const at = dashes < 0 ? args.length : dashes;
  const ended = main([...args.slice(0, at), '-o', form, ...args.slice(at)], {
    env: { ...home.env, HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c', NO_COLOR: '1' },
    cwd: mkdtempSync(join(home.dir, 'cwd-')),
    stdin: Object.assign(Readable.from([]), { isTTY: false }) as unknown as NodeJS.ReadStream,
    stdout: stream(),
    stderr: stream(),
  });
  if (scene.endless) {
    await Promise.race([seen.promise, ended]);
    process.emit('SIGINT');
  }
  await ended;
  return said;
}

/** A gateway somebody logged in to whose names are hostile. */
function knowGateway(home: Home): void {
  const folder = join(home.dir, '.config', 'hoopctl');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { evidenceKey } = configView('http://127.0.0.1');
  const login = {
    issuer: EVIL,
    subject: EVIL,
    name: EVIL,
    clientId: EVIL,
    audience: EVIL,
    scopes: [],
    use: 'accessToken',
  };
  const gateways = [{ url: 'https://gateway.example', evidenceKey: { ...evidenceKey, id: EVIL }, login }];
  writeFileSync(join(folder, 'gateways.json'), JSON.stringify({ gateways }), { mode: 0o600 });
}

/** A recording as a hostile session leaves it. */
function recording(): object[] {
  const at = '2026-11-21T18:00:00.000Z';
  const text = { text: EVIL, sha256: 'x' };
  const agent = { kind: 'claimed', name: EVIL };
  const events = [
    {
      type: 'session.opened',
      session: 'ses_1',
      run: EVIL,
      principal: { name: EVIL },
      target: EVIL,
      account: EVIL,
      agent,
    },
    { type: 'verdict', command: 'c1', text, verdict: 'hold', rules: [EVIL], reason: EVIL, params: [{ value: EVIL }] },
    { type: 'approval.requested', command: 'c1', approval: EVIL, rule: EVIL },
    { type: 'approval.decided', command: 'c1', approval: EVIL, decision: 'denied', by: EVIL, reason: EVIL },
    { type: 'command', command: 'c1', sent: { text: `${EVIL}2`, sha256: 'y' }, by: 'gateway' },
    { type: 'result', command: 'c1', columns: [EVIL, 'b'], rows: [[EVIL, null]] },
    { type: 'outcome', command: 'c1', state: 'failed', tag: EVIL, code: EVIL, durationMs: 1 },
    { type: 'stream', direction: 'out', data: EVIL },
    { type: 'notice', notice: EVIL, more: EVIL },
    { type: 'session.closed', end: { kind: 'targetGone', message: EVIL } },
  ];
  return events.map((event, seq) => ({ seq, at, ...event, prev: '' }));
}
