if [ -n "$TAG" ]; then
    # The last release before this one; 0.0.0 if there is none. Candidates have the notes of their release.
    release=${TAG#v} release=${release%%-rc*}
    tags=$(git tag --list)
    previous=$(printf '%s\n' "$tags" "$release" | sed -nE 's/^v?([0-9]+\.[0-9]+\.[0-9]+)$/\1/p' | sort -Vu |
        awk -v release="$release" '$0 == release { found = 1 } !found { last = $0 } END { print last }')
    sealift release notes --project "$PROJECT" "${previous:-0.0.0}" "$TAG" > _pipeline/release/notes.md
fi
