import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readShell } from '../../../src/languages/shell/index.ts';

describe('what operators type every day', () => {
  const rows: readonly (readonly [text: string, effects: string, touched?: string])[] = [
    ['uptime', 'read'],
    ['ls -la /var/log', 'read', '/var/log read'],
    ['ls *.log', 'read', './*.log read'],
    ['ls "$HOME"', 'read', '$HOME read'],
    ['cat ~/x', 'read', '~/x read'],
    ['cat /etc/hosts | grep -i local | wc -l', 'read', '/etc/hosts read'],
    ['tail -n 50 -f /var/log/syslog', 'read', '/var/log/syslog read'],
    ['head -20 x', 'read', './x read'],
    ["grep -rn 'a b' /etc", 'read', '/etc read'],
    ['grep -e a -e b /x', 'read', '/x read'],
    ['grep -P "\\d" /x', 'read', '/x read'],
    ['sort -o /x /y', 'read write', '/x write'],
    ['sort -o/x /y', 'read write', '/x write'],
    ['sort --output=/x /y', 'read write', '/x write'],
    ['uniq /x /y', 'read write', '/y write'],
    ["sed -n '1,5p;$p' /x", 'read', '/x read'],
    ["sed 's/a/b/g; /^#/d' /x", 'read', '/x read'],
    ["sed -i.bak -e 's|a|b|' /x", 'read write', '/x write'],
    ["awk '{print $1, $NF}' /x", 'read', '/x read'],
    ["awk -F: '$3 == 0 {print $1}' /etc/passwd", 'read', '/etc/passwd read'],
    ['df -h', 'read'],
    ['du -sh /var', 'read', '/var read'],
    ['ps aux', 'read'],
    ['ps -eo pid,comm --sort=-rss', 'read'],
    ['free -m', 'read'],
    ['top -b -n 1', 'read'],
    ['ss -tlnp', 'read'],
    ['ip -br addr show', 'read'],
    ['ip route', 'read'],
    ['ip link set eth0 down', 'administer'],
    ['date +%s', 'read'],
    ['date -s tomorrow', 'read administer'],
    ['date 010203042026', 'read administer'],
    ['hostname', 'read'],
    ['hostname web-2', 'read administer'],
    ['dmesg -T', 'read'],
    ['dmesg -C', 'read administer delete'],
    ['journalctl -u nginx -n 100 --no-pager', 'read'],
    ['journalctl --vacuum-size=1M', 'read administer delete'],
    ['systemctl status nginx', 'read', 'nginx read'],
    ['sudo systemctl restart nginx', 'administer', 'nginx administer'],
    ['systemctl poweroff', 'administer'],
    ['service nginx status', 'read', 'nginx read'],
    ['service nginx restart', 'administer', 'nginx administer'],
    ['kill -9 17', 'administer'],
    ['kill -HUP 1', 'administer'],
    ['reboot', 'administer'],
    ['shutdown -h now', 'administer'],
    ['useradd -m bob', 'administer'],
    ['chmod -R u+x /x', 'administer', '/x administer'],
    ['chmod -x /x', 'administer'],
    ['chown root:root /x', 'administer', '/x administer'],
    ['crontab -l', 'read'],
    ['crontab -r', 'administer delete'],
    ['touch /x', 'write', '/x write'],
    ['mkdir -p /x/y', 'write', '/x/y write'],
    ['cp -a /x /y', 'read write', '/y write'],
    ['cp -t /y /x', 'read write', '/y write'],
    ['mv /x /y', 'write', '/y write'],
    ['ln -s /x /y', 'write', '/y write'],
    ['rm *', 'delete', './* delete'],
    ['rm -- $X', 'delete', '$X delete'],
    ['rm -rf relative', 'delete', './relative delete'],
    ['rm -rf ../up', 'delete', '../up delete'],
    ['truncate -s 0 /x', 'delete', '/x delete'],
    ['shred -u /x', 'delete', '/x delete'],
    ['mkfs.ext4 /dev/sdb', 'delete administer', '/dev/sdb delete'],
    ['dd if=/dev/zero of=/dev/sda bs=1M', 'read write administer', '/dev/sda administer'],
    ['echo x > /y', 'read write', '/y write'],
    ['echo x >> y', 'read write', './y write'],
    ['echo x | tee -a /y', 'read write', '/y write'],
    ['echo 1 > /proc/sys/vm/drop_caches', 'read write administer', '/proc/sys/vm/drop_caches administer'],
    ['ls > /dev/null 2>&1', 'read'],
    ['cat < /x', 'read', '/x read'],
    ['cat <<E\n$HOME\nE', 'read'],
    ["cat <<'E'\n$(rm x)\nE", 'read'],
    ['LC_ALL=C TZ=UTC ls', 'read'],
    ['export LANG=C; ls', 'read'],
    ['set -euo pipefail; ls', 'read'],
    ['[ -f /x ] && cat /x', 'read', '/x read'],
    ['test "$a" = b', 'read'],
    ['for f in /a /b; do cat "$f"; done', 'read'],
    ['while read -r line; do echo "$line"; done < /x', 'read', '/x read'],
    ['cd /x && ls', 'read'],
    ['find /x -name "*.log" -mtime +7 -print', 'read', '/x read'],
    ['find /x -fprint /y', 'read write', '/y write'],
    ['find /x | xargs rm', 'read delete'],
    ['find /x -print0 | xargs -0 -r rm -f', 'read delete'],
    ['ls | xargs -I{} rm /tmp/{}', 'read delete', '/tmp/{} delete'],
    ['tar tzf /x', 'read', '/x read'],
    ['tar czf /x /y', 'read write', '/x write'],
    ['tar -xzf /x -C /y', 'read write', '/y write'],
    ['tar xfC /x /y', 'read write', '/y write'],
    ['gzip /x', 'write', '/x write'],
    ['md5sum /x', 'read', '/x read'],
    ['curl -sS https://x', 'transfer'],
    ['curl -o /x https://y', 'transfer write', '/x write'],
    ['curl -T /x https://y', 'transfer read', '/x read'],
    ['curl file:///etc/passwd', 'transfer read'],
    ['curl -d @/etc/passwd https://x', 'transfer read'],
    ['dpkg -l', 'read'],
    ['rpm -qa', 'read'],
    ['printf "%s\\n" "$X"', 'read'],
    ['wget -q https://x', 'transfer write'],
    ['ping -c 1 host', 'read transfer'],
    ['git -C /srv status --short', 'read', '/srv read'],
    ['git log --oneline -5', 'read'],
    ['git branch', 'read'],
    ['git branch new', 'read write'],
    ['git branch -D old', 'read write delete'],
    ['git pull', 'unknown'],
    ['git fetch origin', 'transfer write', 'origin transfer'],
    ["git-upload-pack '/srv/x.git'", 'read', '/srv/x.git read'],
    ["git-receive-pack '/srv/x.git'", 'write', '/srv/x.git write'],
    ['docker ps -a', 'read'],
    ['docker logs --tail 5 web', 'read', 'web read'],
    ['docker restart web', 'administer', 'web administer'],
    ['docker rm -f web', 'administer delete', 'web delete'],
    ['kubectl get pods -n x -o wide', 'read', 'pods read'],
    ['kubectl delete pod x', 'delete administer', 'x delete'],
    ['apt list --installed', 'read'],
    ['apt-get install -y nginx', 'administer execute', 'nginx execute'],
    ['npm run build', 'execute', 'build execute'],
    ['make all', 'execute', 'all execute'],
    ['command -v git', 'read'],
    ['env', 'read'],
    ['printenv HOME', 'read'],
    ['timeout 5 ls', 'read'],
    ['echo $((1 + 2)) ${x:-y} ${#x} $?', 'read'],
  ];
  for (const [text, effects, touched] of rows) {
    test(text, () => {
      const reading = readShell(text);
      assert.deepEqual([...reading.effects].sort(), effects.split(' ').sort());
      if (touched) {
        const all = reading.resources.map(({ name, access }) => `${name} ${access}`);
        assert.ok(all.includes(touched), `${touched} is among ${all.join(', ')}`);
      }
    });
  }
});

