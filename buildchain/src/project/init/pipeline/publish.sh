if [ -n "${SEALIFT_PUBLISH:-}" ]; then
    for iso in _pipeline/release/*.iso; do
        sealift archive publish "$iso" --to "$SEALIFT_PUBLISH"
    done
else
    echo "SEALIFT_PUBLISH is not set: the archive is not published in a registry"
fi
