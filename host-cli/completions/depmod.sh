
# The command, and what selects the module directory, of the words before the cursor.
_depmod_words() {
    local word previous=
    command='' base='' directory=@MODULE_DIRECTORY@ version=$(uname -r) operands=0 planned=''
    for word in "$@"; do
        # bash takes --option=value apart.
        if [ "$word" = '=' ]; then
            continue
        fi
        case $previous in
            -b|--basedir) base=$word previous='' ;;
            -m|--moduledir) directory=/$word previous='' ;;
            -k|--kernel) version=$word previous='' ;;
            @WITH_VALUE@) previous='' ;;
            *)
                previous=$word
                case $word in
                    --basedir=*) base=${word#*=} ;;
                    --moduledir=*) directory=/${word#*=} ;;
                    --kernel=*) version=${word#*=} ;;
                    --plan) planned=1 ;;
                    -*) ;;
                    @COMMANDS@)
                        if [ -z "$command" ]; then command=$word; else operands=$((operands + 1)); fi ;;
                    *) operands=$((operands + 1)) ;;
                esac ;;
        esac
    done
}

# The kernels that have modules.
_depmod_versions() {
    (cd "$base$directory" 2>/dev/null && command ls -d -- [0-9]*.* 2>/dev/null)
}

# The modules of a kernel.
_depmod_modules() {
    command sed 's/:.*//; s/.*\///; s/\.ko.*//' "$base$directory/$version/modules.dep" 2>/dev/null
}

# What an operand can be: one word a line.
_depmod_operands() {
    case $command in
        '') if [ "$operands" = 0 ]; then _depmod_versions; printf '%s\n' @COMMAND_WORDS@; fi ;;
        help) printf '%s\n' @COMMAND_WORDS@ ;;
        verify|diff) _depmod_versions ;;
        pack) if [ -n "$planned" ]; then _depmod_modules; else _depmod_versions; fi ;;
        plan|lookup|explain) _depmod_modules ;;
    esac
}
