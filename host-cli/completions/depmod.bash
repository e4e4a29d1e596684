
# Proposes the lines that begin with the word before the cursor. They are names of files: `compgen -W` would expand
# them, and the shell would do so with a line that holds one.
_depmod_propose() {
    local name
    while IFS= read -r name; do
        case $name in
            *[!A-Za-z0-9._+~-]*) ;;
            "$1"*) COMPREPLY+=("$name") ;;
        esac
    done
}

_depmod() {
    local command base directory version operands planned
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    if [ "$current" = '=' ]; then
        current=''
    elif [ "$before" = '=' ]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    _depmod_words "${COMP_WORDS[@]:1:COMP_CWORD-1}"
    COMPREPLY=()
    case $before in
        -k|--kernel) _depmod_propose "$current" < <(_depmod_versions) ;;
        -F|--filesyms) COMPREPLY=($(compgen -f -- "${current:-/boot/System.map-}")) ;;
        -E|--symvers) COMPREPLY=($(compgen -f -- "${current:-/boot/symvers-}")) ;;
        @FREE_VALUE@) ;;
        @WITH_VALUE@) _depmod_options "$1" "$current" "$before" ;;
        *)
            case $current in
                -*) _depmod_options "$1" "$current" "$before" ;;
                */*) ;;
                *) _depmod_propose "$current" < <(_depmod_operands) ;;
            esac ;;
    esac
}

# What has no candidates is a file.
complete -F _depmod -o bashdefault -o default depmod
