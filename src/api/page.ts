/**
 * The approver's page: sign in, read the exact text, approve or deny. The shell holds nothing about the request; its content
 * comes over the API with a login made for this request alone, and that login lives in the page's memory.
 */
import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { UNSAFE_BUT_LINES } from '../base/shown.ts';

const STYLE = `
:root { color-scheme: light dark; --line: #8885; --yes: #17713a; --no: #a4262c; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 44rem; padding: 1rem; }
h1 { font-size: 1.2rem; } dl { display: grid; grid-template-columns: auto 1fr; gap: .2rem 1rem; }
dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
pre { border: 1px solid var(--line); border-radius: .4rem; padding: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; font: 14px/1.5 ui-monospace, monospace; }
button { font: inherit; padding: .8rem 1.2rem; border: 0; border-radius: .4rem; color: #fff; background: #345; min-height: 3rem; }
button.yes { background: var(--yes); } button.no { background: var(--no); } button:disabled { opacity: .5; }
.row { display: flex; gap: 1rem; margin: 1rem 0; } .row button { flex: 1; }
input { font: inherit; width: 100%; padding: .6rem; } .code { font: 700 1.6rem/1.4 ui-monospace, monospace; letter-spacing: .1em; }
.bad { color: var(--no); } [hidden] { display: none !important; }
`;

// No template values: the same bytes for every request, so that one hash in the policy covers it. textContent only, never markup.
const SCRIPT = `
'use strict';
const id = decodeURIComponent(location.pathname.split('/').pop());
const at = (name) => document.getElementById(name);
const UNSAFE = new RegExp(${JSON.stringify(UNSAFE_BUT_LINES.source)}, 'gv');
const shown = (text) => String(text).replace(/\\t/g, '    ').replace(UNSAFE, (c) => '\\\\u{' + c.codePointAt(0).toString(16).toUpperCase() + '}');
let token, digest;
const show = (name) => { for (const part of ['signin', 'waiting', 'request', 'done']) at(part).hidden = part !== name; };
const problem = (text) => { at('problem').textContent = text; at('problem').hidden = !text; };
async function call(method, path, body) {
  const headers = { ...(body ? { 'content-type': 'application/json' } : {}), ...(token ? { authorization: 'Bearer ' + token } : {}) };
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ? answer.error.message + (answer.error.hint ? ' (' + answer.error.hint + ')' : '') : response.statusText);
  return answer;
}
async function signIn() {
  problem('');
  const login = await call('POST', '/v1/approval-logins', { approval: id });
  const link = at('link');
  const url = new URL(login.verificationUriComplete || login.verificationUri);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error('the identity provider gave no web address');
  link.href = url.href;
  link.textContent = url.host + url.pathname;
  at('code').textContent = login.userCode;
  show('waiting');
  let interval = login.interval;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, interval * 1000));
    const state = await call('POST', '/v1/approval-logins/' + encodeURIComponent(login.id) + '/poll', {});
    if (state.state === 'failed') throw new Error(state.message);
    if (state.state === 'pending') { interval = state.interval; continue; }
    token = state.token;
    at('who').textContent = shown(state.name);
    return load();
  }
}
function row(name, value) {
  if (value === undefined || value === '') return;
  const dt = document.createElement('dt'); dt.textContent = name;
  const dd = document.createElement('dd'); dd.textContent = shown(value);
  at('facts').append(dt, dd);
}
async function load() {
  const request = await call('GET', '/v1/approvals/' + encodeURIComponent(id));
  digest = request.digest;
  at('facts').replaceChildren();
  row('target', request.target + ' (' + request.protocol + ', account ' + request.account + ')');
  row('asked by', request.requester);
  row('agent', request.agent ? request.agent.name + (request.agent.kind === 'claimed' ? ' (claimed)' : '') : '');
  row('purpose', request.purpose ? request.purpose + (request.agent && request.agent.kind === 'registered' ? '' : ' (claimed)') : '');
  row('does', request.effects.join(', '));
  row('to', request.resources.map((r) => r.name).join(', '));
  row('rule', request.rule + (request.reason ? ': ' + request.reason : ''));
  row('expires', new Date(request.expiresAt).toLocaleTimeString());
  row('length', request.bytes + ' bytes');
  row('hash', request.digest);
  at('text').textContent = shown(request.text);
  at('sent').textContent = request.sent ? shown(request.sent) : '';
  at('sentpart').hidden = !request.sent;
  const counts = new Map();
  at('params').textContent = (request.parameters || []).map((p) => {
    const number = (counts.get(p.statement) || 0) + 1;
    counts.set(p.statement, number);
    return (p.statement ? 'statement ' + p.statement + ': ' : '') + '$' + number + ' = ' + (p.text === null ? 'NULL' : shown(p.text).replace(/\\n/g, '\\\\n'));
  }).join('\\n');
  at('params').hidden = !(request.parameters || []).length;
  const open = request.state === 'open';
  const elsewhere = request.proof === 'launcher';
  at('deny').disabled = !open || !request.mayDecide;
  at('approve').disabled = at('deny').disabled || elsewhere;
  problem(!open ? 'This request is ' + request.state + '.' : !request.mayDecide ? 'You may read this request, not decide it.'
    : elsewhere ? 'It is approved by a key press in the terminal that launched the agent. Here you can deny it.' : '');
  show('request');
}
async function decide(decision) {
  for (const button of [at('approve'), at('deny')]) button.disabled = true;
  const reason = at('reason').value.trim();
  const answer = await call('POST', '/v1/approvals/' + encodeURIComponent(id) + '/decision', { decision, digest, ...(reason ? { reason } : {}) });
  at('result').textContent = answer.state === 'denied' ? 'Denied.' : 'Approved: for exactly this text, once.'
    + (answer.moderated ? ' It runs only while an approver watches: hoopctl sessions tail ' + answer.session : '');
  token = undefined;
  show('done');
}
const run = (task) => () => task().catch((error) => problem(shown(error.message)));
at('start').addEventListener('click', run(signIn));
at('approve').addEventListener('click', run(() => decide('approve')));
at('deny').addEventListener('click', run(() => decide('deny')));
`;

