/** Packages, containers, versions, builds: programs with sub-commands. */
import type { Effect } from '../../../domain/command.ts';
import type { Operands, Plain, Program, Programs } from '../program.ts';

function does(effects: readonly Effect[], options = '', more: Partial<Plain> = {}): Plain {
  return { kind: 'plain', does: effects, options, ...more };
}

function each(names: string, plain: Plain): Record<string, Plain> {
  return Object.fromEntries(names.split(', ').map((name) => [name, plain]));
}

const PACKAGE: Operands = { kind: 'package' };
// Packages bring scripts that run as root.
const INSTALL: readonly Effect[] = ['administer', 'execute'];
const APT =
  '-y -q -s -u -V -f -m -d -t= --yes --quiet[=] --assume-yes --no-install-recommends --reinstall --dry-run --simulate --only-upgrade --purge --installed --upgradable -a --all-versions --names-only --autoremove';
const APT_COMMANDS = {
  ...each(
    'list, show, search, policy, depends, rdepends, madison, showpkg, pkgnames, stats, changelog',
    does(['read'], APT, { operands: PACKAGE }),
  ),
  ...each(
    'install, upgrade, full-upgrade, dist-upgrade, reinstall, build-dep, update',
    // `install NAME-` removes it.
    does(INSTALL, APT, { operands: { ...PACKAGE, harmless: /[^-]$/, effect: 'delete' } }),
  ),
  ...each('remove, purge, autoremove, autopurge', does([...INSTALL, 'delete'], APT, { operands: PACKAGE })),
  ...each('clean, autoclean', does(['administer'], APT)),
  ...each('hold, unhold, auto, manual', does(['administer'], APT, { operands: PACKAGE })),
  ...each('showhold, showauto, showmanual', does(['read'], APT)),
};
const YUM = '-y -q -v -C --quiet --assumeyes --assumeno --installed --available --all --enablerepo= --disablerepo=';
const YUM_COMMANDS = {
  ...each(
    'list, info, search, provides, repolist, check-update, deplist, repoquery',
    does(['read'], YUM, { operands: PACKAGE }),
  ),
  // `history undo` installs and removes.
  history: does(['read'], YUM, { operands: { harmless: /^(?:list|info|\d+)$/, effect: 'unknown' } }),
  ...each(
    'install, update, upgrade, reinstall, downgrade, localinstall, groupinstall',
    does(INSTALL, YUM, { operands: PACKAGE }),
  ),
  ...each('remove, erase, autoremove', does([...INSTALL, 'delete'], YUM, { operands: PACKAGE })),
  ...each('clean, makecache', does(['administer'], YUM)),
};
const APT_PROGRAM: Program = { kind: 'suite', options: '-y -q -s --yes --quiet[=]', commands: APT_COMMANDS };
const YUM_PROGRAM: Program = { kind: 'suite', options: YUM, commands: YUM_COMMANDS };
const PIP: Program = {
  kind: 'suite',
  options: '-q -v --quiet --verbose --no-input --disable-pip-version-check',
  commands: {
    ...each(
      'list, show, freeze, check',
      does(['read'], '-o -u -l -f -v --outdated --uptodate --local --user --format= --files --all'),
    ),
    install: does(
      ['write', 'execute', 'transfer'],
      '-U -q -v -r=read --upgrade --user --requirement=read --no-deps --quiet',
      { operands: PACKAGE },
    ),
    uninstall: does(['delete'], '-y -q -r=read --yes', { operands: PACKAGE }),
  },
};
const NPM: Program = {
  kind: 'suite',
  options: '-s --silent',
  commands: {
    ...each('list, ls, outdated', does(['read'], '-g -a --all --global --json --depth= --long')),
    // `version patch` writes and runs scripts, and so does `audit fix`.
    version: does(['read'], '--json', { operands: { max: 0 } }),
    ...each('view, show, info, search', does(['read', 'transfer'], '--json')),
    audit: does(['read', 'transfer'], '--json', { operands: { max: 0 } }),
    ...each(
      'install, i, ci, add, update',
      does(
        ['write', 'execute', 'transfer'],
        '-g -D -E --global --save --save-dev --save-exact --no-save --omit= --production',
        { operands: PACKAGE },
      ),
    ),
    ...each('uninstall, remove, rm', does(['delete', 'execute'], '-g --global', { operands: PACKAGE })),
    ...each('run, run-script', does(['execute'], '-s --silent --if-present', { operands: { kind: 'script', max: 1 } })),
    ...each('test, start, stop, restart', does(['execute'], '-s --silent', { operands: { max: 0 } })),
  },
};
const CONTAINER: Operands = { kind: 'container' };
const DOCKER: Program = {
  kind: 'suite',
  commands: {
    ...each(
      'ps, images, info, version, stats, search',
      does(
        ['read'],
        '-a -q -l -s -n= -f= --all --quiet --no-trunc --size --filter= --format= --digests --no-stream --last=',
      ),
    ),
    ...each(
      'logs, inspect, top, port, diff, history',
      does(
        ['read'],
        '-f -t -n= -s --follow --timestamps --tail= --since= --until= --details --format= --size --type= --no-trunc',
        { operands: CONTAINER },
      ),
    ),
    ...each(
      'image ls, container ls, volume ls, network ls, volume inspect, network inspect, image inspect, container inspect, container logs, system df, system info',
      does(['read'], '-a -q -f= --all --quiet --filter= --format= --no-trunc -v'),
    ),
    ...each('compose ps, compose ls, compose images, compose top', does(['read'], '-a -q --all --format=')),
    'compose logs': does(['read'], '-f -t -n= --follow --tail= --since= --timestamps --no-color --no-log-prefix'),
    ...each(
      'start, stop, restart, kill, pause, unpause, wait, rename, update, container start, container stop, container restart',
      does(['administer'], '-t= -s= --time= --signal=', { operands: CONTAINER }),
    ),
    ...each(
      'rm, rmi, container rm, image rm, volume rm, network rm',
      does(['administer', 'delete'], '-f -v -l --force --volumes --link --no-prune', { operands: CONTAINER }),
    ),
    ...each(
      'system prune, image prune, container prune, volume prune, network prune, builder prune',
      does(['administer', 'delete'], '-a -f --all --force --volumes --filter='),
    ),
    ...each(
      'pull, push',
      does(['transfer', 'write'], '-q -a --quiet --all-tags --platform=', { operands: { kind: 'image' } }),
    ),
  },
};
const KUBE =
  '-A -n= -o= -l= -L= -w -c= -f -p --namespace= --all-namespaces --output= --selector= --watch --container= --all-containers --tail= --since= --since-time= --timestamps --previous --follow --sort-by= --show-labels --no-headers --field-selector= --context= --cluster= --limit-bytes= --prefix --max-log-requests=';
