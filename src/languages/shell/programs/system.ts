/** Programs about the machine: processes, services, users, time. */
import { judgeCrontab } from '../special/crontab.ts';
import { judgeIp } from '../special/ip.ts';
import { parseOptions } from '../options.ts';
import type { Call, Plain, Programs } from '../program.ts';

/** Shows something. */
function shows(options = '', more: Partial<Plain> = {}): Plain {
  return { kind: 'plain', does: ['read'], options, closed: true, ...more };
}

/** Changes the machine or other sessions. */
function administers(options = '', more: Partial<Plain> = {}): Plain {
  return { kind: 'plain', does: ['administer'], options, ...more };
}

const SYSTEMCTL =
  '-alqrT -t= -p= -n= -o= --all --full --no-pager --no-legend --plain --type= --state= --property= --value --lines= --output= --quiet --user --system --now --no-block --failed --recursive --show-types --reverse';
const SHOWS_UNIT: Plain = { kind: 'plain', does: ['read'], options: SYSTEMCTL, operands: { kind: 'service' } };
const CHANGES_UNIT: Plain = {
  kind: 'plain',
  does: ['administer'],
  options: `${SYSTEMCTL} --force -f --runtime --wait`,
  operands: { kind: 'service' },
};
const each = (names: string, plain: Plain): Record<string, Plain> =>
  Object.fromEntries(names.split(' ').map((name) => [name, plain]));
const POWER = administers('-fhHPprRkc -t= --force --halt --poweroff --reboot --no-wall');
const USERS = administers(
  '-DmMrNoULSEaq -b= -c= -d= -e= -f= -g= -G= -k= -K= -p= -s= -u= -n= -l= --system --create-home --home= --home-dir= --shell= --groups= --gid= --uid= --comment= --append --login= --lock --unlock --remove --force --expiredate= --password=',
);

