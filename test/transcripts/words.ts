/** PostgreSQL messages as words a person can read and write: `Q select 1`, `B p s1 7,null`, `D 1,x`, `E 22012 division by zero`. */
import {
  int16,
  int32,
  message,
  parse,
  query,
  readErrorFields,
  readParameterStatus,
  readText,
} from '../../src/protocols/postgres/messages.ts';

/** Messages separated by ` | `. Names: `-` is the unnamed one. */
export function clientBytes(words: string): Buffer {
  return Buffer.concat(words.split(' | ').map(clientMessage));
}

export function targetBytes(words: string): Buffer {
  return Buffer.concat(words.split(' | ').map(targetMessage));
}

const EMPTY = Buffer.alloc(0);

function named(name: string | undefined): string {
  return name === undefined || name === '-' ? '' : name;
}

function shown(name: string): string {
  return name === '' ? '-' : name;
}

function clientMessage(word: string): Buffer {
  const [type = '', ...rest] = word.split(' ');
  const [first, second, ...more] = rest;
  switch (type) {
    case 'Q':
      return query(rest.join(' '));
    case 'P':
      return parse(named(first), rest.slice(1).join(' '), []);
    case 'B': {
      const cells = (more[0] ?? '').split(',').filter((cell) => cell !== '');
      const values = cells.flatMap((cell) =>
        cell === 'null' ? [int32(-1)] : [int32(Buffer.byteLength(cell)), Buffer.from(cell)],
      );
      return message('B', named(first), named(second), int16(0), int16(cells.length), ...values, int16(0));
    }
    case 'D':
    case 'C':
      return message(type, Buffer.from(first ?? ''), named(second));
    case 'E':
      return message('E', named(first), int32(Number(second ?? 0)));
    case 'd':
      return message('d', Buffer.from(rest.join(' ')));
    case 'f':
      return message('f', rest.join(' '));
    case 'F':
      return message('F', int32(1234), int16(0), int16(0), int16(0));
    default:
      return message(type, EMPTY);
  }
}

/** The other way round, for what is sent to a target. */
export function clientWord(bytes: Buffer): string {
  const type = String.fromCharCode(bytes[0] as number);
  const body = bytes.subarray(5);
  const texts = body.toString('utf8').split('\0');
  switch (type) {
    case 'Q':
      return `Q ${texts[0]}`;
    case 'P':
      return `P ${shown(texts[0] ?? '')} ${texts[1]}`;
    case 'B': {
      const at = body.indexOf(0, body.indexOf(0) + 1) + 3;
      const values: string[] = [];
      for (let left = body.readInt16BE(at), cell = at + 2; left > 0; left--) {
        const length = body.readInt32BE(cell);
        values.push(length < 0 ? 'null' : body.toString('utf8', cell + 4, cell + 4 + length));
        cell += 4 + Math.max(0, length);
      }
      return ['B', shown(texts[0] ?? ''), shown(texts[1] ?? ''), ...(values.length > 0 ? [values.join(',')] : [])].join(
        ' ',
      );
    }
    case 'D':
    case 'C':
      return `${type} ${texts[0]?.[0]} ${shown((texts[0] ?? '').slice(1))}`;
    case 'E': {
      const rows = body.readInt32BE(body.length - 4);
      return `E ${shown(texts[0] ?? '')}${rows > 0 ? ` ${rows}` : ''}`;
    }
    case 'd':
    case 'f':
      return `${type} ${texts[0]}`;
    default:
      return type;
  }
}

function targetMessage(word: string): Buffer {
  const [type = '', ...rest] = word.split(' ');
  const text = rest.join(' ');
  switch (type) {
    case 'T':
      return message(
        'T',
        int16(rest.length),
        ...rest.flatMap((name) => [name, int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)]),
      );
    case 'D': {
      const cells = text.split(',');
      return message(
        'D',
        int16(cells.length),
        ...cells.flatMap((cell) =>
          cell === 'null' ? [int32(-1)] : [int32(Buffer.byteLength(cell)), Buffer.from(cell)],
        ),
      );
    }
    case 'C':
      return message('C', text);
    case 'Z':
      return message('Z', Buffer.from(text));
    case 'E':
    case 'N': {
      const [code, ...words] = rest;
      const severity = code === '57P01' ? 'FATAL' : type === 'E' ? 'ERROR' : 'NOTICE';
      return message(type, `S${severity}`, `V${severity}`, `C${code}`, `M${words.join(' ')}`, Buffer.from([0]));
    }
    case 't':
      return message('t', int16(rest.length), ...rest.map((oid) => int32(Number(oid))));
    case 'G':
    case 'H':
    case 'W':
      return message(type, Buffer.from([0]), int16(1), int16(0));
    case 'd':
      return message('d', Buffer.from(text));
    case 'S':
      return message('S', rest[0] ?? '', rest.slice(1).join(' '));
    case 'A':
      return message('A', int32(1), rest[0] ?? '', rest[1] ?? '');
    default:
      return message(type, EMPTY);
  }
}

export function targetWord(bytes: Buffer): string {
  const type = String.fromCharCode(bytes[0] as number);
  const body = bytes.subarray(5);
  switch (type) {
    case 'T':
      return `T ${columnNames(body).join(' ')}`;
    case 'D': {
      const cells: string[] = [];
      for (let left = body.readUInt16BE(0), at = 2; left > 0; left--) {
        const length = body.readInt32BE(at);
        cells.push(length < 0 ? 'null' : body.toString('utf8', at + 4, at + 4 + length));
        at += 4 + Math.max(0, length);
      }
      return `D ${cells.join(',')}`;
    }
    case 'C':
      return `C ${readText(body)}`;
    case 'Z':
      return `Z ${body.toString('latin1')}`;
    case 'E':
    case 'N': {
      const fields = readErrorFields(body);
      return `${type} ${fields?.get('C')} ${fields?.get('M')}`;
    }
    case 'S': {
      const status = readParameterStatus(body);
      return `S ${status?.name} ${status?.value}`;
    }
    case 'd':
      return `d ${body.toString('utf8')}`;
    default:
      return type;
  }
}

function columnNames(body: Buffer): string[] {
  const names: string[] = [];
  for (let left = body.readUInt16BE(0), at = 2; left > 0; left--) {
    const end = body.indexOf(0, at);
    names.push(body.toString('utf8', at, end));
    at = end + 19;
  }
  return names;
}
