/** Recorded parameters as text for people: beside a statement as `$1 = …`, or, for a request, as the body below it. */
import type { RecordedParameter } from '../domain/recording.ts';

/** A text with what went along with it. */
export function withParameters(text: string, params: readonly RecordedParameter[] | undefined): string {
  if (!params || params.length === 0) return text;
  const [body] = params;
  if (body && params.length === 1 && isMediaType(body.type)) return `${text}\n\n${bodyText(body)}`;
  return `${text}\n-- ${params.map(parameterText).join(', ')}`;
}

/** `$1 = "x"`, on one line. */
export function parameterText(param: RecordedParameter, index: number): string {
  return `$${index + 1} = ${valueText(param)}`;
}

/** A body that is no text is told of, not shown. */
function bodyText(body: RecordedParameter): string {
  const { type, value, format } = body;
  if (value === undefined || value === null) return `(${type}: ${withoutValue(body)})`;
  if (format === 'text') return `${value}${restOf(body)}`;
  return `(${type}, ${body.bytes ?? Buffer.from(value, 'base64').length} bytes that are no text)`;
}

function valueText(param: RecordedParameter): string {
  const { value, format } = param;
  if (value === null) return 'NULL';
  if (value === undefined) return `(${withoutValue(param)})`;
  return `${format === 'binary' ? `base64:${value}` : JSON.stringify(value)}${restOf(param)}`;
}

function withoutValue({ sameAs, struck }: RecordedParameter): string {
  return sameAs !== undefined && !struck ? 'as it was judged' : 'struck';
}

function restOf({ truncated, bytes, sha256 }: RecordedParameter): string {
  if (!truncated) return '';
  return ` … (the beginning of ${bytes ?? 'more'} bytes${sha256 === undefined ? '' : `, sha256 ${sha256}`})`;
}

/** `application/json`. No type of a database's parameter has a slash; a recording from elsewhere may say none. */
function isMediaType(type: string): boolean {
  return String(type).includes('/');
}
