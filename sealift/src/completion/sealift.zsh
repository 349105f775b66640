#compdef sealift
# Completion of sealift for zsh: sealift itself says what may come next.
_sealift() {
    local line added=1
    local -a names shown open open_shown
    while IFS= read -r line; do
        if [[ ${line%%$'\t'*} == *[/=] ]]; then
            open+=("${line%%$'\t'*}")
            open_shown+=("${line/$'\t'/  -- }")
        else
            names+=("${line%%$'\t'*}")
            shown+=("${line/$'\t'/  -- }")
        fi
    done < <("${words[1]/#\~/$HOME}" complete $((CURRENT - 1)) -- "${words[@]:0:$CURRENT}" 2>/dev/null)
    (( ${#names} )) && compadd -l -d shown -a names && added=0
    (( ${#open} )) && compadd -l -S '' -d open_shown -a open && added=0
    return added
}
if [[ ${funcstack[1]-} == _sealift ]]; then
    _sealift "$@"
else
    compdef _sealift sealift
fi
