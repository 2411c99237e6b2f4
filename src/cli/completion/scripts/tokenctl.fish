# tokenctl completion for fish, printed by: tokenctl completion fish
function __tokenctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct | string replace -ar '[\'"\\\\]' '')
    # As it is written on the line: by a name or a path.
    set -l program $words[1]
    type -q -- "$program"; or set program tokenctl
    for answer in ($program __complete -- $words[2..] "$current" 2>/dev/null </dev/null)
        if test "$answer" = :files
            set -l lead (string match -r '^(?:--[^=]+=)?(?:file:|sqlite:)?' -- "$current")
            set -l name (string sub -s (math (string length -- "$lead") + 1) -- "$current")
            for file in (__fish_complete_path "$name")
                echo $lead$file
            end
        else
            echo $answer
        end
    end
end
complete -c tokenctl -e
complete -c tokenctl -f -a '(__tokenctl_complete)'
