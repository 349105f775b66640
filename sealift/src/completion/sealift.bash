# Completion of sealift for bash: sealift itself says what may come next.
_sealift() {
    local typed=${COMP_LINE:0:COMP_POINT} words=() word='' started='' quote='' char i line found=() prefix
    # The words as the shell will take them: bash itself takes them apart at colons and leaves the quotes in.
    for ((i = 0; i < ${#typed}; i++)); do
        char=${typed:i:1}
        case $quote$char in
        "''" | '""')
            quote=''
            ;;
        "'" | '"')
            quote=$char started=1
            ;;
        "\\" | "\"\\")
            i=$((i + 1)) started=1
            # Between double quotes a backslash stands for itself before most characters.
            [[ $quote == '"' && ${typed:i:1} != [\$\`\"\\] ]] && word+="\\"
            word+=${typed:i:1}
            ;;
        [[:space:]])
            [[ -n $started ]] && words+=("$word")
            word='' started=''
            ;;
        *)
            word+=$char started=1
            ;;
        esac
    done
    words+=("$word")
    while IFS= read -r line; do
        found+=("${line%%$'\t'*}")
    done < <("${words[0]/#\~/$HOME}" complete $((${#words[@]} - 1)) -- "${words[@]}" 2>/dev/null)
    COMPREPLY=()
    # What stands before the last such place is on the line already, unless it stands between quotes.
    prefix=${word%"${word##*[:=]}"}
    for line in "${found[@]}"; do
        case $quote in
        "'") line=${line//"'"/"'\\''"} ;;
        '"') line=${line//[\\]/\\\\} line=${line//'"'/'\"'} line=${line//'$'/'\$'} line=${line//'`'/'\`'} ;;
        *) printf -v line '%q' "${line#"$prefix"}" ;;
        esac
        COMPREPLY+=("$line")
    done
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o nosort -F _sealift sealift
