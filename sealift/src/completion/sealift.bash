# Completion of sealift for bash: sealift itself says what may come next.
_sealift() {
    local words=() line found=() current prefix
    # Bash takes the words apart at the colons of task names; the line has them whole.
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    case "${COMP_LINE:0:COMP_POINT}" in
    *[[:space:]]) words+=("") ;;
    esac
    current=${words[-1]}
    while IFS= read -r line; do
        found+=("${line%%$'\t'*}")
    done < <("${words[0]/#\~/$HOME}" complete $((${#words[@]} - 1)) -- "${words[@]}" 2>/dev/null)
    # What stands before the last such place is on the line already.
    prefix=${current%"${current##*[:=]}"}
    COMPREPLY=("${found[@]#"$prefix"}")
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o nosort -F _sealift sealift