const KUBE_NO_FILE = KUBE.replace('-f -p ', '');
const KUBE_READS = does(['read'], KUBE_NO_FILE, { operands: { kind: 'object' } });
const KUBECTL: Program = {
  kind: 'suite',
  options: '-n= --namespace= --context= --cluster= -A --all-namespaces',
  commands: {
    ...each(
      'get, describe, top, version, api-resources, api-versions, explain, cluster-info, events, auth can-i, config current-context, config get-contexts, rollout status, rollout history, top pod, top pods, top node, top nodes',
      KUBE_READS,
    ),
    logs: does(['read'], KUBE, { operands: { kind: 'object' } }),
    delete: does(
      ['delete', 'administer'],
      `${KUBE_NO_FILE} --force --grace-period= --now --wait[=] --all --ignore-not-found`,
      { operands: { kind: 'object' } },
    ),
    ...each(
      'scale, rollout restart, rollout undo, rollout pause, rollout resume, cordon, uncordon, drain, taint, label, annotate, autoscale',
      does(
        ['administer'],
        `${KUBE_NO_FILE} --replicas= --current-replicas= --to-revision= --overwrite --force --ignore-daemonsets --delete-emptydir-data --grace-period= --timeout= --all --min= --max= --cpu-percent=`,
        { operands: { kind: 'object' } },
      ),
    ),
  },
};
const GIT_SHOW =
  '-NUM -p -s -u -U= -z -n= -b -w -a -i -E -F -M[=] -C[=] -q -v -r -t -l -c -S= -G= -L= --oneline --graph --all --stat[=] --shortstat --numstat --name-only --name-status --summary --patch --no-patch --raw --pretty[=] --format= --abbrev-commit --abbrev[=] --no-color --color[=] --decorate[=] --date= --since= --until= --after= --before= --author= --committer= --grep= --max-count= --skip= --merges --no-merges --first-parent --reverse --follow --cached --staged --word-diff[=] --ignore-all-space --ignore-space-change --minimal --porcelain[=] --short --branch --untracked-files[=] --ignored[=] --long --show-current --list --remotes --contains[=] --merged[=] --no-merged[=] --sort= --points-at= --verify --show-toplevel --abbrev-ref --is-inside-work-tree --symbolic-full-name --count --tags --always --dirty[=] --exact-match --others --modified --deleted --stage --full-name --name-status --topo-order --date-order --no-ext-diff --no-textconv --no-renames --find-renames[=] --exit-code --quiet';
