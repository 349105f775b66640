for name in SEALIFT_URL SEALIFT_SHA256; do
    if [ -z "${!name:-}" ]; then
        echo "error: $name is not set: add the variable on the server. The pipeline of a fork does not get it: write the value into the file of the pipeline, in place of the variable" >&2
        exit 1
    fi
done
mkdir -p "$WORK/bin"
curl --fail --silent --show-error --location --retry 3 --output "$WORK/bin/sealift" "$SEALIFT_URL"
echo "$SEALIFT_SHA256  $WORK/bin/sealift" | sha256sum --check --strict -
chmod 755 "$WORK/bin/sealift"
sealift --version
