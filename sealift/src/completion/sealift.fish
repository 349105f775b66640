# Completion of sealift for fish: sealift itself says what may come next.
function __sealift
    set --local words (commandline --tokenize --current-process --cut-at-cursor)
    set --local program (string replace --regex '^~' $HOME -- $words[1])
    $program complete (count $words) -- $words (commandline --current-token --cut-at-cursor) 2>/dev/null
end
complete --command sealift --no-files --keep-order --arguments '(__sealift)'
