mkdir -p "$WORK/first"
cp -a . "$WORK/first/source"
rm -rf "$WORK/first/source/_pipeline"
sealift run --release --project "$WORK/first/source/$PROJECT" \
    --build-root "$WORK/first/build" --junit "$PWD/_pipeline/junit/tasks.xml"
mkdir -p _pipeline/release
cp "$WORK"/first/build/*.iso _pipeline/release/
(cd _pipeline/release && sha256sum -- *.iso > SHA256SUMS)
