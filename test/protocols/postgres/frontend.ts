/** Messages a client writes, and replies as one-line words, for the tests of this folder. */
import {
  execute,
  FLUSH,
  int16,
  int32,
  message,
  parse,
  query,
  readErrorFields,
  readText,
  SYNC,
  TERMINATE,
} from '../../../src/protocols/postgres/messages.ts';

export { execute, FLUSH, int16, int32, message, parse, query, SYNC, TERMINATE };

export function bind(
  portal: string,
  statement: string,
  values: readonly (string | null)[] = [],
  resultFormats: readonly number[] = [],
): Buffer {
  const cells = values.flatMap((value) =>
    value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)],
  );
  return message(
    'B',
    portal,
    statement,
    int16(0),
    int16(values.length),
    ...cells,
    int16(resultFormats.length),
    ...resultFormats.map(int16),
  );
}

export function describe(what: 'S' | 'P', name: string): Buffer {
  return message('D', Buffer.from(what), name);
}

export function close(what: 'S' | 'P', name: string): Buffer {
  return message('C', Buffer.from(what), name);
}

export function startup(parameters: Readonly<Record<string, string>>, version = 3 << 16): Buffer {
  return message('', int32(version), ...Object.entries(parameters).flat(), Buffer.from([0]));
}

export function dataRow(...cells: readonly (string | null)[]): Buffer {
  const parts = cells.flatMap((cell) =>
    cell === null ? [int32(-1)] : [int32(Buffer.byteLength(cell)), Buffer.from(cell)],
  );
  return message('D', int16(cells.length), ...parts);
}

/** @param type OID of the column's type; text by default */
export function rowDescription(
  ...columns: readonly { name: string; table?: number; column?: number; type?: number; format?: number }[]
): Buffer {
  const fields = columns.flatMap(({ name, table = 0, column = 0, type = 25, format = 0 }) => [
    name,
    ...[int32(table), int16(column), int32(type), int16(-1), int32(-1), int16(format)],
  ]);
  return message('T', int16(columns.length), ...fields);
}

export interface Reply {
  readonly type: string;
  readonly body: Buffer;
}

/** Whole messages of a stream of replies. */
export function replies(bytes: Buffer): Reply[] {
  const found: Reply[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    found.push({ type: String.fromCharCode(bytes[at] as number), body: bytes.subarray(at + 5, end) });
    at = end;
  }
  return found;
}

/** `T`, `D(1, x)`, `C(SELECT 1)`, `E(42501 HOOP_DENIED: …)`, `Z(I)`. */
export function words(bytes: Buffer): string[] {
  return replies(bytes).map(word);
}

function word({ type, body }: Reply): string {
  switch (type) {
    case 'E':
    case 'N': {
      const fields = readErrorFields(body);
      return `${type}(${fields?.get('C')} ${fields?.get('M')})`;
    }
    case 'C':
      return `C(${readText(body)})`;
    case 'Z':
      return `Z(${body.toString('latin1')})`;
    case 'D':
      return `D(${cellsOf(body).join(', ')})`;
    case 'd':
      return `d(${body.toString('utf8').trimEnd()})`;
    default:
      return type;
  }
}

export function cellsOf(body: Buffer): (string | null)[] {
  const cells: (string | null)[] = [];
  let at = 2;
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at);
    cells.push(length < 0 ? null : body.toString('utf8', at + 4, at + 4 + length));
    at += 4 + Math.max(0, length);
  }
  return cells;
}
