#!/bin/sh
# Makes the secret keys of this folder with GnuPG 2.2. They differ from run to run. They are for tests only.
set -eu
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d) && export GNUPGHOME
echo "s2k-count 65536" > "$GNUPGHOME/gpg-agent.conf"
at() { date=$1; shift; gpg --batch --quiet --no-tty --pinentry-mode loopback --trust-model always --faked-system-time "$date!" "$@"; }
# name:algorithm:use:lifetime:passphrase
for key in ed:ed25519:sign:0: rsa:rsa2048:sign:0: nist:nistp256:sign:0: locked:ed25519:sign:0:secret lapsed:ed25519:sign:2y: \
    short:rsa1024:sign:0: dsa:dsa2048:sign:0: offline:ed25519:cert:0: encrypt:ed25519:cert:0:; do
    IFS=: read -r name algorithm use lifetime passphrase <<END
$key
END
    at 20190101T000000 --passphrase "$passphrase" --quick-gen-key "s-$name <s-$name@example.test>" "$algorithm" "$use" "$lifetime"
    fingerprint=$(at 20190101T000000 --with-colons --list-keys "s-$name@" | awk -F: '$1 == "fpr" {print $10; exit}')
    export=--export-secret-keys
    if test "$name" = offline; then
        at 20190201T000000 --passphrase "" --quick-add-key "$fingerprint" ed25519 sign 0
        at 20190301T000000 --passphrase "" --quick-add-key "$fingerprint" ed25519 sign 0
        export=--export-secret-subkeys
    fi
    test "$name" != encrypt || at 20190101T000000 --passphrase "" --quick-add-key "$fingerprint" cv25519 encr 0
    at 20190401T000000 --passphrase "$passphrase" --armor $export "$fingerprint" > "$name.secret.asc"
    test "$name" != rsa || at 20190101T000000 --passphrase "" --export-secret-keys "$fingerprint" > "$name.secret.gpg"
done
rm -r "$GNUPGHOME"
