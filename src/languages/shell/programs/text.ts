/** Programs that make text of text. */
import { judgeAwk } from '../special/awk.ts';
import { judgeJq } from '../special/jq.ts';
import { judgeSed } from '../special/sed.ts';
import type { Plain, Programs } from '../program.ts';
import { reader } from './files.ts';

const GREP_OPTIONS =
  '-NUM -EFGPiyvwxcLlqsbHhnTZUzorRaI -e= -f=read -m= -A= -B= -C= -D= -d= --extended-regexp --fixed-strings --basic-regexp --perl-regexp --regexp= --file=read --ignore-case --no-ignore-case --invert-match --word-regexp --line-regexp --count --color[=] --colour[=] --files-without-match --files-with-matches --max-count= --only-matching --quiet --silent --no-messages --byte-offset --with-filename --no-filename --label= --line-number --initial-tab --null --null-data --after-context= --before-context= --context= --text --binary-files= --devices= --directories= --exclude= --exclude-from=read --exclude-dir= --include= --recursive --dereference-recursive --line-buffered --binary';
const GREP: Plain = reader(GREP_OPTIONS, {
  operands: { skip: 1, unless: ['-e', '-f', '--regexp', '--file'], paths: 'read' },
});
const ECHO: Plain = { kind: 'plain', does: ['read'], options: '', anyOption: true, closed: true };

export const TEXT: Programs = {
  grep: GREP,
  egrep: GREP,
  fgrep: GREP,
  zgrep: { ...GREP, closed: false },
  rg: {
    kind: 'plain',
    does: ['read'],
    options:
      '-NUM -FilLnNcsSvwxoqHIPuUz. -e= -f=read -g= -t= -T= -m= -A= -B= -C= -M= --files --hidden --no-ignore --json --type= --glob= --color= --sort=',
    operands: { skip: 1, unless: ['-e', '-f', '--files'], paths: 'read' },
    stdin: 'operands',
  },
  wc: reader('-clmLw --bytes --chars --lines --max-line-length --words --total='),
  cut: reader(
    '-nsz -b= -c= -d= -f= --bytes= --characters= --complement --delimiter= --fields= --only-delimited --output-delimiter= --zero-terminated',
  ),
  sort: reader(
    '-bcCdfghiMmnrRsuVz -k= -t= -S= -T=write -o=write --ignore-leading-blanks --check[=] --dictionary-order --ignore-case --general-numeric-sort --human-numeric-sort --month-sort --merge --numeric-sort --reverse --random-sort --stable --unique --version-sort --key= --field-separator= --buffer-size= --parallel= --output=write --sort= --temporary-directory=write --zero-terminated --debug',
    { closed: false },
  ),
  uniq: reader(
    '-cdDiuz -f= -s= -w= --count --repeated --all-repeated[=] --skip-fields= --ignore-case --skip-chars= --unique --zero-terminated --check-chars= --group[=]',
    { operands: { paths: 'read', last: 'write', max: 2 }, closed: false },
  ),
  tr: {
    kind: 'plain',
    does: ['read'],
    options: '-cCdst --complement --delete --squeeze-repeats --truncate-set1',
    stdin: 'data',
    closed: true,
  },
  comm: reader('-123z --check-order --nocheck-order --output-delimiter= --total --zero-terminated'),
  join: reader('-i -a= -e= -j= -o= -t= -v= -1= -2= --header --ignore-case --check-order --nocheck-order'),
  paste: reader('-sz -d= --delimiters= --serial --zero-terminated'),
  nl: reader('-p -b= -d= -f= -h= -i= -l= -n= -s= -v= -w='),
  fold: reader('-bs -w= --bytes --spaces --width='),
  fmt: reader('-cstu -w= -g= -p= --width='),
  rev: reader(''),
  column: reader('-txenJ -c= -s= -o= -N= -R= --table --separator= --output-separator= --json'),
  expand: reader('-i -t= --initial --tabs='),
  unexpand: reader('-a -t= --all --first-only --tabs='),
  base64: reader('-diD -w= --decode --ignore-garbage --wrap='),
  base32: reader('-di -w= --decode --ignore-garbage --wrap='),
  od: reader(
    '-abcdfhilosvx -A= -j= -N= -S= -t= -w[=] --address-radix= --skip-bytes= --read-bytes= --format= --output-duplicates --width[=]',
  ),
  xxd: reader('-abeEiprRu -c= -g= -l= -o= -s= -n=', {
    operands: { paths: 'read', last: 'write', max: 2 },
    closed: false,
  }),
  hexdump: reader('-bcCdovx -e= -f=read -n= -s= --canonical --length= --skip= --no-squeezing'),
  strings: reader('-afw -n= -t= -e= -o -NUM --all --bytes= --radix= --encoding=', { closed: false }),
  iconv: {
    kind: 'plain',
    does: ['read'],
    options: '-clsv -f= -t= -o=write --from-code= --to-code= --output=write --list',
    operands: { paths: 'read' },
    stdin: 'operands',
  },
  jq: { kind: 'special', does: 'read; `import` and `include` are unknown', judge: judgeJq },
  sed: {
    kind: 'special',
    does: 'read, for scripts of print, delete, quit and substitute; `-i` writes; `w`, `e`, `r` are unknown',
    judge: judgeSed,
  },
  awk: { kind: 'special', does: 'read, for `{print $N, …}`; any other script is unknown', judge: judgeAwk },
  gawk: { kind: 'special', does: 'as awk', judge: judgeAwk },
  mawk: { kind: 'special', does: 'as awk', judge: judgeAwk },
  echo: ECHO,
  printf: { kind: 'plain', does: ['read'], options: '', stop: true },
  seq: { kind: 'plain', does: ['read'], options: '-NUM -w -f= -s= --equal-width --format= --separator=', closed: true },
  yes: ECHO,
  basename: { kind: 'plain', does: ['read'], options: '-az -s= --multiple --suffix= --zero', closed: true },
  dirname: { kind: 'plain', does: ['read'], options: '-z --zero', closed: true },
  expr: ECHO,
};
