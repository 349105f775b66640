#!/bin/sh
# Makes the files of this folder with GnuPG 2.2. They differ from run to run: the keys are new.
set -eu
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d) && export GNUPGHOME
at() { date=$1; shift; gpg --batch --quiet --no-tty --pinentry-mode loopback --passphrase '' --trust-model always --faked-system-time "$date!" "$@"; }
printf 'content\n' > content
for key in rsa:rsa3072:0 ed:ed25519:0 lapsed:ed25519:2y hard:ed25519:0 soft:ed25519:0 short:rsa1024:0 certify:ed25519:0; do
    name=${key%%:*} rest=${key#*:}
    use=sign; test "$name" = certify && use=cert
    at 20190101T000000 --quick-gen-key "$name <$name@example.test>" "${rest%:*}" "$use" "${rest#*:}"
    test "$name" != rsa || at 20190101T000000 --export "$name" > "$name.gpg"
    at 20190101T000000 --armor --export "$name" > "$name.asc"
    if test $name != certify; then
        at 20190601T000000 --local-user "$name" --output "$name.sig" --detach-sign content
        test "$name" != rsa || at 20190601T000000 --local-user "$name" --armor --output "$name.sig.asc" --detach-sign content
    fi
done
# A subkey that signs.
fingerprint=$(at 20190101T000000 --with-colons --list-keys certify | awk -F: '$1 == "fpr" {print $10; exit}')
at 20190101T000000 --quick-add-key "$fingerprint" ed25519 sign 0
at 20190101T000000 --armor --export certify > certify.asc
at 20190601T000000 --local-user certify --output certify.sig --detach-sign content
# SHA-1, a signature that expires, a signature of text.
at 20190601T000000 --local-user rsa --digest-algo SHA1 --output sha1.sig --detach-sign content
at 20190601T000000 --local-user rsa --default-sig-expire 30d --output month.sig --detach-sign content
at 20190601T000000 --local-user rsa --textmode --output text.sig --detach-sign content
at 20190601T000000 --local-user rsa --local-user ed --output both.sig --detach-sign content
# Signed after the key expired: it was extended for that, and the file has the key of before.
fingerprint=$(at 20190101T000000 --with-colons --list-keys lapsed | awk -F: '$1 == "fpr" {print $10; exit}')
at 20200101T000000 --quick-set-expire "$fingerprint" 10y
at 20220601T000000 --local-user lapsed --output late.sig --detach-sign content
at 20200101T000000 --armor --export lapsed > extended.asc
# Revoked in 2020: compromised and retired.
for reason in hard:1 soft:3; do
    name=${reason%:*}
    printf 'y\n%s\n\ny\n' "${reason#*:}" | gpg --quiet --no-tty --pinentry-mode loopback --passphrase '' --command-fd 0 \
        --faked-system-time "20200101T000000!" --output "$name.revocation" --gen-revoke "$name"
    at 20200101T000000 --import "$name.revocation"
    rm "$name.revocation"
    at 20200101T000000 --armor --export "$name" > "$name.revoked.asc"
done
cat rsa.asc ed.asc > two.asc
rm -r "$GNUPGHOME"
