
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
        -k|--kernel) COMPREPLY=($(compgen -W "$(_depmod_versions)" -- "$current")) ;;
        -F|--filesyms) COMPREPLY=($(compgen -f -- "${current:-/boot/System.map-}")) ;;
        -E|--symvers) COMPREPLY=($(compgen -f -- "${current:-/boot/symvers-}")) ;;
        @FREE_VALUE@) ;;
        @WITH_VALUE@) _depmod_options "$1" "$current" "$before" ;;
        *)
            case $current in
                -*) _depmod_options "$1" "$current" "$before" ;;
                */*) ;;
                *) COMPREPLY=($(compgen -W "$(_depmod_operands)" -- "$current")) ;;
            esac ;;
    esac
}

# What has no candidates is a file.
complete -F _depmod -o bashdefault -o default depmod
