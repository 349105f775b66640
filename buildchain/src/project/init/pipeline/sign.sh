(cd _pipeline/release && sha256sum --check --strict SHA256SUMS)
if [ -n "${KEY_FILE:-}" ]; then
    openssl pkey -in "$KEY_FILE" -pubout -out "$WORK/release.pub"
    for iso in _pipeline/release/*.iso; do
        sealift archive sign "$iso" --key "$KEY_FILE"
        sealift archive verify "$iso" --key "$WORK/release.pub"
    done
else
    echo "SEALIFT_RELEASE_KEY is not set: the archive is not signed"
fi
