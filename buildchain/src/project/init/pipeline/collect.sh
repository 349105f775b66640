# The release that the candidate became goes with the candidate.
if [ -d _pipeline/promoted ]; then
    (cd _pipeline/promoted && sha256sum --check --strict SHA256SUMS)
    cat _pipeline/promoted/SHA256SUMS >> _pipeline/release/SHA256SUMS
    mv _pipeline/promoted/*.iso _pipeline/release/
    rm -r _pipeline/promoted
fi
(cd _pipeline/release && sha256sum --check --strict SHA256SUMS)
