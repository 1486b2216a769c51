/** Fills templates/gateway-local for one person and the targets named on the command line. */
import type { NewFile } from './init-write.ts';
import type { LocalTarget } from './init-target.ts';

/** What follows is there once for each target. */
const EACH_TARGET = /(?<=^targets:\n)(?= {2}__TARGET__:)/m;

export function fillLocal(files: readonly NewFile[], person: string, targets: readonly LocalTarget[]): NewFile[] {
  const once = { __PERSON__: quoted(person), __TARGETS__: targets.map(({ name }) => name).join(', ') };
  return files.map(({ path, text }) => {
    const [head = '', block = ''] = text.split(EACH_TARGET);
    return { path, text: filled(head, once) + targets.map((target) => filled(block, valuesOf(target))).join('') };
  });
}

// In one pass: what a value brings along is never taken for a mark.
function filled(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/__[A-Z]+__/g, (mark) => values[mark] ?? mark);
}

function valuesOf({ name, host, port, user, database, tls }: LocalTarget): Readonly<Record<string, string>> {
  return {
    __TARGET__: name,
    __ADDRESS__: quoted(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`),
    __DATABASE__: quoted(database),
    __TLS__: tls,
    __ACCOUNT__: quoted(user),
  };
}

/** A YAML double-quoted scalar (YAML 1.2 section 7.3.1) is a superset of a JSON string. */
function quoted(text: string): string {
  return /^[A-Za-z][A-Za-z0-9._-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text)
    ? text
    : JSON.stringify(text);
}
