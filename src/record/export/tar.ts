/**
 * A tar archive (POSIX.1-1988, "ustar"), made so that equal contents give equal bytes: no owner, no time, files in the order given.
 *
 * A file's length stands before its bytes, so whoever adds one knows it first.
 */

const BLOCK = 512;
/** What eleven octal digits hold. */
const LONGEST = 8 ** 11 - 1;

/** @param name at most 100 bytes of ASCII, relative */
export function tarHeader(name: string, size: number): Buffer {
  if (!/^[\x21-\x7e]{1,100}$/.test(name) || name.startsWith('/') || name.split('/').includes('..'))
    throw new RangeError(`a tar archive does not take the name ${JSON.stringify(name)}`);
  if (!(Number.isSafeInteger(size) && size >= 0 && size <= LONGEST))
    throw new RangeError(`${name} is ${size} bytes long`);
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 'latin1');
  octal(header, 100, 8, 0o644);
  octal(header, 108, 8, 0);
  octal(header, 116, 8, 0);
  octal(header, 124, 12, size);
  octal(header, 136, 12, 0);
  header.write('        ', 148, 'latin1'); // counted as spaces in the sum
  header.write('0', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** What fills the last block of a file. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** Two empty blocks, and what fills a record of twenty. */
export function tarEnd(length: number): Buffer {
  const record = 20 * BLOCK;
  const end = length + 2 * BLOCK;
  return Buffer.alloc(2 * BLOCK + ((record - (end % record)) % record));
}

function octal(header: Buffer, at: number, length: number, value: number): void {
  header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
}
