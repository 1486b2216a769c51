/** Programs that look at files, change them and remove them. Options are those of GNU and busybox; see options.ts for the notation. */
import type { Effect } from '../../../domain/command.ts';
import { judgeDd } from '../special/dd.ts';
import { judgeFind } from '../special/find.ts';
import { judgeTar } from '../special/tar.ts';
import type { Operands, Plain, Program, Programs } from '../program.ts';

/** Reads the files it is given, or standard input. */
export function reader(options: string, more: Partial<Plain> = {}): Plain {
  return {
    kind: 'plain',
    does: ['read'],
    options,
    operands: { paths: 'read' },
    stdin: 'operands',
    closed: true,
    ...more,
  };
}

/** Does `does` to each path it is given. */
export function changer(does: readonly Effect[], access: Effect, options: string, operands: Operands = {}): Plain {
  return { kind: 'plain', does, options, operands: { paths: access, ...operands }, closed: true };
}

const COPIES: Operands = { last: 'write', lastUnless: ['-t', '--target-directory'] };
const BACKUP =
  '--backup[=] -b -S= --suffix= -t=write --target-directory=write -T --no-target-directory -v --verbose -u --update[=] -f --force -i --interactive -n --no-clobber';
const MODE_OPTIONS =
  '-cfvR --changes --silent --quiet --verbose --recursive --preserve-root --no-preserve-root --reference=read';
const SUM = reader('-bctwz --binary --check --text --warn --zero --quiet --status --tag --ignore-missing --strict');
const FORMAT: Program = {
  kind: 'plain',
  does: ['delete', 'administer'],
  operands: { paths: 'delete' },
  options: '-t= -L= -n= -U= -b= -F -f -q -v -c -N= -i= -m= -O= -E= -T= -s=',
};

