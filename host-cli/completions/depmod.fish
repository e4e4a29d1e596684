
# The value of an option before the cursor, or what stands in for it.
function __depmod_option
    set -l words (commandline -opc)
    set -l found $argv[3]
    for number in (seq 2 (count $words))
        set -l word $words[$number]
        if contains -- $words[(math $number - 1)] $argv[1..2]
            set found $word
        else if string match -q -- "$argv[2]=*" $word
            set found (string replace -- "$argv[2]=" "" $word)
        end
    end
    echo $found
end

function __depmod_directory
    echo (__depmod_option -b --basedir "")/(__depmod_option -m --moduledir @MODULE_DIRECTORY@)
end

# The kernels that have modules.
function __depmod_versions
    for path in (__depmod_directory)/*.*/
        string match -r -- '[0-9][^/]*(?=/$)' $path
    end
end

# The modules of a kernel.
function __depmod_modules
    # fish has a variable `version` of its own.
    set -l kernel (__depmod_option -k --kernel (uname -r))
    sed 's/:.*//; s/.*\///; s/\.ko.*//' (__depmod_directory)/$kernel/modules.dep 2>/dev/null
end

complete -c depmod -n __fish_depmod_needs_command -f -a '(__depmod_versions)'
complete -c depmod -n '__fish_depmod_using_subcommand verify diff' -f -a '(__depmod_versions)'
complete -c depmod -n '__fish_depmod_using_subcommand pack; and not __fish_contains_opt plan' -f -a '(__depmod_versions)'
complete -c depmod -n '__fish_depmod_using_subcommand pack; and __fish_contains_opt plan' -f -a '(__depmod_modules)'
complete -c depmod -n '__fish_depmod_using_subcommand plan lookup explain' -f -a '(__depmod_modules)'
# clap's conditions exclude these words after `help`.
complete -c depmod -n '__fish_depmod_using_subcommand help' -f -a '@COMMAND_WORDS@'
complete -c depmod -s k -l kernel -x -a '(__depmod_versions)'
complete -c depmod -s F -l filesyms -a '/boot/System.map-*'
complete -c depmod -n '__fish_depmod_using_subcommand pack' -l plan -x -a '(__depmod_modules)'
