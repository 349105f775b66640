mkdir -p _pipeline/promoted
for iso in _pipeline/release/*.iso; do
    sealift release promote --project "$PROJECT" "$TAG" --candidate "$iso" --into _pipeline/promoted
done
(cd _pipeline/promoted && sha256sum -- *.iso > SHA256SUMS)
