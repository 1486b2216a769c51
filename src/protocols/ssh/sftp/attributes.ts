/** Attributes of files as packets carry them (draft-ietf-secsh-filexfer-02, section 5): read, checked, and said in words. */
import type { Fields } from './frames.ts';

const SIZE = 0x1;
const OWNER = 0x2;
const PERMISSIONS = 0x4;
const TIMES = 0x8;
const EXTENDED = 0x8000_0000;

/** What a request sets. */
export interface Attributes {
  /** `size`, `owner`, `permissions`, `times`. */
  readonly names: readonly string[];
  /** In words, for people. */
  readonly text: string;
  /** As they stand in the packet. */
  readonly bytes: Buffer;
  /** Bits or extensions that version 3 does not define: what they would do is not known. */
  readonly strange: boolean;
}

/** Leaves `fields` broken where they are cut off. */
export function readAttributes(fields: Fields): Attributes {
  const names: string[] = [];
  const words: string[] = [];
  let strange = false;
  const bytes = fields.span(() => {
    const flags = fields.uint32();
    strange = (flags & ~(SIZE | OWNER | PERMISSIONS | TIMES)) !== 0;
    const note = (name: string, text: string) => {
      names.push(name);
      words.push(text);
    };
    if (flags & SIZE) note('size', `size=${fields.uint64()}`);
    if (flags & OWNER) note('owner', `uid=${fields.uint32()} gid=${fields.uint32()}`);
    if (flags & PERMISSIONS) note('permissions', `mode=${fields.uint32().toString(8).padStart(4, '0')}`);
    if (flags & TIMES) note('times', `atime=${fields.uint32()} mtime=${fields.uint32()}`);
    if (flags & EXTENDED) skipExtended(fields);
  });
  return { names, text: words.join(' '), bytes, strange };
}

/** Of an ATTRS reply: whether it speaks of a symbolic link. Undefined: it does not say. */
export function isLink(fields: Fields): boolean | undefined {
  const flags = fields.uint32();
  if (flags & SIZE) fields.uint64();
  if (flags & OWNER) fields.uint64();
  const mode = flags & PERMISSIONS ? fields.uint32() : undefined;
  // S_IFMT and S_IFLNK, as POSIX systems have them (the draft names no others).
  return fields.broken || mode === undefined ? undefined : (mode & 0o170000) === 0o120000;
}

function skipExtended(fields: Fields): void {
  for (let left = fields.uint32(); left > 0 && !fields.broken; left--) {
    fields.string();
    fields.string();
  }
}

/** No attributes at all. */
export const NO_ATTRIBUTES = Buffer.alloc(4);
