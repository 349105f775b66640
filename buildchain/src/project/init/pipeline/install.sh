: "${SEALIFT_URL:?set this variable to the URL of the program sealift}"
: "${SEALIFT_SHA256:?set this variable to the SHA-256 of the program sealift}"
mkdir -p "$WORK/bin"
curl --fail --silent --show-error --location --retry 3 --output "$WORK/bin/sealift" "$SEALIFT_URL"
echo "$SEALIFT_SHA256  $WORK/bin/sealift" | sha256sum --check --strict -
chmod 755 "$WORK/bin/sealift"
sealift --version
