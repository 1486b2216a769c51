/**
 * What `hoopctl completion SHELL` prints: a function that hands the words so far to `hoopctl __complete` and shows what comes back.
 *
 * The answer's first line says what the rest is: `values` (one to a line, a description after a tab), or that the shell shall complete `files`,
 * `folders` or a `program` by itself. `hoopctl` is looked up on the PATH, whatever was typed: a tab after `./hoopctl` runs nothing of that folder.
 */
import type { Shell } from './quoting.ts';

// Words as hoopctl sees them: bash cuts at every character of COMP_WORDBREAKS (`=`, `:`, `@`), and what is cut off must not be given back.
// `while read` and not `mapfile`, and `compopt` only where it exists: macOS has bash 3.2.
const BASH = `# bash completion for hoopctl
_hoopctl() {
    local rest=\${COMP_LINE:0:COMP_POINT} word='' at kind='' line value words=()
    for ((at = 0; at < COMP_CWORD; at++)); do
        line=\${rest#"\${rest%%[![:space:]]*}"}
        if [[ $at == 0 || $line != "$rest" ]]; then words+=("\${COMP_WORDS[at]}"); else words[\${#words[@]}-1]+=\${COMP_WORDS[at]}; fi
        rest=\${line#"\${COMP_WORDS[at]}"}
    done
    line=\${rest#"\${rest%%[![:space:]]*}"}
    if [[ $line != "$rest" ]]; then words+=("$line"); word=$line; else words[\${#words[@]}-1]+=$line; word=\${words[\${#words[@]}-1]}; fi
    local cut=$((\${#word} - \${#line}))
    case $line in '' | [=:@]) cut=\${#word} line='' ;; esac
    COMPREPLY=()
    while IFS= read -r value; do
        if [[ -z $kind ]]; then kind=$value; else COMPREPLY+=("\${value:cut}"); fi
    done < <(command hoopctl __complete bash "\${words[@]:1}" 2>/dev/null </dev/null)
    case $kind in
        files) at=-f ;;
        folders) at=-d ;;
        program) at=-c ;;
        *) return ;;
    esac
    if type compopt &>/dev/null; then compopt -o filenames 2>/dev/null; fi
    while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen "$at" -- "$line")
}
complete -F _hoopctl hoopctl
`;

// compadd quotes what it inserts.
const ZSH = `#compdef hoopctl
_hoopctl() {
    local line kind
    local -i width=0
    local -a answer values shown
    answer=("\${(@f)$(command hoopctl __complete zsh "\${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null </dev/null)}")
    kind=$answer[1]
    case $kind in
        values)
            for line in "\${(@)answer[2,-1]}"; do
                values+=("\${line%%$'\\t'*}")
                (( \${#values[-1]} > width )) && width=\${#values[-1]}
            done
            for line in "\${(@)answer[2,-1]}"; do
                if [[ $line == *$'\\t'* ]]; then shown+=("\${(r:width:)line%%$'\\t'*}  -- \${line#*$'\\t'}"); else shown+=("$line"); fi
            done
            compadd -l -d shown -a values
            ;;
        files) [[ $PREFIX == --*=* ]] && compset -P 1 '*='; _files ;;
        folders) [[ $PREFIX == --*=* ]] && compset -P 1 '*='; _files -/ ;;
        program) _command_names -e ;;
    esac
}
if [[ $funcstack[1] == _hoopctl ]]; then _hoopctl "$@"; else compdef _hoopctl hoopctl; fi
`;

// fish quotes what it inserts, and shows what follows a tab as the description.
const FISH = `# fish completion for hoopctl
function __hoopctl_complete
    set -l typed (commandline -ct)
    set -l before (commandline -opc)
    set -l answer (command hoopctl __complete fish $before[2..-1] "$typed" 2>/dev/null </dev/null)
    set -l prefix (string match -r -- '^--[^=]*=' "$typed")
    set -l rest (string replace -r -- '^--[^=]*=' '' "$typed")
    switch "$answer[1]"
        case values
            printf '%s\\n' $answer[2..-1]
        case files
            for path in (__fish_complete_path "$rest")
                printf '%s%s\\n' "$prefix" $path
            end
        case folders
            for path in (__fish_complete_directories "$rest" '')
                printf '%s%s\\n' "$prefix" $path
            end
        case program
            __fish_complete_command
    end
end
complete -c hoopctl -f -a '(__hoopctl_complete)'
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
