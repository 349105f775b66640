sealift list --project "$PROJECT" > /dev/null
if [ -n "$TAG" ]; then
    sealift release check --project "$PROJECT" "$TAG"
fi