export const SYSTEM: Programs = {
  ps: shows(
    '-AaNdedefjlLmHTwVcZFyMx -C= -G= -g= -O= -o= -p= -q= -s= -t= -U= -u= --forest --no-headers --headers --sort= --pid= --ppid= --format= --user= --cols= --width= --rows=',
  ),
  pgrep: shows(
    '-acflnovwxi -d= -F= -g= -G= -P= -s= -t= -u= -U= --list-name --list-full --full --newest --oldest --count --exact --parent= --euid= --uid=',
  ),
  pidof: shows('-scqxz -o='),
  top: { kind: 'special', does: '`-b` reads; without it top has commands of its own', judge: judgeTop },
  free: shows('-bkmghlLtvw -c= -s= --bytes --kibi --mebi --gibi --human --si --lohi --total --wide'),
  uptime: shows('-ps --pretty --since'),
  w: shows('-fhiosu --no-header --short --from'),
  // Of another file they show what is in it.
  who: shows('-abdHlmpqrsTtuw --all --boot --heading --login --count --users', {
    operands: { harmless: /^(?:am|i|I)$/, effect: 'unknown' },
  }),
  users: shows('', { operands: { paths: 'read' } }),
  last: shows('-adFiwxR -NUM -n= -s= -t= -f=read --limit= --since= --until='),
  lastlog: shows('-b= -t= -u='),
  id: shows('-gGnruzZ --group --groups --name --real --user --zero'),
  groups: shows(),
  whoami: shows(),
  logname: shows(),
  tty: shows('-s'),
  nproc: shows('--all --ignore='),
  arch: shows(),
  uname: shows(
    '-asnrvmpio --all --kernel-name --nodename --kernel-release --kernel-version --machine --operating-system',
  ),
  hostname: shows('-aAdfiIsy --all-fqdns --fqdn --long --short --ip-address --all-ip-addresses --domain', {
    operands: { effect: 'administer' },
    closed: false,
  }),
  hostnamectl: {
    kind: 'suite',
    commands: {
      '': shows(),
      status: shows(),
      'set-hostname': administers(),
      hostname: shows('', { operands: { effect: 'administer' } }),
    },
  },
  timedatectl: {
    kind: 'suite',
    commands: {
      '': shows(),
      status: shows(),
      show: shows(),
      'list-timezones': shows(),
      ...each('set-time set-timezone set-local-rtc set-ntp', administers()),
    },
  },
  date: shows(
    '-I[=] -R -u -d= -r=read -f=read --date= --iso-8601[=] --rfc-3339= --rfc-email --universal --utc --reference=read -s=!administer --set=!administer',
    { operands: { harmless: /^\+/, effect: 'administer' }, closed: false },
  ),
  cal: shows('-1 -3 -y -m -NUM'),
  env: {
    kind: 'wrapper',
    options: '-i -0 -u= -v --ignore-environment --null --unset= --debug',
    assigns: true,
    alone: shows(),
  },
  printenv: shows('-0 --null'),
  locale: shows('-akm'),
  getent: shows('-i -s='),
  getconf: shows('-a'),
  dmesg: shows(
    '-dehHkLPrtTuwWxJ -f= -l= -s= --ctime --human --follow --level= --facility= --kernel --time-format= -c!administer,delete -C!administer,delete --clear!administer,delete --read-clear!administer,delete -n=!administer -D!administer -E!administer',
    { closed: false },
  ),
  journalctl: shows(
    '-aefklmqrxN -b[=] -g= -n= -o= -p= -t= -u= -c= -S= -U= -D=read --file=read --all --since= --until= --unit= --user-unit= --identifier= --priority= --grep= --lines[=] --no-tail --output= --output-fields= --reverse --follow --no-pager --boot[=] --dmesg --system --user --utc --catalog --quiet --disk-usage --list-boots --no-hostname --vacuum-size=!administer,delete --vacuum-time=!administer,delete --vacuum-files=!administer,delete --rotate!administer --flush!administer --sync!administer',
    { closed: false },
  ),
  systemctl: {
    kind: 'suite',
    options: SYSTEMCTL,
    commands: {
      '': SHOWS_UNIT,
      ...each(
        'status show cat list-units list-unit-files list-timers list-sockets list-jobs list-dependencies is-active is-enabled is-failed is-system-running get-default show-environment help',
        SHOWS_UNIT,
      ),
      ...each(
        'start stop restart reload try-restart reload-or-restart try-reload-or-restart kill reset-failed enable disable reenable preset mask unmask isolate freeze thaw clean daemon-reload daemon-reexec set-default set-property revert poweroff reboot halt suspend hibernate kexec rescue emergency',
        CHANGES_UNIT,
      ),
    },
  },
  service: { kind: 'special', does: '`status` reads; any other action administers', judge: judgeService },
  loginctl: {
    kind: 'suite',
    options: '--no-pager --no-legend',
    commands: {
      '': shows(),
      ...each(
        'list-sessions list-users session-status user-status show-session show-user',
        shows('-p= --property= --value'),
      ),
      ...each('terminate-session terminate-user kill-session kill-user lock-session', administers()),
    },
  },
  kill: administers(
    '-NUM -lL -s= -n= --signal= --list -HUP: -INT: -QUIT: -KILL: -TERM: -STOP: -CONT: -USR1: -USR2: -SIGHUP: -SIGKILL: -SIGTERM: -SIGINT:',
  ),
  killall: administers(
    '-NUM -eIgilqrvw -s= -u= --exact --quiet --verbose --wait --signal= --user= -HUP: -KILL: -TERM: -INT:',
  ),
  pkill: administers(
    '-NUM -efnovxi -F= -g= -G= -P= -s= -t= -u= -U= --signal= --full --newest --oldest --exact -HUP: -KILL: -TERM: -INT: -USR1: -USR2:',
  ),
  renice: administers('-n= -p -g -u --priority= --pid --user', {}),
  reboot: POWER,
  shutdown: POWER,
  halt: POWER,
  poweroff: POWER,
  init: administers(),
  telinit: administers(),
  useradd: USERS,
  adduser: USERS,
  usermod: USERS,
  userdel: administers('-frZ --force --remove', {}),
  deluser: USERS,
  groupadd: USERS,
  groupmod: USERS,
  groupdel: USERS,
  gpasswd: administers('-a= -d= -A= -M= -r -R'),
  passwd: { ...administers('-adelqSu -n= -x= -w= -i= --delete --lock --unlock --expire --status'), stdin: 'data' },
  chpasswd: { ...administers('-em -c='), stdin: 'data' },
  chage: administers('-l -d= -E= -I= -m= -M= -W='),
  chsh: administers('-s= --shell='),
  visudo: { kind: 'opaque', why: 'visudo starts an editor', does: ['administer'], stdin: 'commands' },
  crontab: { kind: 'special', does: '`-l` reads; otherwise administers; `-r` deletes', judge: judgeCrontab },
  at: { kind: 'opaque', why: 'at runs what it is given later', does: ['execute', 'administer'], stdin: 'commands' },
  batch: {
    kind: 'opaque',
    why: 'batch runs what it is given later',
    does: ['execute', 'administer'],
    stdin: 'commands',
  },
  sysctl: shows(
    '-aAnNebq -w!administer -p!administer --all --values --names --write!administer --system!administer --load!administer',
    { operands: { harmless: /^[\w./-]+$/, effect: 'administer' }, closed: false },
  ),
  modprobe: administers('-rvqnaD --remove --verbose --dry-run', {}),
  insmod: administers(),
  rmmod: administers('-fv'),
  lsmod: shows(),
  modinfo: shows('-0 -F= -k='),
  lscpu: shows('-abceJpsxy --all --json'),
  lspci: shows('-vnkDtq -s= -d= -x'),
  lsusb: shows('-vt -s= -d='),
  lsof: shows('-abClnNoPRtUVw -c= -d= -g= -p= -u= -i[=]', { closed: false }),
  vmstat: shows('-adfmnstwD -p= -S= --active --stats --timestamp'),
  iostat: shows('-cdhkmNptxyz --human'),
  mpstat: shows('-AuVn -P= -I='),
  sar: shows('-AbBdFhHmnpqrRSuvwWyz -P= -s= -e= -f=read', { closed: false }),
  ulimit: shows('-aHScdflmnpstuv', { operands: { max: 1 } }),
  sleep: shows(),
  sync: shows('-df --data --file-system'),
  true: shows(),
  false: shows(),
  swapon: administers('-asv --show --all --summary'),
  swapoff: administers('-av --all'),
  ip: { kind: 'special', does: 'read for `show`, `list`, `get`; otherwise administers', judge: judgeIp },
  ifconfig: shows('-as', { operands: { max: 1 }, closed: false }),
  route: shows('-neFCv', { operands: { effect: 'administer' }, closed: false }),
  arp: shows('-aenv -d=!administer -s=!administer', { closed: false }),
  iptables: { kind: 'opaque', why: 'rules of a firewall are not judged', does: ['administer'] },
  nft: { kind: 'opaque', why: 'rules of a firewall are not judged', does: ['administer'], stdin: 'commands' },
  ufw: { kind: 'opaque', why: 'rules of a firewall are not judged', does: ['administer'] },
};

function judgeService(call: Call): void {
  const [unit, action, ...rest] = call.args;
  if (unit?.literal === '--status-all' && action === undefined) return call.find.program(call.name, ['read']);
  if (
    unit?.literal === undefined ||
    !/^[\w@.:][\w@.:-]*$/.test(unit.literal) ||
    action?.literal === undefined ||
    rest.length > 0
  ) {
    return call.unknown('what service is asked for is not in the table');
  }
  const effect = action.literal === 'status' ? 'read' : 'administer';
  call.find.program(call.name, [effect]);
  call.find.thing('service', unit, effect);
}

const TOP = '-bcHiSs1 -d= -n= -o= -p= -u= -U= -w= -e= -E=';

// With a terminal it kills and renices what it is told to.
function judgeTop(call: Call): void {
  const { seen, strange, open } = parseOptions(call.args, TOP);
  call.find.program(call.name, ['read']);
  if (strange !== undefined || open !== undefined) call.unknown(`option ${strange ?? open} of top is not in the table`);
  else if (!seen.has('-b')) call.unknown('top has commands of its own');
}
