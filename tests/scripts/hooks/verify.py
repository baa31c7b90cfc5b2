"""Verifies what px signed with the libraries from PyPI."""

import base64
import hashlib
import hmac
import importlib.metadata
import json
import sys

OTHER = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"


def standardwebhooks(secret, headers, body):
    from standardwebhooks.webhooks import Webhook

    Webhook(secret).verify(body, headers)


def svix(secret, headers, body):
    from svix.webhooks import Webhook

    Webhook(secret).verify(body, headers)


def stripe(secret, headers, body):
    import stripe

    stripe.WebhookSignature.verify_header(body.decode(), headers["stripe-signature"], secret, tolerance=300)


def pynacl(key, headers, body):
    from nacl.signing import VerifyKey

    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    verifying = VerifyKey(base64.b64decode(key.removeprefix("whpk_")))
    for one in headers["webhook-signature"].split(" "):
        version, _, signature = one.partition(",")
        if version == "v1a":
            try:
                return verifying.verify(signed, base64.b64decode(signature))
            except Exception as error:
                last = error
    raise last


def python_hmac(secret, headers, body):
    signed = headers["x-px-timestamp"].encode() + b"." + body
    expected = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(expected, headers["x-px-signature"]), "another signature"


CHECKS = [
    ("PyPI standardwebhooks", "standard", standardwebhooks, OTHER),
    ("PyPI svix", "standard", svix, OTHER),
    ("PyPI stripe", "stripe", stripe, OTHER),
    ("PyPI pynacl", "standard-asymmetric", pynacl, "whpk_" + base64.b64encode(bytes(range(32))).decode()),
    ("Python's own hmac", "timestamped", python_hmac, OTHER),
]

requests = [json.loads(line) for line in open(sys.argv[1])]
failed = False
for name, mode, verify, other in CHECKS:
    try:
        version = importlib.metadata.version(name.removeprefix("PyPI ")) if name.startswith("PyPI") else ""
    except importlib.metadata.PackageNotFoundError:
        print(f"WRONG {name}: skipped, it is not here")
        failed = True
        continue
    right = refused = wrong = 0
    of_mode = [request for request in requests if request["mode"] == mode]
    for request in of_mode:
        body, headers = base64.b64decode(request["body"]), request["headers"]
        for secret in request["secrets"]:
            try:
                verify(secret, headers, body)
                right += 1
            except Exception as error:
                wrong += 1
                print(f"WRONG {name}: {error!r}")
            for bad_secret, bad_body in [(secret, body + b" "), (other, body)]:
                try:
                    verify(bad_secret, headers, bad_body)
                    wrong += 1
                    print(f"WRONG {name} believes a change")
                except Exception:
                    refused += 1
    ok = wrong == 0 and right > 0
    failed |= not ok
    verdict = "ok" if ok else "WRONG"
    print(f"{verdict:5} {f'{name} {version}'.strip()}: {mode}: {len(of_mode)} requests, {right} verified, "
          f"{refused} changed ones refused, {wrong} wrong")
sys.exit(failed)
