/**
 * The text of a request, as `hoopctl exec` and `policy explain` take it: a request line, header lines, an empty line, the body. Of these only the target
 * has to be there, and the method stands before it where it is not GET.
 */
import { errorTable } from '../../base/error.ts';

const fail = errorTable({
  REQUEST_FORM: { exit: 2, hint: 'write it as: POST /v1/customers, header lines, an empty line, the body' },
});

export interface RequestText {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Undefined where no empty line is. */
  readonly body: string | undefined;
}

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Whoever frames and addresses the request is the client itself; the secret is the run's. */
const OURS = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'keep-alive', 'te', 'trailer', 'expect'],
  ...['authorization', 'proxy-authorization', 'proxy-connection'],
]);

/** @throws REQUEST_FORM */
export function readRequestText(text: string): RequestText {
  const [, head = '', between, body] = /^(.*?)(?:(\r?\n\r?\n)(.*))?$/s.exec(text) ?? [];
  const [first = '', ...lines] = head.replace(/\r?\n$/, '').split(/\r?\n/);
  return {
    ...readFirstLine(first.trim()),
    headers: lines.map(readHeader),
    // A text of words ends without a line break, and one of a file with one: an empty body is none.
    body: between === undefined || body === '' ? undefined : body,
  };
}

function readFirstLine(line: string): { method: string; target: string } {
  const words = line.split(/[ \t]+/);
  const [method = '', target = ''] = words.length === 1 ? ['GET', words[0]] : words;
  if (words.length > 2 || !TOKEN.test(method) || !/^\/[\x21-\x7e]*$/.test(target))
    throw fail('REQUEST_FORM', `"${line}" is no request: a method, and a path that begins with a slash`);
  return { method, target };
}

function readHeader(line: string): readonly [string, string] {
  const [, name = '', value = ''] = /^([^:]*):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
  if (!TOKEN.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value))
    throw fail('REQUEST_FORM', `"${line}" is no header: a name, a colon, a value`);
  if (OURS.has(name.toLowerCase()))
    throw fail('REQUEST_FORM', `the header ${name} is not yours to set: hoopctl sets it, or nobody`, {
      hint: 'leave it out',
    });
  return [name, value];
}
