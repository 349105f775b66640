# After each job, also a failed one. If the hook fails, the job does not.
if [ -e ci/hooks/notify ] && ! ci/hooks/notify; then
    echo "warning: ci/hooks/notify failed" >&2
fi
