mkdir -p "$WORK/second"
cp -a . "$WORK/second/source"
rm -rf "$WORK/second/source/_pipeline"
SEALIFT_CACHE_SIZE=0 sealift run --release --project "$WORK/second/source/$PROJECT" \
    --build-root "$WORK/second/build"
for iso in _pipeline/release/*.iso; do
    second=$WORK/second/build/${iso##*/}
    if ! cmp "$iso" "$second"; then
        sealift iso diff "$iso" "$second" || :
        exit 1
    fi
done
