# Completion of hs and hsx for fish 3.1 and later; written by: hs completion fish
# What can stand at the cursor is asked of the program itself, which knows its options, settings and database.

function __hs_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~/' "$HOME/" -- $before[1])
    set -l answer (command $program __complete fish $before "$current" 2>/dev/null </dev/null)
    test (count $answer) -gt 0; or return
    set -l header (string split \t -- $answer[1])
    for line in $answer[2..-1]
        echo -- $line
    end
    switch $header[1]
        case files
            __fish_complete_path "$header[4]" | string replace -r '^' -- "$header[3]"
        case folders
            __fish_complete_directories "$header[4]" | string replace -r '^' -- "$header[3]"
        case 'command *'
            set -l from (math (string replace 'command ' '' -- $header[1]) + 1)
            set -l words $before[$from..-1]
            if test (count $before) -lt $from
                set words
            end
            complete -C (string join ' ' -- (string escape -- $words) "$current")
    end
end

complete -c hs -f -a '(__hs_complete)'
complete -c hsx -f -a '(__hs_complete)'
