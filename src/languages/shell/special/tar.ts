/** `tar`: what it does is an option, of the old form without a dash too. */
import type { Effect } from '../../../domain/command.ts';
import { parseOptions } from '../options.ts';
import type { Call } from '../program.ts';
import { literalWord, type ShellWord } from '../words.ts';

const MODES: Readonly<Record<string, 'list' | 'extract' | 'create'>> = {
  '-t': 'list',
  '--list': 'list',
  '-d': 'list',
  '--diff': 'list',
  '--compare': 'list',
  '-x': 'extract',
  '--extract': 'extract',
  '--get': 'extract',
  '-c': 'create',
  '--create': 'create',
  '-r': 'create',
  '--append': 'create',
  '-u': 'create',
  '--update': 'create',
};
const OPTIONS = `${Object.keys(MODES).join(' ')} -zjJaZvphkmOPSwl -f= -C= -X=read -b= -N= --file= --directory= --exclude-from=read --gzip --gunzip --bzip2 --xz --zstd --auto-compress --verbose --preserve-permissions --same-permissions --dereference --keep-old-files --keep-newer-files --overwrite --unlink-first!delete --recursive-unlink!delete --remove-files!delete --delete!delete --to-stdout --absolute-names --strip-components= --exclude= --exclude-vcs --wildcards --no-wildcards --no-same-owner --same-owner --numeric-owner --owner= --group= --mode= --mtime= --one-file-system --sparse --sort= --transform= --totals --touch --null --no-recursion --newer= --acls --xattrs --selinux`;
const VALUED = 'fCXbN';

export function judgeTar(call: Call): void {
  const { find, name } = call;
  const { seen, values, operands, paths, adds, strange, open } = parseOptions(dashed(call.args), OPTIONS);
  if (strange !== undefined) call.unknown(`option ${strange} of tar is not in the table`);
  if (open !== undefined) call.unknown(`${open} may become any option of tar`);
  const modes = new Set([...seen].flatMap((option) => MODES[option] ?? []));
  const [mode] = modes;
  if (modes.size > 1 || (mode === undefined && !seen.has('--delete'))) call.unknown('what tar shall do is not told');
  const archives = [...(values.get('-f') ?? []), ...(values.get('--file') ?? [])].filter(
    ({ literal }) => literal !== '-',
  );
  const folders = [...(values.get('-C') ?? []), ...(values.get('--directory') ?? [])];
  // `host:file` is an archive on another machine, fetched by a program; sed's `e` in a transform is refused for its sake too.
  for (const archive of archives)
    if (archive.literal?.includes(':') !== false) call.unknown('the archive may be on another machine');
  if (
    [...(values.get('--transform') ?? [])].some(
      ({ literal }) => !/^s([,|/])[^\\,|/]*\1[^\\,|/]*\1g?$/.test(literal ?? ''),
    )
  )
    call.unknown('a transform is not a simple one');
  const effects: Record<string, readonly Effect[]> = {
    list: ['read'],
    extract: ['read', 'write'],
    create: ['read', 'write'],
  };
  find.program(name, [...(effects[mode ?? 'create'] ?? []), ...adds]);
  for (const [path, access] of paths) find.path(path, access);
  for (const archive of archives) find.path(archive, mode === 'create' || mode === undefined ? 'write' : 'read');
  for (const folder of folders) find.path(folder, mode === 'extract' ? 'write' : 'read');
  if (mode === 'extract' && folders.length === 0 && !seen.has('-O') && !seen.has('--to-stdout'))
    find.path(literalWord('.'), 'write');
  if (mode !== 'extract' && folders.length > 0) find.moved();
  if (mode === 'create')
    for (const operand of operands) find.path(operand, seen.has('--remove-files') ? 'delete' : 'read');
  // An archive may hold absolute names.
  if (mode === 'extract' && (seen.has('-P') || seen.has('--absolute-names'))) find.moved();
  if (archives.length === 0) call.takes('data');
}

// `tar cfC a.tar /x` is `tar -c -f a.tar -C /x`.
function dashed(args: readonly ShellWord[]): ShellWord[] {
  const [first, ...rest] = args;
  if (first?.literal === undefined || first.literal.startsWith('-') || first.literal === '') return [...args];
  const words: ShellWord[] = [];
  for (const letter of first.literal) {
    words.push(literalWord(`-${letter}`));
    const value = VALUED.includes(letter) ? rest.shift() : undefined;
    if (value) words.push(value);
  }
  return [...words, ...rest];
}
