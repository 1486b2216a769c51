/** Programs that run others, and those that can do anything. */
import { judgeBusybox, judgeCommandBuiltin, judgeEval, judgeFlock, judgeShell, judgeWatch } from '../special/run.ts';
import { judgeXargs } from '../special/xargs.ts';
import type { Opaque, Programs, Special, Wrapper } from '../program.ts';

function interpreter(name: string): Opaque {
  return { kind: 'opaque', why: `${name} runs a program of its own language`, stdin: 'commands' };
}

function client(name: string): Opaque {
  return { kind: 'opaque', why: `${name} has commands of its own`, stdin: 'commands' };
}

function pager(name: string): Opaque {
  return { kind: 'opaque', why: `${name} can start other programs`, stdin: 'commands' };
}

function elsewhere(name: string, skip: number): Wrapper {
  return { kind: 'wrapper', skip, why: `${name} runs a command where other programs may be` };
}

const SHELL: Special = {
  kind: 'special',
  does: '`-c SCRIPT` is read; a file or standard input is unknown',
  judge: judgeShell,
};

function named(names: string, entry: (name: string) => Opaque): Programs {
  return Object.fromEntries(names.split(' ').map((name) => [name, entry(name)]));
}

export const RUNNERS: Programs = {
  sudo: {
    kind: 'wrapper',
    options: '-bEHnPk -u= -g= -T= -p= --user= --group= --non-interactive --preserve-env --set-home --reset-timestamp',
    assigns: true,
  },
  doas: { kind: 'wrapper', options: '-n -u=' },
  nice: { kind: 'wrapper', options: '-NUM -n= --adjustment=' },
  ionice: { kind: 'wrapper', options: '-t -c= -n= --class= --classdata= --ignore' },
  nohup: { kind: 'wrapper' },
  setsid: { kind: 'wrapper', options: '-cfw --ctty --fork --wait' },
  timeout: {
    kind: 'wrapper',
    options: '-fpv -k= -s= --foreground --kill-after= --preserve-status --signal= --verbose',
    skip: 1,
  },
  time: { kind: 'wrapper', options: '-pqv -f= --portability --quiet --verbose --format= -o=write --output=write' },
  taskset: { kind: 'wrapper', options: '-c --cpu-list', skip: 1 },
  chrt: { kind: 'wrapper', options: '-bfior --batch --fifo --idle --other --rr', skip: 1 },
  stdbuf: { kind: 'wrapper', options: '-i= -o= -e= --input= --output= --error=' },
  flock: { kind: 'special', does: 'what it runs does; the lock file is written', judge: judgeFlock },
  watch: { kind: 'special', does: 'what it runs does', judge: judgeWatch },
  xargs: { kind: 'special', does: 'what it runs does, with words from standard input', judge: judgeXargs },
  busybox: { kind: 'special', does: 'what the applet does', judge: judgeBusybox },
  toybox: { kind: 'special', does: 'what the applet does', judge: judgeBusybox },
  sh: SHELL,
  bash: SHELL,
  dash: SHELL,
  ash: SHELL,
  ksh: { ...SHELL, does: '`-c SCRIPT` is read and unknown' },
  mksh: { ...SHELL, does: '`-c SCRIPT` is read and unknown' },
  zsh: { ...SHELL, does: '`-c SCRIPT` is read and unknown' },
  fish: { ...SHELL, does: '`-c SCRIPT` is read and unknown' },
  rbash: { ...SHELL, does: '`-c SCRIPT` is read and unknown' },
  chroot: elsewhere('chroot', 1),
  unshare: elsewhere('unshare', 0),
  nsenter: elsewhere('nsenter', 0),
  command: { kind: 'special', does: 'what it runs does; `-v` reads', judge: judgeCommandBuiltin },
  builtin: { kind: 'wrapper' },
  exec: { kind: 'wrapper', why: 'exec replaces the shell' },
  eval: { kind: 'special', does: 'what its words do, and unknown', judge: judgeEval },
  ...named(
    'su runuser script sudoedit screen tmux parallel strace ltrace gdb setpriv capsh systemd-run start-stop-daemon run-parts unbuffer expect watchexec entr ssh-agent dbus-run-session proot fakeroot firejail bwrap',
    (name) => ({
      kind: 'opaque',
      why: `what ${name} runs is not judged`,
      does: ['execute'],
      stdin: 'commands',
    }),
  ),
  ...named(
    'python python2 python3 perl ruby node nodejs deno bun php lua tclsh wish pypy pypy3 java groovy jshell R Rscript julia ghci irb ipython bc dc csh tcsh pwsh emacs ed ex m4 gcc cc',
    interpreter,
  ),
  ...named('psql mysql mariadb sqlite3 redis-cli mongo mongosh clickhouse-client sqlplus cqlsh influx etcdctl', client),
  ...named('vi vim nvim view nano pico less more most man info pg', pager),
};
