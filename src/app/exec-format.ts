/**
 * Writes a result as it comes: JSON lines, CSV, TSV or a table. One string for each batch of rows, and nothing kept of those that were written, so a
 * result of any size takes little memory.
 */
import { exhaustive } from '../base/exhaustive.ts';
import type { ExecColumn } from '../domain/protocol.ts';
import type { ExecFormat, FormatOptions, Row, RowWriter } from './exec-rows.ts';
import { tableWriter } from './exec-table.ts';

export function rowWriter(format: ExecFormat, columns: readonly ExecColumn[], options: FormatOptions): RowWriter {
  switch (format) {
    case 'json':
      return jsonWriter(columns);
    case 'csv':
      return plainWriter(columns, options, csvField, ',');
    case 'tsv':
      return plainWriter(columns, options, tsvField, '\t');
    case 'text':
      return tableWriter(columns, options);
    default:
      return exhaustive(format);
  }
}

function jsonWriter(columns: readonly ExecColumn[]): RowWriter {
  const cells = uniqueNames(columns).map((name, at) => {
    const key = `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`;
    const encode = JSON_VALUES[columns[at]?.type ?? 'string'];
    return (value: string | null) => key + (value === null ? 'null' : encode(value));
  });
  const end = columns.length === 0 ? '{}\n' : '}\n';
  return {
    head: () => '',
    rows: (batch) => {
      let text = '';
      for (const row of batch) {
        for (let at = 0; at < cells.length; at++) text += cells[at]?.(row[at] ?? null);
        text += end;
      }
      return text;
    },
    foot: () => '',
  };
}

const JSON_VALUES: Readonly<Record<ExecColumn['type'], (value: string) => string>> = {
  string: (value) => JSON.stringify(value),
  // NaN and Infinity are numbers to the target and not to JSON.
  number: (value) => (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value) ? value : JSON.stringify(value)),
  boolean: (value) =>
    value === 't' || value === 'true' ? 'true' : value === 'f' || value === 'false' ? 'false' : JSON.stringify(value),
  json: jsonValue,
  // Text form of bytea: \x and hexadecimal digits (PostgreSQL, 8.4.1).
  bytes: (value) =>
    JSON.stringify(value.startsWith('\\x') ? Buffer.from(value.slice(2), 'hex').toString('base64') : value),
};

// Taken over as it is, numbers of any size too, once it is sure to be JSON; a line break between its parts would end our line.
function jsonValue(value: string): string {
  try {
    JSON.parse(value);
    return /[\r\n]/.test(value) ? value.replace(/[\r\n]+/g, ' ') : value;
  } catch {
    return JSON.stringify(value);
  }
}

/** `a, a` → `a, a_2`: an object can not hold a name twice. */
function uniqueNames(columns: readonly ExecColumn[]): string[] {
  const taken = new Set<string>();
  const all = new Set(columns.map(({ name }) => name));
  return columns.map(({ name }) => {
    let unique = name;
    // A column that is really called a_2 keeps its name.
    for (let n = 2; taken.has(unique) || (unique !== name && all.has(unique)); n++) unique = `${name}_${n}`;
    taken.add(unique);
    return unique;
  });
}

function plainWriter(
  columns: readonly ExecColumn[],
  { header }: FormatOptions,
  field: (value: string | null) => string,
  separator: string,
): RowWriter {
  const line = (row: Row) => {
    let text = '';
    for (let at = 0; at < row.length; at++) text += (at === 0 ? '' : separator) + field(row[at] ?? null);
    return `${text}\n`;
  };
  return {
    head: () => (header ? line(columns.map(({ name }) => name)) : ''),
    rows: (batch) => {
      let text = '';
      for (const row of batch) text += line(row);
      return text;
    },
    foot: () => '',
  };
}

// As COPY … CSV has it: NULL is nothing at all, the empty string is "" (RFC 4180 otherwise).
function csvField(value: string | null): string {
  if (value === null) return '';
  return value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
};

// COPY's text format: one row a line, whatever it holds (PostgreSQL, COPY, "Text Format").
function tsvField(value: string | null): string {
  if (value === null) return '\\N';
  return /[\b\f\n\r\t\v\\]/.test(value) ? value.replace(/[\b\f\n\r\t\v\\]/g, (char) => ESCAPES[char] ?? char) : value;
}
