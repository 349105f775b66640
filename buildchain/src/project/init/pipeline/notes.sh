if [ -n "$TAG" ]; then
    # The last release before this one. Candidates have the notes of their release.
    release=${TAG#v} release=${release%%-rc*}
    previous=$({
        git tag --list | sed -nE 's/^v?([0-9]+\.[0-9]+\.[0-9]+)$/\1/p'
        echo "$release"
    } | sort -Vu | awk -v release="$release" '$0 == release { print last; exit } { last = $0 }')
    if [ -n "$previous" ]; then
        sealift release notes --project "$PROJECT" "$previous" "$TAG" > _pipeline/release/notes.md
    # The first release has notes if the project has a changelog.
    elif ! sealift release notes --project "$PROJECT" 0.0.0 "$TAG" > _pipeline/release/notes.md; then
        echo "The first release." > _pipeline/release/notes.md
    fi
fi
