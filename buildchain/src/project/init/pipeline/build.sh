mkdir -p "$WORK/first"
cp -a . "$WORK/first/source"
rm -rf "$WORK/first/source/_pipeline"
sealift run --release --project "$WORK/first/source/$PROJECT" \
    --build-root "$WORK/first/build" --junit "$PWD/_pipeline/junit/tasks.xml"
mkdir -p _pipeline/release
for iso in "$WORK"/first/build/*.iso; do
    name=${iso##*/}
    # With the version, as `sealift release promote` names the ISO of a release.
    cp "$iso" "_pipeline/release/${name%.iso}${TAG:+-${TAG#v}}.iso"
done
(cd _pipeline/release && sha256sum -- *.iso > SHA256SUMS)
