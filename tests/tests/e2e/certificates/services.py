"""An authority and a log of sigstore for tests, as Fulcio (/api/v2) and Rekor (/api/v1) are: python services.py FOLDER PORT.

Writes FOLDER/trusted_root.json and FOLDER/token, and serves until it is killed. FOLDER/mode says how it misbehaves: "", "other-key",
"refuses" or "wrong-promise". Appends a line to FOLDER/recorded for each entry of the log.
"""
import base64
import datetime
import hashlib
import http.server
import json
import pathlib
import struct
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

FOLDER = pathlib.Path(sys.argv[1])
ISSUER = "https://accounts.example.com"
DER = serialization.Encoding.DER
SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
FORMER_ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
OIDC_ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")


def b64(data):
    return base64.b64encode(data).decode()


def spki(key):
    return key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def sign(key, data):
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


authority, certificate_log, log = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
start = now - datetime.timedelta(days=1)
root = (
    x509.CertificateBuilder()
    .subject_name(name("authority"))
    .issuer_name(name("authority"))
    .public_key(authority.public_key())
    .serial_number(1)
    .not_valid_before(start)
    .not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
    .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), critical=False)
    .sign(authority, hashes.SHA256())
)


def log_of(key, url):
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64(spki(key)),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": {"start": start.isoformat().replace("+00:00", "Z")},
        },
        "logId": {"keyId": b64(hashlib.sha256(spki(key)).digest())},
    }


def sct(tbs):
    """The list with one SCT (RFC 6962, section 3.2) for a certificate without it, as an octet string."""
    stamp = int(time.time() * 1000)
    issuer = hashlib.sha256(spki(authority)).digest()
    signed = struct.pack(">BBQH", 0, 0, stamp, 1) + issuer + len(tbs).to_bytes(3, "big") + tbs + b"\0\0"
    signature = sign(certificate_log, signed)
    log_id = hashlib.sha256(spki(certificate_log)).digest()
    one = b"\0" + log_id + struct.pack(">QH", stamp, 0) + b"\x04\x03" + struct.pack(">H", len(signature)) + signature
    listed = struct.pack(">H", len(one) + 2) + struct.pack(">H", len(one)) + one
    return b"\x04" + (bytes([len(listed)]) if len(listed) < 128 else b"\x81" + bytes([len(listed)])) + listed


def certify(request):
    token = request["credentials"]["oidcIdentityToken"]
    claims = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    asked = request["publicKeyRequest"]
    assert asked["publicKey"]["algorithm"] == "ECDSA"
    key = serialization.load_pem_public_key(asked["publicKey"]["content"].encode())
    subject = claims.get("email") or claims["sub"]
    # The holder of the token has the key.
    key.verify(base64.b64decode(asked["proofOfPossession"]), subject.encode(), ec.ECDSA(hashes.SHA256()))
    general = x509.RFC822Name(subject) if "email" in claims else x509.UniformResourceIdentifier(subject)
    if mode() == "other-key":
        key = log.public_key()
    issuer = ISSUER.encode()
    begin = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(minutes=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(name("authority"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(minutes=10))
        .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([general]), critical=True)
        .add_extension(x509.UnrecognizedExtension(FORMER_ISSUER, issuer), critical=False)
        .add_extension(x509.UnrecognizedExtension(OIDC_ISSUER, b"\x0c" + bytes([len(issuer)]) + issuer), critical=False)
    )
    without = builder.sign(authority, hashes.SHA256()).tbs_certificate_bytes
    leaf = builder.add_extension(x509.UnrecognizedExtension(SCT_LIST, sct(without)), critical=False)
    leaf = leaf.sign(authority, hashes.SHA256())
    chain = [one.public_bytes(serialization.Encoding.PEM).decode() for one in (leaf, root)]
    return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}


def record(request):
    assert (request["kind"], request["apiVersion"]) == ("dsse", "0.0.1")
    envelope = request["spec"]["proposedContent"]["envelope"]
    [verifier] = request["spec"]["proposedContent"]["verifiers"]
    [signature] = json.loads(envelope)["signatures"]
    payload = base64.b64decode(json.loads(envelope)["payload"])
    digest = lambda data: {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
    spec = {
        "envelopeHash": digest(envelope.encode()),
        "payloadHash": digest(payload),
        "signatures": [{"signature": signature["sig"], "verifier": verifier}],
    }
    canonical = lambda value: json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    body = canonical({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})
    leaf = hashlib.sha256(b"\0" + body).digest()
    log_id = hashlib.sha256(spki(log)).digest()
    note = f"log.example - 1\n1\n{b64(leaf)}\n"
    checkpoint = f"{note}\n— log.example {b64(log_id[:4] + sign(log, note.encode()))}\n"
    entry = {"body": b64(body), "integratedTime": int(time.time()), "logID": log_id.hex(), "logIndex": 0}
    promised = {**entry, "logIndex": 1} if mode() == "wrong-promise" else entry
    proof = {"checkpoint": checkpoint, "hashes": [], "logIndex": 0, "rootHash": leaf.hex(), "treeSize": 1}
    promise = b64(sign(log, canonical(promised)))
    return {leaf.hex(): {**entry, "verification": {"inclusionProof": proof, "signedEntryTimestamp": promise}}}


def mode():
    path = FOLDER / "mode"
    return path.read_text() if path.exists() else ""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = 201, None
        if mode() == "refuses":
            status, answer = 400, {"code": 3, "message": "the token has expired"}
        elif self.path == "/api/v2/signingCert":
            answer = certify(document)
        elif self.path == "/api/v1/log/entries":
            answer = record(document)
            with (FOLDER / "recorded").open("a") as recorded:
                recorded.write("entry\n")
        body = json.dumps(answer).encode()
        self.send_response(status if answer else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


valid = {"start": start.isoformat().replace("+00:00", "Z")}
(FOLDER / "trusted_root.json").write_text(
    json.dumps(
        {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log_of(log, "https://log.example")],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "example", "commonName": "authority"},
                    "uri": "https://authority.example",
                    "certChain": {"certificates": [{"rawBytes": b64(root.public_bytes(DER))}]},
                    "validFor": valid,
                }
            ],
            "ctlogs": [log_of(certificate_log, "https://ct.example")],
            "timestampAuthorities": [],
        }
    )
)
part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
claims = {"iss": ISSUER, "sub": "CiQ", "email": "release@example.com", "email_verified": True}
(FOLDER / "token").write_text(f"{part({'alg': 'none'})}.{part(claims)}.c2ln\n")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
