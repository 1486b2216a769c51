/**
 * Masks messages of text that come one by one, as over a WebSocket: each as the JSON or text it is, and a value that is told over several of them (as models
 * stream what they say) as if it had come in one. They are looked at as events of an event stream are, and no message is added or left out.
 */
import { type BodyMasker, type BodyMaskerOptions, type BodyMasks, NOTHING } from './body.ts';
import type { Fingerprint } from './cell.ts';
import { createEventCutter, readEvent } from './sse-event.ts';
import { createSseMasker } from './sse.ts';

/** As a BodyMasker, but for whole messages: which may flow now, in order. */
export interface MessageMasker extends Pick<BodyMasker, 'held' | 'masked' | 'rules' | 'failed'> {
  push(message: Buffer): readonly Buffer[];
  idle(): readonly Buffer[];
  end(): readonly Buffer[];
}

export function createMessageMasker(
  masks: BodyMasks,
  fingerprint: Fingerprint,
  options: BodyMaskerOptions = {},
): MessageMasker {
  const masker = createSseMasker(masks, fingerprint, options);
  const waiting: { readonly event: Buffer; readonly message: Buffer }[] = [];
  let marked = false;

  function messagesOf(events: Buffer): Buffer[] {
    const cutter = createEventCutter();
    const messages: Buffer[] = [];
    for (let from = 0; from < events.length; ) {
      const to = cutter.next(events, from, events.length);
      const event = events.subarray(from, to < 0 ? events.length : to);
      from += event.length;
      const pushed = waiting.shift();
      messages.push(pushed && event.equals(pushed.event) ? pushed.message : (readEvent(event).data ?? NOTHING));
    }
    return messages;
  }

  return {
    push(message) {
      // Readers differ about what it is a part of: JSON behind it is none to some of them.
      marked ||= message[0] === 0xef && message[1] === 0xbb && message[2] === 0xbf;
      if (marked) return [];
      const event = eventOf(message);
      waiting.push({ event, message });
      return messagesOf(masker.push(event));
    },
    idle: () => messagesOf(masker.idle()),
    end: () => messagesOf(masker.end()),
    get held() {
      return masker.held;
    },
    get masked() {
      return masker.masked;
    },
    rules: masker.rules,
    get failed() {
      return marked ? 'it begins with a byte order mark' : masker.failed;
    },
  };
}

/** Its line ends come back as they were, unless something in it is masked. */
function eventOf(message: Buffer): Buffer {
  const lines = message.toString('latin1').replace(/\r\n?|\n/g, '\ndata: ');
  return Buffer.from(`data: ${lines}\n\n`, 'latin1');
}
