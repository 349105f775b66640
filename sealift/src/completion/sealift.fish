# Completion of sealift for fish: sealift itself says what may come next.
function __sealift
    set --local words (commandline --tokenize --current-process --cut-at-cursor)
    set --local program (string replace --regex '^~' $HOME -- $words[1])
    set --local typed (commandline --current-token --cut-at-cursor)
    # The word as the shell will take it, without its quotes; one that is still open gets its end. Fish quotes what it adds.
    set --local word $typed
    for end in '' "'" '"'
        if set --local plain (string unescape -- $typed$end)
            set word $plain
            break
        end
    end
    $program complete (count $words) -- $words "$word" 2>/dev/null
end
complete --command sealift --no-files --keep-order --arguments '(__sealift)'