test('each effect has a resource that it is on', () => {
  for (const text of [
    'sort -o /x /y',
    'cd / && sudo rm x',
    'f() { ls; }',
    'dd of=/dev/sda',
    'find / -delete',
    'nosuch',
  ]) {
    const { effects, resources } = readShell(text);
    for (const effect of effects)
      assert.ok(
        resources.some(({ access }) => access === effect),
        `${effect} in ${text}`,
      );
  }
});

test('programs are named through their wrappers, and the wrappers apart', () => {
  const { programs, through } = readShell("sudo env nice sh -c 'ls | xargs rm'");
  assert.deepEqual(programs, ['ls', 'rm']);
  assert.deepEqual(through, ['sudo', 'env', 'nice', 'sh', 'xargs']);
});

test('a program outside the usual folders is named by its path too', () => {
  assert.deepEqual(readShell('/tmp/rm x').programs, ['/tmp/rm', 'rm']);
  assert.deepEqual(readShell('/usr/local/bin/git log').programs, ['git']);
});

describe('paths', () => {
  test('are told where they are absolute and literal', () => {
    assert.deepEqual(readShell('cp /a//b/./c /d/').paths, ['/a/b/c', '/d']);
  });
  for (const text of [
    'ls x',
    'ls /a/*',
    'ls $X',
    'ls ~',
    'ls /a/../b',
    'cd /a; ls /b',
    'find /a -exec rm {} +',
    'nosuch /a',
  ]) {
    test(`cannot be told of ${text}`, () => assert.equal(readShell(text).paths, null));
  }
});

