# Runs a hook of the repository: an executable file in ci/hooks.
hook() {
    if [ ! -e "ci/hooks/$1" ]; then
        echo "the repository has no ci/hooks/$1"
    elif [ ! -x "ci/hooks/$1" ]; then
        echo "error: ci/hooks/$1 is not executable: run git update-index --chmod=+x ci/hooks/$1" >&2
        return 1
    else
        "ci/hooks/$1"
    fi
}