const HTML = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><meta name="referrer" content="no-referrer"><title>Approval request</title><style>${STYLE}</style></head>
<body><h1>Approval request</h1>
<p id="problem" class="bad" role="alert" hidden></p>
<section id="signin"><p>Sign in to see the request. The login is for this request alone.</p><button id="start">Sign in</button></section>
<section id="waiting" hidden><p>Open <a id="link" target="_blank" rel="noreferrer noopener"></a> and check that it shows this code:</p><p class="code" id="code"></p><p>This page goes on by itself.</p></section>
<section id="request" hidden><p>Signed in as <strong id="who"></strong></p><dl id="facts"></dl>
<h2>Exact text</h2><pre id="text"></pre><pre id="params" hidden></pre>
<div id="sentpart" hidden><h2>What reaches the target</h2><pre id="sent"></pre></div>
<label>Reason <input id="reason" maxlength="1000" autocomplete="off"></label>
<div class="row"><button class="no" id="deny">Deny</button><button class="yes" id="approve">Approve</button></div></section>
<section id="done" hidden><p id="result"></p></section>
<script>${SCRIPT}</script></body></html>`;

const POLICY = [
  "default-src 'none'",
  `script-src ${hashSource(SCRIPT)}`,
  `style-src ${hashSource(STYLE)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Any id gets the same shell: whether a request exists is told after sign-in only. */
export function approvalPage(reply: FastifyReply): FastifyReply {
  return reply
    .header('content-type', 'text/html; charset=utf-8')
    .header('content-security-policy', POLICY)
    .header('referrer-policy', 'no-referrer')
    .header('x-frame-options', 'DENY')
    .send(HTML);
}

// CSP Level 3, section 2.3.1: a hash of the inline element's exact text.
function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
