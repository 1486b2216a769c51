/** The page of an HTML export: its look, its frame, its script. The same bytes for every export, so that one digest covers each of them. */

export const STYLE = `
:root { color-scheme: light dark; --back: #fbfbfa; --fore: #1d2126; --dim: #5b636d; --line: #d5d9de; --card: #ffffff; --mark: #eef3fb;
  --ok: #17713a; --no: #a4262c; --wait: #8a5a00; --link: #1f5fae; }
:root[data-theme=dark] { color-scheme: dark; --back: #14171b; --fore: #dfe3e8; --dim: #98a2ad; --line: #343b44; --card: #1b2026; --mark: #22303f;
  --ok: #6cc58b; --no: #f08a8a; --wait: #e0b062; --link: #8ab8f0; }
:root[data-theme=light] { color-scheme: light; }
* { box-sizing: border-box; }
html { scroll-padding-top: 9rem; }
body { margin: 0; background: var(--back); color: var(--fore); font: 15px/1.5 system-ui, sans-serif; }
header { position: sticky; top: 0; z-index: 1; background: var(--back); border-bottom: 1px solid var(--line); padding: .5rem 1rem; }
.bar { display: flex; flex-wrap: wrap; gap: .4rem .6rem; align-items: center; max-width: 76rem; margin: 0 auto .4rem; }
main { max-width: 76rem; margin: 0 auto; padding: .5rem 1rem 4rem; }
button, select, input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .35rem; padding: .25rem .6rem; min-height: 2.1rem; }
button { cursor: pointer; } button:disabled { opacity: .45; cursor: default; }
button[aria-pressed=true] { background: var(--mark); border-color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
#seek { flex: 1 1 8rem; padding: 0; min-width: 6rem; } #search { flex: 1 1 9rem; min-width: 7rem; } #session { max-width: 100%; min-width: 0; flex: 0 1 auto; text-overflow: ellipsis; }
#clock, #found { color: var(--dim); font-variant-numeric: tabular-nums; white-space: nowrap; }
details { margin: .3rem 0; } summary { cursor: pointer; color: var(--dim); }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; margin: .4rem 0; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
ol { list-style: none; margin: 0; padding: 0; }
li { border-left: 3px solid var(--line); padding: .25rem 0 .25rem .8rem; margin: .35rem 0; }
li.now { background: var(--mark); }
li.asked { border-color: var(--link); margin-top: 1rem; } li.deny, li.unknown, li.failed { border-color: var(--no); } li.hold, li.held, li.decided { border-color: var(--wait); } li.outcome { border-color: var(--ok); }
li.outcome.failed { border-color: var(--no); }
.head { color: var(--dim); font-size: .85rem; overflow-wrap: anywhere; } .head b { color: var(--fore); font-weight: 600; }
.deny .head b, .unknown .head b, .failed .head b { color: var(--no); } .hold .head b, .held .head b, .decided .head b { color: var(--wait); } .outcome:not(.failed) .head b { color: var(--ok); }
pre { margin: .2rem 0; font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
pre.screen { white-space: pre; overflow-x: auto; background: var(--card); border: 1px solid var(--line); padding: .4rem .6rem; line-height: 1.25; min-height: 4em; }
.rows { overflow-x: auto; } table { border-collapse: collapse; font: 12.5px/1.45 ui-monospace, SFMono-Regular, Menlo, monospace; margin: .3rem 0; }
th, td { border: 1px solid var(--line); padding: .1rem .5rem; text-align: left; vertical-align: top; max-width: 32rem; overflow-wrap: anywhere; white-space: pre-wrap; } th { background: var(--card); }
td.null { color: var(--dim); font-style: italic; }
nav { display: flex; gap: .6rem; align-items: center; justify-content: center; margin: .8rem 0; flex-wrap: wrap; color: var(--dim); }
p.none { color: var(--dim); text-align: center; } [hidden] { display: none !important; }
@media (max-width: 40rem) { header, main { padding-left: .6rem; padding-right: .6rem; } header { position: static; } #theme, #keys { display: none; } dl { grid-template-columns: 1fr; } dt { margin-top: .3rem; } }
@media (prefers-color-scheme: dark) { :root:not([data-theme]) { --back: #14171b; --fore: #dfe3e8; --dim: #98a2ad; --line: #343b44; --card: #1b2026; --mark: #22303f; --ok: #6cc58b; --no: #f08a8a; --wait: #e0b062; --link: #8ab8f0; } }
@media print { header, nav { display: none; } }
`;

