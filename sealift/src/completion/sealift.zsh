#compdef sealift
# Completion of sealift for zsh: sealift itself says what may come next.
_sealift() {
    local line added=1
    # The words as the shell will take them, without their quotes; one that is still open gets its end. Zsh quotes what it adds.
    local last=${words[CURRENT]} closed
    for closed in "$last" "$last'" "$last\""; do
        [[ ${(Q)closed} == "$closed" ]] && continue
        last=${(Q)closed}
        break
    done
    local -a typed=("${(@Q)words[1,CURRENT-1]}" "$last")
    local -a names shown open open_shown
    while IFS= read -r line; do
        if [[ ${line%%$'\t'*} == *[/=] ]]; then
            open+=("${line%%$'\t'*}")
            open_shown+=("${line/$'\t'/  -- }")
        else
            names+=("${line%%$'\t'*}")
            shown+=("${line/$'\t'/  -- }")
        fi
    done < <("${typed[1]/#\~/$HOME}" complete $((CURRENT - 1)) -- "${typed[@]}" 2>/dev/null)
    (( ${#names} )) && compadd -l -d shown -a names && added=0
    (( ${#open} )) && compadd -l -S '' -d open_shown -a open && added=0
    return added
}
if [[ ${funcstack[1]-} == _sealift ]]; then
    _sealift "$@"
else
    compdef _sealift sealift
fi
