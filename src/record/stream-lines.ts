/** What commands read and wrote, from pieces as they came to lines as one reads them. A terminal's pieces stay what they are. */
import type { SessionEvent } from '../domain/recording.ts';
import type { RecordedEvent } from './read.ts';
import type { Spoken } from './replay-line.ts';

export interface StreamLines {
  /** Lines that stand before what is told of the event itself. */
  take(event: RecordedEvent): Spoken[];
  /** What was begun and not ended. */
  rest(): Spoken[];
}

type StreamEvent = Extract<SessionEvent, { type: 'stream' }>;

interface Begun {
  readonly command: string | undefined;
  readonly of: string;
  readonly decoder: InstanceType<typeof TextDecoder>;
  /** Of a line that has not ended. */
  text: string;
}

const LONGEST = 64 * 1024;

export function createStreamLines(): StreamLines {
  const begun = new Map<string, Begun>();

  function pieceOf(event: StreamEvent): Spoken[] {
    const of = event.of ?? event.direction;
    const key = `${of} ${event.command ?? ''}`;
    // One that goes on elsewhere has nothing to wait for here.
    const before = Array.from(begun).flatMap(([other, stream]) => (other === key ? [] : flushed(stream)));
    const stream = begun.get(key) ?? { command: event.command, of, decoder: new TextDecoder(), text: '' };
    begun.set(key, stream);
    // What is recorded as text begins and ends with a character: only bytes may be halves of one.
    const binary = event.encoding === 'base64';
    if (binary && event.ends && stream.text === '') return [...before, bytesSpoken(stream, event)];
    stream.text += binary ? stream.decoder.decode(bytesOf(event), { stream: true }) : event.data;
    // A message is told as a whole, and the next one is another.
    const all = event.ends === true || stream.text.length > LONGEST;
    const end = all ? stream.text.length : stream.text.lastIndexOf('\n') + 1;
    if (end === 0 && event.ends !== true) return before;
    const text = stream.text.slice(0, end);
    stream.text = stream.text.slice(end);
    return [...before, spoken(stream, text)];
  }

  function flushed(stream: Begun): Spoken[] {
    const { text } = stream;
    stream.text = '';
    return text === '' ? [] : [spoken(stream, text)];
  }

  return {
    take(event) {
      if (event.type !== 'stream') {
        const over = Array.from(begun.values()).flatMap(flushed);
        if (event.type === 'outcome')
          for (const [key, { command }] of begun) if (command === event.command) begun.delete(key);
        return over;
      }
      if (event.sealed !== undefined) return [{ kind: 'stream', text: '(encrypted)', detail: event.direction }];
      return event.of === 'terminal' ? [terminalOf(event)] : pieceOf(event);
    },
    rest: () => Array.from(begun.values()).flatMap(flushed),
  };
}

function terminalOf(event: StreamEvent): Spoken {
  const { command, direction, size } = event;
  const piece = { direction, bytes: bytesOf(event), ...(size ? { size } : {}) };
  return { kind: 'terminal', ...(command === undefined ? {} : { command }), text: '', terminal: piece };
}

function bytesOf({ data, encoding }: StreamEvent): Buffer {
  return Buffer.from(data, encoding === 'base64' ? 'base64' : 'utf8');
}

/** Of a message that is no text its length is told: its bytes are no lines. */
function bytesSpoken({ command, of }: Begun, event: StreamEvent): Spoken {
  const text = `(${bytesOf(event).length} bytes)`;
  return { kind: 'stream', ...(command === undefined ? {} : { command }), text, detail: of };
}

function spoken({ command, of }: Begun, text: string): Spoken {
  return {
    kind: 'stream',
    ...(command === undefined ? {} : { command }),
    text: text.replace(/\r?\n$/, ''),
    detail: of,
  };
}