const LOOKS = does(['read'], GIT_SHOW);
// What git runs on the other machine, over ssh.
const SERVES = does(['read'], '--strict --stateless-rpc --timeout=', {
  operands: { paths: 'read', max: 1 },
  stdin: 'data',
});
const RECEIVES = does(['write'], '--stateless-rpc', { operands: { paths: 'write', max: 1 }, stdin: 'data' });
const REMOTE: Partial<Plain> = { operands: { kind: 'remote', harmless: /^(?!.*::)/, effect: 'unknown' } };
const GIT: Program = {
  kind: 'suite',
  options: '-P -C=read --no-pager --no-optional-locks --literal-pathspecs --version',
  commands: {
    ...each(
      'status, log, show, rev-parse, rev-list, describe, ls-files, ls-tree, blame, annotate, shortlog, reflog show, cat-file, name-rev, merge-base, for-each-ref, whatchanged, diff-tree, count-objects, show-ref, remote get-url, stash list, stash show, worktree list, version, config --list',
      LOOKS,
    ),
    // Of two files it shows what differs, wherever they are.
    diff: does(['read'], GIT_SHOW, {
      operands: { harmless: /^(?![/~])(?!(?:.*\/)?\.\.(?:\/|$))/, effect: 'unknown' },
    }),
    ...each('remote, reflog', does(['read'], GIT_SHOW, { operands: { max: 0 } })),
    branch: does(
      ['read'],
      `${GIT_SHOW} -d!delete -D!delete -m!write -f!write --delete!delete --move!write --force!write`,
      { operands: { effect: 'write' } },
    ),
    tag: does(['read'], `${GIT_SHOW.replace('-l ', '-l[=] ').replace('-F ', '')} -d!delete --delete!delete`, {
      operands: { effect: 'write' },
    }),
    grep: does(
      ['read'],
      '-i -v -w -n -l -L -c -E -F -P -e= -A= -B= -C= --count --cached --untracked --no-color --heading --break',
      {},
    ),
    ...each(
      'add, mv, init',
      does(['write'], '-A -u -v -n -f -q --all --update --verbose --dry-run --force --bare --quiet --initial-branch=', {
        operands: { paths: 'write' },
      }),
    ),
    rm: does(['write', 'delete'], '-f -n -r -q --cached --force --dry-run --quiet', { operands: { paths: 'delete' } }),
    clean: does(['delete'], '-d -f -n -x -X -q -e= --force --dry-run --quiet', { operands: { paths: 'delete' } }),
    ...each(
      'fetch, push',
      does(
        ['transfer', 'write'],
        '-q -v -f!delete -n -u -p!delete -a -t --quiet --verbose --force!delete --force-with-lease[=]!delete --all --tags --prune!delete --delete!delete --dry-run --depth= --mirror!delete --set-upstream --no-tags --progress',
        // `ext::` runs a command; `:x` removes a branch, `+x` overwrites one.
        { operands: { kind: 'remote', harmless: /^(?!.*::)(?![:+])/, effect: 'unknown' } },
      ),
    ),
    // Not -u, by which they are told the program to run at the other end.
    clone: does(
      ['transfer', 'write'],
      '-q -v -n -b= --quiet --verbose --depth= --branch= --single-branch --bare --mirror --no-tags --progress --no-checkout',
      REMOTE,
    ),
    'ls-remote': does(['transfer', 'write'], '-q -t --quiet --tags --heads', REMOTE),
    'upload-pack': SERVES,
    'upload-archive': SERVES,
    'receive-pack': RECEIVES,
  },
};

export const PACKAGES: Programs = {
  apt: APT_PROGRAM,
  'apt-get': APT_PROGRAM,
  'apt-cache': APT_PROGRAM,
  'apt-mark': APT_PROGRAM,
  dpkg: does(
    ['read'],
    '-l -L -s -S -p -C --list --listfiles --status --search --verify --get-selections --print-architecture -i!administer,execute -r!administer,execute,delete -P!administer,execute,delete --install!administer,execute --remove!administer,execute,delete --purge!administer,execute,delete --configure!administer,execute --set-selections!administer',
  ),
  'dpkg-query': does(['read'], '-l -L -s -S -W -f= -p --list --listfiles --status --search --show --showformat='),
  yum: YUM_PROGRAM,
  dnf: YUM_PROGRAM,
  rpm: does(
    ['read'],
    '-q -a -l -f -c -d -p -R -V -v -h --query --all --list --file --package --requires --verify --qf= --queryformat= -i!administer,execute -U!administer,execute -F!administer,execute -e!administer,execute,delete --install!administer,execute --upgrade!administer,execute --erase!administer,execute,delete --nodeps --force --test',
  ),
  pip: PIP,
  pip3: PIP,
  npm: NPM,
  docker: DOCKER,
  podman: DOCKER,
  kubectl: KUBECTL,
  git: GIT,
  'git-upload-pack': SERVES,
  'git-upload-archive': SERVES,
  'git-receive-pack': RECEIVES,
  make: does(
    ['execute'],
    '-NUM -C=read -B -i -k -n -q -s -j[=] -l[=] --dry-run --jobs[=] --keep-going --silent --always-make',
    { operands: { kind: 'goal', harmless: /^[\w./-]+$/, effect: 'unknown' } },
  ),
  'ansible-playbook': { kind: 'opaque', why: 'what a playbook does is not judged', does: ['execute'] },
  ansible: { kind: 'opaque', why: 'what ansible does is not judged', does: ['execute'] },
  terraform: { kind: 'opaque', why: 'what terraform does is not judged', does: ['execute'] },
  helm: { kind: 'opaque', why: 'what helm does is not judged', does: ['execute'] },
};
