mkdir -p "$WORK/second"
cp -a . "$WORK/second/source"
rm -rf "$WORK/second/source/_pipeline"
SEALIFT_CACHE_SIZE=0 sealift run --release --project "$WORK/second/source/$PROJECT" \
    --build-root "$WORK/second/build"
for second in "$WORK"/second/build/*.iso; do
    first=$WORK/first/build/${second##*/}
    if ! cmp "$first" "$second"; then
        sealift iso diff "$first" "$second" || :
        exit 1
    fi
done