export const BODY = `<header>
<div class="bar"><select id="session" aria-label="session"></select><span id="found" role="status"></span>
<button id="theme" type="button" title="light or dark">Light / dark</button></div>
<div class="bar"><button id="play" type="button" title="space">Play</button><button id="back" type="button" title="left arrow">Back</button><button id="step" type="button" title="right arrow, n or .">Step</button>
<select id="speed" aria-label="speed"><option value="0.5">0.5×</option><option value="1" selected>1×</option><option value="2">2×</option><option value="5">5×</option><option value="20">20×</option><option value="100">100×</option></select>
<input id="seek" type="range" min="0" value="0" step="1" aria-label="where in the session"><span id="clock"></span></div>
<div class="bar" role="group" aria-label="what is shown"><button type="button" data-verdict="allow" aria-pressed="true">allowed</button><button type="button" data-verdict="hold" aria-pressed="true">held</button><button type="button" data-verdict="deny" aria-pressed="true">denied</button>
<button type="button" id="own" aria-pressed="false">the gateway's own</button><input id="search" type="search" placeholder="search ( / )" aria-label="search"></div>
</header>
<main><details><summary>About this session</summary><dl id="about"></dl></details>
<noscript><p>This page plays the recording with a script that is part of it. Without scripts, read the recording as NDJSON.</p></noscript>
<nav id="above"></nav><ol id="list"></ol><p id="none" class="none" hidden>Nothing here is like that.</p><nav id="below"></nav></main>`;

