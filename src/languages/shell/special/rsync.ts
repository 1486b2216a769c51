/** `rsync`: the server's end of a copy, as an rsync client asks for it; and copies on the target itself. */
import { parseOptions } from '../options.ts';
import type { Call } from '../program.ts';

// Not -s (the paths then come over standard input), -e of a client, --rsync-path, --daemon, --config, --log-file and what else runs or writes.
const OPTIONS =
  '-vlogDtprazcnuxHAXWSIbKkLROJNUiqdmyh0PCE -B= -@= --delete!delete --delete-before!delete --delete-during!delete --delete-after!delete --delete-delay!delete --delete-excluded!delete --delete-missing-args!delete --del!delete --force!delete --remove-source-files!delete --max-delete= --numeric-ids --partial --inplace --append --append-verify --size-only --ignore-existing --existing --ignore-errors --ignore-times --checksum --checksum-choice= --compress --compress-level= --compress-choice= --new-compress --old-compress --max-size= --min-size= --modify-window= --bwlimit= --timeout= --stats --progress --sparse --safe-links --copy-links --copy-unsafe-links --munge-links --links --recursive --archive --verbose --quiet --dry-run --human-readable --itemize-changes --log-format= --out-format= --no-implied-dirs --no-r --no-i-r --omit-dir-times --omit-link-times --iconv= --fsync --preallocate --mkpath --block-size= --exclude= --include= --filter= --exclude-from=read --include-from=read --backup --suffix= --backup-dir=write --temp-dir=write --partial-dir=write --link-dest=read --copy-dest=read --compare-dest=read --from0 --no-perms --no-owner --no-group --no-times --perms --times --owner --group --chmod= --fake-super --checksum-seed=';
const SERVER = `--server --sender -e[=] ${OPTIONS}`;

export function judgeRsync(call: Call): void {
  // As an option, and not as another's value.
  const asServer = parseOptions(call.args, SERVER);
  const server = asServer.seen.has('--server');
  const parsed = server ? asServer : parseOptions(call.args, OPTIONS);
  const { strange, open, adds, paths } = parsed;
  if (strange !== undefined) call.unknown(`option ${strange} of rsync is not in the table`);
  if (open !== undefined) call.unknown(`${open} may become any option of rsync`);
  call.find.program(call.name, adds);
  for (const [path, access] of paths) call.find.path(path, access);
  if (server) serve(call, parsed);
  else copy(call, parsed);
}

type Parsed = ReturnType<typeof parseOptions>;

function serve(call: Call, { operands, seen, adds, values }: Parsed): void {
  const { find } = call;
  const sends = seen.has('--sender');
  const access = sends ? 'read' : 'write';
  const deletes = adds.includes('delete');
  find.program(call.name, ['transfer', access]);
  call.takes('data');
  const [dot, ...paths] = operands;
  // After `-e` a client puts what it can do, with a dot before it.
  const odd = (values.get('-e') ?? []).some(({ literal }) => !/^\d*\.\w*$/.test(literal ?? ''));
  if (dot?.literal !== '.' || paths.length === 0 || odd) call.unknown('it is not what an rsync client asks for');
  for (const path of paths) {
    find.path(path, access);
    if (deletes) find.path(path, 'delete');
  }
  if (!paths.every(({ literal }) => literal !== undefined)) return;
  find.transfer({
    program: 'rsync',
    direction: sends ? 'fromTarget' : 'toTarget',
    paths: paths.map(({ literal, text }) => literal ?? text),
    recursive: seen.has('-r') || seen.has('-a') || seen.has('--recursive'),
    deletes,
  });
}

function copy(call: Call, { operands, adds }: Parsed): void {
  const { find } = call;
  if (operands.some(({ literal, text }) => (literal ?? text).includes(':'))) {
    find.program(call.name, ['transfer']);
    return call.unknown('what rsync copies to or from another machine is not judged');
  }
  find.program(call.name, ['read', ...(operands.length > 1 ? (['write'] as const) : [])]);
  for (const [index, path] of operands.entries()) {
    const last = operands.length > 1 && index === operands.length - 1;
    find.path(path, last ? 'write' : 'read');
    if (last && adds.includes('delete')) find.path(path, 'delete');
  }
}
