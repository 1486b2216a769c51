/** Finds credentials written in clear text, wherever they stand, so that they are refused and never repeated in a message. */
import { isMapping, type Path } from '../../base/document.ts';

/** Names under which people write secrets. */
const SECRET_KEY = /(^|[a-z_-])(pass(word|wd|phrase)?|secret|token|credential|api[_-]?key|private[_-]?key)$/i;
/** `scheme://user:password@host` */
const SECRET_URL = /[a-z]:\/\/[^/\s:@]*:[^/\s@]+@/i;

/** Where they stand. A reference (a mapping) is none. */
export function clearTextCredentials(value: unknown, path: Path = []): Path[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => clearTextCredentials(item, [...path, index]));
  if (isMapping(value)) {
    return Object.entries(value).flatMap(([key, item]) =>
      SECRET_KEY.test(key) && isPlain(item) ? [[...path, key]] : clearTextCredentials(item, [...path, key]),
    );
  }
  return typeof value === 'string' && SECRET_URL.test(value) ? [path] : [];
}

function isPlain(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
