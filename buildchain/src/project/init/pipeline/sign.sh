if [ -n "${KEY_FILE:-}" ]; then
    # openssl prints a name that it cannot read, and this one could be the key itself.
    [ -f "$KEY_FILE" ] || { echo "error: SEALIFT_RELEASE_KEY is not the name of a file: give the variable the type File" >&2; exit 1; }
    # The password of an encrypted key.
    export SEALIFT_KEY_PASSWORD="${SEALIFT_KEY_PASSWORD:-}"
    for iso in _pipeline/release/*.iso; do
        sealift archive sign "$iso" --key "$KEY_FILE"
        openssl pkey -in "$KEY_FILE" -passin env:SEALIFT_KEY_PASSWORD -pubout -out "$WORK/release.pub"
        sealift archive verify "$iso" --key "$WORK/release.pub"
    done
elif [ "${SEALIFT_UNSIGNED:-}" = yes ]; then
    echo "SEALIFT_UNSIGNED is yes: the archive is not signed"
else
    echo "error: SEALIFT_RELEASE_KEY is not set; to publish without a signature, set SEALIFT_UNSIGNED to yes" >&2
    exit 1
fi
