/** What a client gets whose request could not be read: in JSON, as every refusal. Pure. */

export function malformedBody(reason: string): string {
  return `${JSON.stringify({ error: { code: 'HOOP_DENIED', message: reason, type: 'hoop_refusal', param: null } })}\n`;
}

/** The whole HTTP/1.1 answer; the connection ends with it. */
export function malformed(status: number, reason: string, words = ''): string {
  const body = malformedBody(reason);
  return [
    `HTTP/1.1 ${status} ${words}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'hoop-refusal: HOOP_DENIED',
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
