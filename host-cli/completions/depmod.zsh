
_depmod() {
    local command base directory version operands planned
    local current=$words[CURRENT] before=$words[CURRENT-1]
    _depmod_words "${(@)words[2,CURRENT-1]}"
    case $before in
        -k|--kernel) compadd -- ${(f)"$(_depmod_versions)"} ;;
        -F|--filesyms) compadd -f -- /boot/System.map-*(N) || _files ;;
        -E|--symvers) compadd -f -- /boot/symvers-*(N) || _files ;;
        @WITH_VALUE@) _depmod_options "$@" ;;
        *)
            case $current in
                -*) _depmod_options "$@" ;;
                */*) _files ;;
                *) compadd -- ${(f)"$(_depmod_operands)"} || _files ;;
            esac ;;
    esac
}

if [ "$funcstack[1]" = "_depmod" ]; then
    _depmod "$@"
else
    compdef _depmod depmod
fi