// textContent only, never markup. No template values: one digest covers it.
export const SCRIPT = `
'use strict';
(() => {
const at = (id) => document.getElementById(id);
const make = (name, text, className) => { const made = document.createElement(name); if (text !== undefined) made.textContent = text; if (className) made.className = className; return made; };
const PAGE = 200, ROWS = 50, MORE_ROWS = 500, LONG = 4000;
const sessions = [];
for (const line of at('data').textContent.split('\\n')) {
  if (line === '') continue;
  const value = JSON.parse(line);
  if (value.s) sessions.push({ about: value.s, entries: [], commands: new Map() });
  else sessions[sessions.length - 1].entries.push(value);
}
at('data').remove();
for (const session of sessions) for (const entry of session.entries) {
  if (entry.k === 'asked' && entry.c) session.commands.set(entry.c, entry.v);
  entry.w = entry.c ? session.commands.get(entry.c) : undefined;
}
let session = sessions[0], shown = [], position = 0, page = 0, playing, playedFrom = 0, playedAt = 0;
const verdicts = new Set(['allow', 'hold', 'deny']);
const state = { own: false, search: '' };
const clockOf = (ms) => { const s = Math.floor(ms / 1000), two = (n) => String(n).padStart(2, '0'); return (s >= 3600 ? Math.floor(s / 3600) + ':' : '') + two(Math.floor(s / 60) % 60) + ':' + two(s % 60); };
const grouped = (n) => String(n).replace(/\\B(?=(\\d{3})+$)/g, ',');
const hay = (entry) => entry.y ??= [entry.x, entry.d || '', ...(entry.h || []), ...(entry.r || []).map((row) => row.join('\\t'))].join('\\n').toLowerCase();
const pick = () => {
  const wanted = state.search.toLowerCase();
  shown = !session ? [] : session.entries.filter((entry) => (state.own || !(entry.o || (entry.c && !entry.w))) && (!entry.w || verdicts.has(entry.w)) && (wanted === '' || hay(entry).includes(wanted)));
  at('seek').max = shown.length;
  at('found').textContent = grouped(shown.length) + ' of ' + grouped(session ? session.entries.length : 0) + ' entries';
};
const textOf = (text) => {
  const block = make('pre', text.length > LONG ? text.slice(0, LONG) : text);
  if (text.length <= LONG) return [block];
  const all = make('button', 'Show all ' + grouped(text.length) + ' characters'); all.type = 'button';
  all.onclick = () => { block.textContent = text; all.remove(); };
  return [block, all];
};
const cellOf = (name, value) => value === null || value === undefined ? make(name, 'NULL', 'null') : make(name, value.length > LONG ? value.slice(0, LONG) + '…' : value);
const tableOf = (entry) => {
  const around = make('div', undefined, 'rows'), table = make('table'), titles = entry.h || (entry.r[0] || []).map((_, i) => String(i + 1));
  const head = make('tr'); for (const title of titles) head.append(cellOf('th', title)); table.append(head);
  let drawn = 0;
  const more = make('button'); more.type = 'button';
  const draw = (count) => {
    for (const row of entry.r.slice(drawn, drawn + count)) { const line = make('tr'); for (let i = 0; i < titles.length; i++) line.append(cellOf('td', row[i])); table.append(line); }
    drawn = Math.min(entry.r.length, drawn + count);
    more.hidden = drawn >= entry.r.length; more.textContent = 'More rows: ' + grouped(entry.r.length - drawn) + ' of ' + grouped(entry.r.length);
  };
  more.onclick = () => draw(MORE_ROWS);
  draw(ROWS); around.append(table, more); return around;
};
const entryOf = (entry, index) => {
  const item = make('li', undefined, [entry.k, entry.k === 'asked' && entry.v !== 'allow' ? entry.v : '', entry.k === 'outcome' && /^failed/.test(entry.d || entry.x) ? 'failed' : ''].join(' ').trim());
  const head = make('div', undefined, 'head'); head.append(make('b', entry.k), ' ' + entry.a.slice(11, 23) + (entry.d ? ' · ' + entry.d : ''));
  item.append(head);
  if (entry.k === 'terminal') { const screen = make('pre', entry.x, 'screen'); item.append(screen); item.dataset.screen = (entry.c || '') + ' ' + (entry.d || ''); }
  else if (entry.k === 'asked' || entry.k === 'sent' || entry.k === 'stream' || entry.k === 'answer') item.append(...textOf(entry.x)); else item.append(make('div', entry.x));
  if (entry.r && entry.r.length) item.append(tableOf(entry));
  if (index === position - 1 && position < shown.length) item.classList.add('now');
  return item;
};
// A terminal's next screen takes the place of the one before, unless something else came between, or it is the other of its two screens.
const put = (list, item) => {
  const last = list[list.length - 1];
  if (item.dataset.screen !== undefined && last && last.dataset.screen === item.dataset.screen) list.pop();
  list.push(item);
};
const pager = (nav, from, to) => {
  nav.replaceChildren();
  const last = Math.max(0, Math.ceil(Math.max(1, position) / PAGE) - 1);
  if (last === 0) return;
  const go = (text, where, off) => { const button = make('button', text); button.type = 'button'; button.disabled = off; button.onclick = () => { page = where; draw(); scrollTo(0, 0); }; return button; };
  nav.append(go('First', 0, page === 0), go('Earlier', page - 1, page === 0), make('span', grouped(from + 1) + '–' + grouped(to) + ' of ' + grouped(position)), go('Later', page + 1, page >= last), go('Last', last, page >= last));
};
const draw = () => {
  page = Math.max(0, Math.min(page, Math.ceil(Math.max(1, position) / PAGE) - 1));
  const from = page * PAGE, to = Math.min(position, from + PAGE);
  const items = [];
  shown.slice(from, to).forEach((entry, i) => put(items, entryOf(entry, from + i)));
  at('list').replaceChildren(...items);
  at('none').hidden = shown.length > 0;
  pager(at('above'), from, to); pager(at('below'), from, to);
  status();
};
const status = () => {
  at('seek').value = position;
  const end = shown.length ? shown[shown.length - 1].t : 0, now = position ? shown[position - 1].t : 0;
  at('clock').textContent = clockOf(now) + ' / ' + clockOf(end);
  at('play').textContent = playing === undefined ? 'Play' : 'Pause';
  at('back').disabled = position === 0; at('step').disabled = position >= shown.length;
};
const goTo = (where) => {
  const before = position; position = Math.max(0, Math.min(shown.length, where));
  const wasOn = page; page = Math.max(0, Math.ceil(position / PAGE) - 1);
  if (page === wasOn && position > before && position - before <= PAGE) {
    for (const item of at('list').querySelectorAll('.now')) item.classList.remove('now');
    const last = at('list').lastElementChild, items = last ? [last] : [];
    for (let i = before; i < position; i++) put(items, entryOf(shown[i], i));
    if (last) last.remove();
    at('list').append(...items);
    status();
  } else draw();
  const last = at('list').lastElementChild; if (last) last.scrollIntoView({ block: 'nearest' });
};
const pause = () => { clearTimeout(playing); playing = undefined; status(); };
const speed = () => Number(at('speed').value);
const tick = () => {
  const now = playedFrom + (performance.now() - playedAt) * speed();
  let next = position; while (next < shown.length && shown[next].t <= now) next++;
  if (next > position) goTo(next);
  if (position >= shown.length) return pause();
  playing = setTimeout(tick, Math.max(15, Math.min(500, (shown[position].t - now) / speed())));
};
const begin = () => { playedFrom = position ? shown[position - 1].t : 0; playedAt = performance.now(); };
const play = () => {
  if (shown.length === 0) return;
  if (position >= shown.length) { position = 0; page = 0; draw(); }
  begin(); playing = setTimeout(tick, 0); status();
};
const toggle = () => playing === undefined ? play() : pause();
const step = (by) => { pause(); goTo(position + by); };
const choose = (index) => {
  pause(); session = sessions[index]; pick(); position = shown.length; page = 0;
  at('about').replaceChildren(...(session ? session.about.fields : []).flatMap(([name, value]) => [make('dt', name), make('dd', value)]));
  document.title = session ? session.about.id : 'Recorded sessions'; draw(); scrollTo(0, 0);
};
// Who searches looks for all of it, not for what was played so far.
const again = (everything) => { const all = everything || position >= shown.length, time = position ? shown[position - 1].t : 0; pause(); pick(); position = all ? shown.length : shown.filter((entry) => entry.t <= time).length; if (all) page = 0; draw(); };
sessions.forEach(({ about }, i) => { const option = make('option', about.id + (about.who ? ' · ' + about.who : '')); option.value = i; at('session').append(option); });
at('session').onchange = () => choose(Number(at('session').value));
at('play').onclick = toggle; at('step').onclick = () => step(1); at('back').onclick = () => step(-1);
at('seek').oninput = () => { const where = Number(at('seek').value); pause(); goTo(where); };
at('speed').onchange = () => { if (playing !== undefined) { clearTimeout(playing); begin(); tick(); } };
at('own').onclick = () => { state.own = !state.own; at('own').setAttribute('aria-pressed', state.own); again(); };
for (const button of document.querySelectorAll('[data-verdict]')) button.onclick = () => {
  const kind = button.dataset.verdict; verdicts.has(kind) ? verdicts.delete(kind) : verdicts.add(kind);
  button.setAttribute('aria-pressed', verdicts.has(kind)); again();
};
let typed; at('search').oninput = () => { clearTimeout(typed); typed = setTimeout(() => { state.search = at('search').value; again(state.search !== ''); }, 150); };
at('theme').onclick = () => { const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches; root.dataset.theme = dark ? 'light' : 'dark'; };
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inField = /^(INPUT|SELECT)$/.test(event.target.tagName) && event.target.type !== 'range';
  if (event.key === 'Escape' && inField) return event.target.blur();
  if (inField) return;
  const onButton = event.target.tagName === 'BUTTON' || event.target.tagName === 'SUMMARY';
  const act = { ' ': onButton ? undefined : toggle, n: () => step(1), '.': () => step(1), ArrowRight: () => step(1), ArrowLeft: () => step(-1), '/': () => at('search').focus() }[event.key];
  if (act) { event.preventDefault(); act(); }
});
choose(0);
})();
`;
