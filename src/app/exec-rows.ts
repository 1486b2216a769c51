/** How rows become text: what every format of a result has in common. */

export type ExecFormat = 'text' | 'json' | 'csv' | 'tsv';
export type Row = readonly (string | null)[];

/** Makes text of one result set. */
export interface RowWriter {
  head(): string;
  rows(batch: readonly Row[]): string;
  /** What was held back, when the set is over. */
  foot(): string;
}

export interface FormatOptions {
  readonly header: boolean;
  /** Of the terminal; undefined where the table goes elsewhere: then nothing is shortened. */
  readonly width?: number | undefined;
}
