(cd _pipeline/release && sha256sum --check --strict SHA256SUMS)
for ISO in _pipeline/release/*.iso; do
    export ISO
    hook test
done
