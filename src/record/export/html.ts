/**
 * Sessions as one file that plays them in a browser, without anything else: no network, no library, no server.
 *
 * What was recorded stands in it as data alone, in a block that is no script, escaped so that nothing in it ends the block, and is put on the page as text
 * only. The page's own policy lets nothing run but the one script whose digest it names.
 */
import { createHash } from 'node:crypto';
import { escapeForDisplay, escapeLinesForDisplay } from '../../base/shown.ts';
import type { RecordedEvent } from '../read.ts';
import { type ReplayLine, replay } from '../replay.ts';
import { screensOf } from '../terminal/readable.ts';
import { BODY, SCRIPT, STYLE } from './html-page.ts';

export interface HtmlSession {
  readonly id: string;
  readonly events: AsyncIterable<RecordedEvent>;
}

/** Text of the whole file, piece by piece. */
export async function* htmlPieces(sessions: AsyncIterable<HtmlSession>): AsyncGenerator<string> {
  yield HEAD;
  for await (const { id, events } of sessions) {
    let opened: Extract<RecordedEvent, { type: 'session.opened' }> | undefined;
    const watched = async function* () {
      for await (const event of events) {
        if (event.type === 'session.opened') opened = event;
        yield event;
      }
    };
    let begun = false;
    for await (const line of screensOf(replay(watched()))) {
      if (!begun) yield dataLine({ s: about(id, opened) });
      begun = true;
      yield dataLine(entryOf(line));
    }
  }
  yield TAIL;
}

function about(id: string, opened: Extract<RecordedEvent, { type: 'session.opened' }> | undefined) {
  if (!opened) return { id: escapeForDisplay(id), fields: [] };
  const { principal, agent, target, protocol, account, purpose, client, run, at, gateway, policy } = opened;
  const fields: [string, string | undefined][] = [
    ['who', `${principal.name} (${principal.issuer}, ${principal.subject})`],
    ['agent', agent && `${agent.name}${agent.kind === 'registered' ? '' : ' (claimed)'}`],
    ['target', `${target} (${protocol}, as ${account})`],
    ['purpose', purpose && `${purpose} (claimed)`],
    ['client', client && `${client} (claimed)`],
    ['run', run],
    ['opened', at],
    ['gateway', gateway],
    ['policy', policy],
  ];
  const known = fields.flatMap(([name, value]) => (value === undefined ? [] : [[name, escapeForDisplay(value)]]));
  return { id: escapeForDisplay(id), who: escapeForDisplay(`${principal.name} on ${target}`), fields: known };
}

/** Short names: there may be very many. Escaped already: the page shows text as it stands. */
function entryOf(line: ReplayLine): Record<string, unknown> {
  const { kind, at, afterMs, text, detail, verdict, own, command, columns, rows } = line;
  return {
    k: kind,
    a: escapeForDisplay(at),
    t: Number.isFinite(afterMs) ? afterMs : 0,
    x: escapeLinesForDisplay(text).join('\n'),
    ...(detail === undefined ? {} : { d: escapeForDisplay(detail) }),
    ...(verdict === undefined ? {} : { v: verdict }),
    ...(own ? { o: 1 } : {}),
    ...(command === undefined ? {} : { c: escapeForDisplay(command) }),
    ...(columns === undefined ? {} : { h: columns.map(escapeForDisplay) }),
    ...(rows === undefined
      ? {}
      : { r: rows.map((row) => row.map((cell) => (cell === null ? null : escapeForDisplay(cell)))) }),
  };
}

/** One line of JSON in which no `<` stands, nor `&`, nor a separator that a browser takes for a line's end. */
function dataLine(value: unknown): string {
  const json = JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${json}\n`;
}

const digest = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const POLICY = `default-src 'none'; script-src ${digest(SCRIPT)}; style-src ${digest(STYLE)}; base-uri 'none'; form-action 'none'`;

const HEAD = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Recorded sessions</title>
<style>${STYLE}</style>
</head>
<body>
${BODY}
<script type="application/json" id="data">
`;
const TAIL = `</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