export const FILES: Programs = {
  ls: {
    ...reader(
      '-aAbBcCdDfFgGhHiklLmnNopqQrRsStuUvxXZ1 -I= -w= -T= --all --almost-all --author --escape --block-size= --ignore-backups --color[=] --directory --dired --classify[=] --file-type --format= --full-time --group-directories-first --no-group --human-readable --si --dereference --hide= --hyperlink[=] --indicator-style= --inode --ignore= --kibibytes --numeric-uid-gid --literal --hide-control-chars --show-control-chars --quote-name --quoting-style= --reverse --recursive --size --sort= --time= --time-style= --tabsize= --width= --context --zero',
    ),
    stdin: 'none',
  },
  cat: reader(
    '-AbeEnstTuv --show-all --number-nonblank --show-ends --number --squeeze-blank --show-tabs --show-nonprinting',
  ),
  tac: reader('-br -s= --before --regex --separator='),
  head: reader('-NUM -qvz -c= -n= --bytes= --lines= --quiet --silent --verbose --zero-terminated'),
  tail: reader(
    '-NUM -fFqvz -c= -n= -s= --bytes= --lines= --follow[=] --pid= --quiet --silent --retry --sleep-interval= --verbose --zero-terminated',
  ),
  stat: { ...reader('-LftxZ -c= --format= --printf= --dereference --file-system --terse --cached='), stdin: 'none' },
  file: {
    ...reader(
      '-bhiLkNprsvz0 -F= --brief --dereference --mime --mime-type --mime-encoding --no-dereference --keep-going',
    ),
    stdin: 'none',
  },
  readlink: {
    ...reader(
      '-femnqsvz --canonicalize --canonicalize-existing --canonicalize-missing --no-newline --quiet --silent --verbose --zero',
    ),
    stdin: 'none',
  },
  realpath: {
    ...reader(
      '-eLmPqsz --canonicalize-existing --canonicalize-missing --logical --physical --quiet --relative-to= --relative-base= --strip --no-symlinks --zero',
    ),
    stdin: 'none',
  },
  du: {
    ...reader(
      '-0aAbcDhHklLmPsSx -B= -X=read -d= -t= --null --all --apparent-size --block-size= --bytes --total --dereference --max-depth= --human-readable --inodes --separate-dirs --si --summarize --threshold= --time[=] --time-style= --exclude= --one-file-system',
    ),
    stdin: 'none',
    closed: false,
  },
  df: {
    ...reader(
      '-ahHiklmPTv -B= -t= -x= --all --block-size= --human-readable --si --inodes --local --output[=] --portability --print-type --total --type= --exclude-type= --no-sync',
    ),
    stdin: 'none',
  },
  tree: {
    kind: 'plain',
    does: ['read'],
    options: '-adfilxpsughDFQNqCrtUSn -L= -P= -I= --noreport --dirsfirst --du --si -o=write',
    operands: { paths: 'read' },
  },
  md5sum: SUM,
  sha1sum: SUM,
  sha224sum: SUM,
  sha256sum: SUM,
  sha384sum: SUM,
  sha512sum: SUM,
  b2sum: SUM,
  cksum: SUM,
  sum: reader('-rs --sysv'),
  diff: {
    ...reader(
      '-aBbcdEHilNnpqrstTuwy -C= -I= -L= -S= -U= -W= -x= --brief --recursive --unified[=] --context[=] --side-by-side --width= --new-file --text --ignore-case --ignore-all-space --ignore-space-change --ignore-blank-lines --label= --exclude= --exclude-from=read --color[=] --strip-trailing-cr --suppress-common-lines --minimal --report-identical-files --no-dereference',
      { operands: { paths: 'read', max: 2 } },
    ),
    stdin: 'operands',
  },
  cmp: reader('-bls -i= -n= --print-bytes --verbose --silent --quiet --bytes= --ignore-initial=', {
    operands: { paths: 'read' },
  }),
  find: {
    kind: 'special',
    does: 'read; `-delete` deletes; `-exec`, `-execdir` are judged; `-fprint`, `-fls` write',
    judge: judgeFind,
  },
  touch: changer(
    ['write'],
    'write',
    '-acfhm -d= -r=read -t= --no-create --date= --no-dereference --reference=read --time=',
  ),
  mkdir: changer(['write'], 'write', '-pvZ -m= --parents --verbose --mode='),
  mkfifo: changer(['write'], 'write', '-m= --mode='),
  mktemp: {
    kind: 'plain',
    does: ['write'],
    options: '-dqu -t -p=write --directory --quiet --dry-run --suffix= --tmpdir',
    operands: { paths: 'write' },
  },
  cp: changer(
    ['read', 'write'],
    'read',
    `-adHlLpPrRsxZ ${BACKUP} --archive --attributes-only --copy-contents --dereference --link --no-dereference --preserve[=] --no-preserve= --parents --recursive --reflink[=] --remove-destination!delete --sparse= --symbolic-link --one-file-system`,
    COPIES,
  ),
  mv: changer(['write'], 'write', `-Z ${BACKUP} --strip-trailing-slashes --no-copy`, COPIES),
  ln: changer(
    ['write'],
    'write',
    `-dFLPrs ${BACKUP} --symbolic --relative --logical --physical --no-dereference`,
    COPIES,
  ),
  install: changer(
    ['read', 'write'],
    'read',
    '-bcCdDpvT -g=!administer -m= -o=!administer -S= -t=write --compare --directory --group=!administer --mode= --owner=!administer --preserve-timestamps --suffix= --target-directory=write --no-target-directory --verbose',
    { ...COPIES, made: ['-d', '--directory'] },
  ),
  rm: changer(
    ['delete'],
    'delete',
    '-dfiIrRv --force --interactive[=] --one-file-system --no-preserve-root --preserve-root[=] --recursive --dir --verbose',
  ),
  rmdir: changer(['delete'], 'delete', '-pv --ignore-fail-on-non-empty --parents --verbose'),
  unlink: changer(['delete'], 'delete', ''),
  shred: changer(
    ['delete'],
    'delete',
    '-fuvxz -n= -s= --force --iterations= --random-source=read --size= --remove[=] --verbose --exact --zero',
  ),
  truncate: changer(['delete'], 'delete', '-co -r=read -s= --no-create --io-blocks --reference=read --size='),
  tee: { ...changer(['write'], 'write', '-aip --append --ignore-interrupts --output-error[=]'), stdin: 'data' },
  split: {
    kind: 'plain',
    does: ['read', 'write'],
    options:
      '-dexu -a= -b= -C= -l= -n= -t= --bytes= --lines= --number= --suffix-length= --numeric-suffixes[=] --additional-suffix= --verbose',
    operands: { paths: 'read', last: 'write', max: 2 },
    stdin: 'operands',
  },
  dd: { kind: 'special', does: 'reads `if=`, writes `of=`', judge: judgeDd },
  // `-x` is a mode: then all operands are files.
  chmod: changer(['administer'], 'administer', `${MODE_OPTIONS} -rwxst`, {
    skip: 1,
    unless: ['--reference', '-r', '-w', '-x', '-s', '-t'],
  }),
  chown: changer(['administer'], 'administer', `${MODE_OPTIONS} -hHLP --dereference --no-dereference --from=`, {
    skip: 1,
    unless: ['--reference'],
  }),
  chgrp: changer(['administer'], 'administer', `${MODE_OPTIONS} -hHLP --dereference --no-dereference`, {
    skip: 1,
    unless: ['--reference'],
  }),
  setfacl: changer(
    ['administer'],
    'administer',
    '-bdkLnPRt -m= -x= --modify= --remove= --remove-all --remove-default --recursive --test --set=',
    {},
  ),
  getfacl: { ...reader('-acdeEsRLPtpn --access --absolute-names --omit-header --recursive --numeric'), stdin: 'none' },
  chattr: { kind: 'opaque', why: 'what chattr changes is not judged', does: ['administer'] },
  lsattr: { ...reader('-RVadlpv'), stdin: 'none' },
  mount: {
    kind: 'plain',
    does: ['administer'],
    operands: { effect: 'administer' },
    options: '-arwvnlBR -o= -t= -L= -U= --bind --rbind --types= --options= --read-only',
  },
  umount: { kind: 'plain', does: ['administer'], options: '-aflnrRv -t= -O= --all --force --lazy --recursive' },
  mkfs: FORMAT,
  mke2fs: FORMAT,
  'mkfs.ext2': FORMAT,
  'mkfs.ext3': FORMAT,
  'mkfs.ext4': FORMAT,
  'mkfs.xfs': FORMAT,
  'mkfs.btrfs': FORMAT,
  'mkfs.vfat': FORMAT,
  mkswap: FORMAT,
  wipefs: {
    kind: 'plain',
    does: ['read'],
    options:
      '-a!delete,administer -o=!delete,administer -f -n -q -J -i -p --all!delete,administer --force --no-act --quiet',
    operands: { paths: 'delete' },
  },
  fdisk: {
    kind: 'opaque',
    why: 'fdisk takes commands from its standard input',
    does: ['administer', 'delete'],
    stdin: 'commands',
  },
  sfdisk: {
    kind: 'opaque',
    why: 'sfdisk takes commands from its standard input',
    does: ['administer', 'delete'],
    stdin: 'commands',
  },
  gdisk: {
    kind: 'opaque',
    why: 'gdisk takes commands from its standard input',
    does: ['administer', 'delete'],
    stdin: 'commands',
  },
  parted: {
    kind: 'opaque',
    why: 'parted takes commands from its standard input',
    does: ['administer', 'delete'],
    stdin: 'commands',
  },
  lsblk: {
    kind: 'plain',
    does: ['read'],
    options: '-abdDfhJlmnpPrsStTz -o= -e= -I= -x= --all --fs --json --list --output= --paths --bytes --nodeps',
    closed: true,
  },
  blkid: { kind: 'plain', does: ['read'], options: '-gkl -o= -s= -t= -p', operands: { paths: 'read' } },
  findmnt: {
    kind: 'plain',
    does: ['read'],
    options: '-aAbcDfJlnPrRu -o= -t= -S= -T= --json --list --output= --target= --types=',
  },
  tar: { kind: 'special', does: '`t` reads; `c` reads and writes the archive; `x` writes', judge: judgeTar },
  gzip: {
    kind: 'plain',
    does: ['write'],
    options:
      '-NUM -cdfklnNqrtv --stdout --to-stdout --decompress --force --keep --list --quiet --recursive --test --verbose --fast --best',
    operands: { paths: 'write' },
    stdin: 'operands',
  },
  gunzip: {
    kind: 'plain',
    does: ['write'],
    options: '-cfklnNqrtv --stdout --to-stdout --force --keep --list --quiet --recursive --test --verbose',
    operands: { paths: 'write' },
    stdin: 'operands',
  },
  bzip2: {
    kind: 'plain',
    does: ['write'],
    options: '-NUM -cdfkqstvz --stdout --decompress --force --keep --test --quiet --verbose',
    operands: { paths: 'write' },
    stdin: 'operands',
  },
  xz: {
    kind: 'plain',
    does: ['write'],
    options: '-NUM -cdfkqtvzle -T= --stdout --decompress --force --keep --list --test --quiet --verbose --threads=',
    operands: { paths: 'write' },
    stdin: 'operands',
  },
  zcat: reader('-fhLvV --force', { closed: false }),
  bzcat: reader('-s', { closed: false }),
  xzcat: reader('-q', { closed: false }),
  zip: { kind: 'plain', does: ['read', 'write'], options: '-NUM -rqvjyDX -x=', operands: { paths: 'write' } },
  unzip: { kind: 'plain', does: ['write'], options: '-lvtpzqnojLC -d=write -x=', operands: { paths: 'read', skip: 0 } },
};