describe('standard input', () => {
  const rows: readonly (readonly [text: string, use: string])[] = [
    ['ls', 'none'],
    ['cat', 'data'],
    ['cat /x', 'none'],
    ['cat -', 'data'],
    ['cat $X', 'data'],
    ['cat < /x', 'none'],
    ['cat <<E\nx\nE', 'none'],
    ['grep x', 'data'],
    ['grep x /y', 'none'],
    ['tee /x', 'data'],
    ['ls | cat', 'none'],
    ['cat | ls', 'data'],
    ['ls; cat', 'data'],
    ['echo $(cat)', 'data'],
    ['sh', 'commands'],
    ["sh -c 'cat'", 'data'],
    ['psql', 'commands'],
    ['sudo psql', 'commands'],
    ['echo x | sh', 'none'],
    ['xargs rm', 'commands'],
    ['dd of=/x', 'data'],
    ['tar xf - -C /x', 'data'],
    ['while read x; do ls; done', 'data'],
    ['scp -t /x', 'data'],
  ];
  for (const [text, use] of rows)
    test(`${JSON.stringify(text)}: ${use}`, () => assert.equal(readShell(text).stdin, use));

  test('that stays closed gives xargs no words', () => {
    assert.ok(readShell('xargs rm').effects.has('unknown'));
    assert.ok(!readShell('xargs rm', { stdin: false }).effects.has('unknown'));
    assert.ok(readShell('sh', { stdin: false }).effects.has('unknown'));
  });
});

describe('the server end of a copy', () => {
  test('scp writes to the target', () => {
    const { transfer, effects } = readShell('scp -r -p -t /x');
    assert.deepEqual(transfer, {
      program: 'scp',
      direction: 'toTarget',
      paths: ['/x'],
      recursive: true,
      deletes: false,
    });
    assert.deepEqual([...effects], ['transfer', 'write']);
  });
  test('scp reads from it', () => {
    const { transfer, effects } = readShell('scp -f -- /x /y');
    assert.deepEqual(transfer?.direction, 'fromTarget');
    assert.deepEqual(transfer?.paths, ['/x', '/y']);
    assert.deepEqual([...effects], ['transfer', 'read']);
  });
  test('rsync sends', () => {
    const { transfer, effects } = readShell('rsync --server --sender -vlogDtpre.iLsfxCIvu . /x');
    assert.deepEqual(transfer, {
      program: 'rsync',
      direction: 'fromTarget',
      paths: ['/x'],
      recursive: true,
      deletes: false,
    });
    assert.deepEqual([...effects], ['transfer', 'read']);
  });
  test('rsync receives and deletes', () => {
    const { transfer, effects } = readShell('rsync --server -logDtpre.iLsfxCIvu --delete . /x');
    assert.deepEqual(transfer, {
      program: 'rsync',
      direction: 'toTarget',
      paths: ['/x'],
      recursive: true,
      deletes: true,
    });
    assert.deepEqual([...effects].sort(), ['delete', 'transfer', 'write']);
  });
  for (const text of [
    'scp -t',
    'scp -t -f /x',
    'scp -S sh -t /x',
    'scp -t $X',
    'scp -t /x; scp -t /y',
    'scp -t /x | ls',
    'rsync --server . ',
    'rsync --server -s . /x',
    'rsync --server x /y',
    'rsync /a /b',
  ]) {
    test(`there is none in ${text}`, () => assert.equal(readShell(text).transfer, undefined));
  }
});
