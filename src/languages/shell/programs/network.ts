/** Programs that talk to other machines: what they carry leaves or enters by another road than the reply. */
import { judgeScp } from '../special/scp.ts';
import { judgeRsync } from '../special/rsync.ts';
import type { Plain, Programs } from '../program.ts';

function asks(options = '', more: Partial<Plain> = {}): Plain {
  return { kind: 'plain', does: ['read'], options, ...more };
}

// A name that is looked up goes out to whoever answers for it.
const LOOKS_UP: Plain = {
  kind: 'plain',
  does: ['read', 'transfer'],
  options: '-46aACdilmnrsTvVw -c= -N= -R= -t= -W= -p= -x= -q=',
};

export const NETWORK: Programs = {
  ss: asks(
    '-46abeEHilmMnNoOpPrsStTuUwxZ -f= -A= -F=read --all --listening --processes --numeric --tcp --udp --unix --summary',
    {},
  ),
  netstat: asks(
    '-46aceFgilnoprstuvWwx --all --listening --numeric --program --tcp --udp --route --statistics --interfaces',
    { closed: true },
  ),
  ping: { kind: 'plain', does: ['read', 'transfer'], options: '-46ABDnqRUvVaO -c= -i= -I= -l= -s= -t= -w= -W=' },
  traceroute: { kind: 'plain', does: ['read', 'transfer'], options: '-46nITU -f= -m= -p= -q= -w=' },
  host: LOOKS_UP,
  nslookup: {
    kind: 'plain',
    does: ['read', 'transfer'],
    options: '-type: -debug:',
    operands: { max: 2 },
    stdin: 'commands',
  },
  dig: { kind: 'plain', does: ['read', 'transfer'], options: '-46mru -b= -c= -k=read -p= -q= -t= -x= -f=read' },
  curl: {
    kind: 'plain',
    does: ['transfer'],
    options:
      '-046aBfgGiIjklLnNpRsSvZ# -A= -b=read -c=write -C= -d=!read -D=write -e= -E=read -F=!read -H=!read -m= -o=write -O!write -P= -r= -t= -T=read -u= -U= -w=!read -x= -X= -y= -Y= -z= --fail --fail-with-body --silent --show-error --location --include --head --insecure --verbose --compressed --data=!read --data-raw= --data-binary=!read --data-urlencode=!read --json=!read --form=!read --header=!read --request= --user= --user-agent= --output=write --output-dir=write --remote-name!write --remote-header-name --create-dirs!write --upload-file=read --cacert=read --cert=read --key=read --max-time= --connect-timeout= --retry= --retry-delay= --retry-all-errors --proxy= --noproxy= --resolve= --url=!read --http1.1 --http2 --ipv4 --ipv6 --get --globoff --write-out=!read --dump-header=write --cookie=read --cookie-jar=write --limit-rate= --range= --no-progress-meter --progress-bar --tlsv1.2 --tlsv1.3 --max-redirs= --referer=',
    // file:///etc/passwd is an address too, and a value with an @ is a file.
    operands: { harmless: /^https?:\/\//, effect: 'read' },
    stdin: 'data',
  },
  wget: {
    kind: 'plain',
    does: ['transfer', 'write'],
    options:
      '-46bcdEFHkKLmnNpqrSvxq -a=write -A= -D= -i=read -I= -l= -o=write -O=write -P=write -Q= -R= -t= -T= -U= -w= --quiet --no-verbose --output-document=write --output-file=write --directory-prefix=write --continue --timestamping --no-check-certificate --spider --tries= --timeout= --header= --user= --password= --user-agent= --post-data= --post-file=read --method= --body-data= --body-file=read --recursive --level= --no-parent --server-response --max-redirect= --show-progress',
    stdin: 'data',
  },
  nc: { kind: 'opaque', why: 'what nc connects is not judged', does: ['transfer'] },
  ncat: { kind: 'opaque', why: 'what ncat connects is not judged', does: ['transfer'] },
  netcat: { kind: 'opaque', why: 'what netcat connects is not judged', does: ['transfer'] },
  socat: { kind: 'opaque', why: 'what socat connects is not judged', does: ['transfer', 'execute'] },
  telnet: {
    kind: 'opaque',
    why: 'what is done on another machine is not judged',
    does: ['transfer'],
    stdin: 'commands',
  },
  ssh: { kind: 'opaque', why: 'what ssh does on another machine is not judged', does: ['transfer'], stdin: 'commands' },
  sftp: { kind: 'opaque', why: 'what sftp does is not judged', does: ['transfer'], stdin: 'commands' },
  ftp: { kind: 'opaque', why: 'what ftp does is not judged', does: ['transfer'], stdin: 'commands' },
  mail: { kind: 'opaque', why: 'mail has commands of its own', does: ['transfer'], stdin: 'commands' },
  sendmail: { kind: 'opaque', why: 'sendmail sends what it is given', does: ['transfer'] },
  'sftp-server': {
    kind: 'opaque',
    why: 'the files it is asked for are not judged here',
    does: ['transfer'],
    stdin: 'commands',
  },
  scp: {
    kind: 'special',
    does: '`-t` writes, `-f` reads, both transfer; as a client transfer and unknown',
    judge: judgeScp,
  },
  rsync: {
    kind: 'special',
    does: '`--server` writes, `--server --sender` reads, both transfer; `--delete` deletes; as a client by its operands',
    judge: judgeRsync,
  },
};
