"""Signs with the providers' Python libraries; a request a line, as JSON.

Where a library only verifies, the signature is made with the primitive that
the library itself uses, and the library has to believe it before it is sent."""

import base64
import hashlib
import importlib.metadata
import json
import os
import pathlib
import sys
import time

FOLDER = pathlib.Path(sys.argv[1])
BASE = os.environ["BASE"]
NOW = int(time.time())
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def emit(library, slug, headers, body, url=None, kind=JSON, tamper="body"):
    print(json.dumps({
        "library": library,
        "slug": slug,
        "url": url or f"{BASE}/webhooks/{slug}",
        "headers": {"content-type": kind, **headers},
        "body": base64.b64encode(body).decode(),
        "tamper": tamper,
    }))


def stripe():
    import stripe

    body = b'{"id":"evt_py","object":"event","type":"charge.succeeded"}'
    signed = f"{NOW}.{body.decode()}"
    signature = stripe.WebhookSignature._compute_signature(signed, os.environ["STRIPE_SECRET"])
    header = f"t={NOW},v1={signature}"
    stripe.Webhook.construct_event(body, header, os.environ["STRIPE_SECRET"])
    yield "stripe", {"stripe-signature": header}, body


def twilio():
    from urllib.parse import urlencode

    from twilio.request_validator import RequestValidator

    validator = RequestValidator(os.environ["TWILIO_SECRET"])
    url = f"{BASE}/webhooks/twilio"
    params = {"MessageSid": "SM1", "From": "+14155550100", "Body": "h\u00e9llo & more", "Empty": ""}
    emit_form = urlencode(params).encode()
    signature = validator.compute_signature(url, params)
    yield "twilio", {"x-twilio-signature": signature}, emit_form, url, FORM
    repeated = [("MediaUrl", "b"), ("MediaUrl", "a"), ("MessageSid", "SM2")]
    from werkzeug.datastructures import MultiDict

    signature = validator.compute_signature(url, MultiDict(repeated))
    yield "twilio", {"x-twilio-signature": signature}, urlencode(repeated).encode(), url, FORM
    body = b'{"MessageSid":"SM3"}'
    url = f"{url}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    yield "twilio", {"x-twilio-signature": validator.compute_signature(url, {})}, body, url, JSON


def slack_sdk():
    from slack_sdk.signature import SignatureVerifier

    verifier = SignatureVerifier(os.environ["SLACK_SECRET"])
    for slug, body, kind in [
        ("slack", '{"type":"event_callback","event_id":"EvPy","event":{"type":"message","text":"\u00e9"}}', JSON),
        ("slack-command", "command=%2Fdo&text=a+b&trigger_id=1.py", FORM),
        ("slack-interactivity", "payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%222.py%22%7D", FORM),
    ]:
        signature = verifier.generate_signature(timestamp=str(NOW), body=body)
        headers = {"x-slack-signature": signature, "x-slack-request-timestamp": str(NOW)}
        yield slug, headers, body.encode(), None, kind


def standardwebhooks():
    import datetime

    from standardwebhooks.webhooks import Webhook

    body = '{"type":"contact.created","data":{}}'
    at = datetime.datetime.fromtimestamp(NOW, tz=datetime.timezone.utc)
    for slug in ["standard", "gitlab-signed"]:
        signature = Webhook(os.environ["STANDARD_SECRET"]).sign(msg_id=f"msg_py_{slug}", timestamp=at, data=body)
        headers = {"webhook-id": f"msg_py_{slug}", "webhook-timestamp": str(NOW), "webhook-signature": signature}
        yield slug, headers, body.encode()


def svix():
    import datetime

    from svix.webhooks import Webhook

    body = '{"type":"contact.created"}'
    at = datetime.datetime.fromtimestamp(NOW, tz=datetime.timezone.utc)
    signature = Webhook(os.environ["STANDARD_SECRET"]).sign(msg_id="msg_svix_py", timestamp=at, data=body)
    yield "svix", {"svix-id": "msg_svix_py", "svix-timestamp": str(NOW), "svix-signature": signature}, body.encode()


def discord_interactions():
    from discord_interactions import verify_key
    from nacl.encoding import HexEncoder
    from nacl.signing import SigningKey

    key = SigningKey((FOLDER / "discord.key").read_text(), encoder=HexEncoder)
    for slug, body in [("discord", b'{"type":1,"id":"1"}'), ("discord", b'{"type":2,"id":"2"}'),
                       ("discord-events", b'{"type":0}'), ("discord-events", b'{"type":1,"event":{"type":"X"}}')]:
        signature = key.sign(str(NOW).encode() + body).signature.hex()
        assert verify_key(body, signature, str(NOW), os.environ["DISCORD_SECRET"]), "the library believes it"
        yield slug, {"x-signature-ed25519": signature, "x-signature-timestamp": str(NOW)}, body


def sendgrid():
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from sendgrid.helpers.eventwebhook import EventWebhook

    key = load_pem_private_key((FOLDER / "sendgrid.pem").read_bytes(), password=None)
    body = '[{"event":"open","sg_event_id":"py1"},{"event":"click","sg_event_id":"py2"}]\r\n'
    signature = key.sign(f"{NOW}{body}".encode(), ec.ECDSA(hashes.SHA256()))
    signature = base64.b64encode(signature).decode()
    checker = EventWebhook(os.environ["SENDGRID_SECRET"])
    assert checker.verify_signature(body, signature, str(NOW)), "the library believes it"
    headers = {"x-twilio-email-event-webhook-signature": signature,
               "x-twilio-email-event-webhook-timestamp": str(NOW)}
    yield "sendgrid", headers, body.encode()


def githubkit():
    from githubkit.webhooks import sign

    body = '{"action":"opened","text":"\u00e9"}'
    signature = sign(os.environ["GITHUB_SECRET"], body)
    yield "github", {"x-hub-signature-256": signature, "x-github-event": "issues", "x-github-delivery": "py"}, body.encode()


def cloudevents():
    from cloudevents.conversion import to_binary, to_structured
    from cloudevents.http import CloudEvent

    event = CloudEvent({"type": "com.example.done", "source": "/official"}, {"a": 1})
    for convert in [to_structured, to_binary]:
        headers, body = convert(event)
        headers = {**headers, "authorization": f"Bearer {os.environ['BEARER_SECRET']}"}
        kind = headers.pop("content-type", JSON)
        # A token says nothing about the body; what is changed is the token.
        yield "cloudevents", headers, bytes(body), None, kind, "authorization"


def convoy():
    from convoy.utils.webhook import Webhook

    webhook = Webhook(secret=os.environ["CONVOY_SECRET"])
    body = '{"event":"x"}'
    yield "convoy", {"x-convoy-signature": webhook.create_signature(body)}, body.encode()
    advanced = f"t={NOW},v1={webhook.create_signature(f'{NOW},{body}')}"
    yield "convoy-advanced", {"x-convoy-signature": advanced}, body.encode()


def mailgun():
    import hmac
    import secrets

    from mailgun.security import SecurityGuard

    key, token = os.environ["MAILGUN_SECRET"], secrets.token_hex(25)
    signature = hmac.new(key.encode(), f"{NOW}{token}".encode(), hashlib.sha256).hexdigest()
    assert SecurityGuard.verify_webhook(key, token, NOW, signature), "the library believes it"
    signed = {"timestamp": str(NOW), "token": token, "signature": signature}
    body = json.dumps({"event-data": {"event": "delivered"}, "signature": signed}).encode()
    yield "mailgun", {}, body, None, JSON, "signature"


def atlassian_jwt():
    from atlassian_jwt import encode_token

    # An app whose base URL ends in /webhooks, and one at the root.
    for path, query in [("/jira-app", ""), ("/webhooks/jira-app", "?user_id=a%20b&x=1&x=0")]:
        token = encode_token("POST", path + query, "client", os.environ["JIRA_SECRET"], timeout_secs=180)
        headers = {"authorization": f"JWT {token}", "x-atlassian-webhook-identifier": f"py{len(query)}"}
        url = f"{BASE}/webhooks/jira-app{query}"
        yield "jira-app", headers, b'{"webhookEvent":"jira:issue_updated"}', url, JSON, "authorization"


LIBRARIES = {
    "stripe": stripe, "twilio": twilio, "slack_sdk": slack_sdk, "standardwebhooks": standardwebhooks, "svix": svix,
    "discord-interactions": discord_interactions, "sendgrid": sendgrid, "githubkit": githubkit,
    "cloudevents": cloudevents, "convoy-python": convoy, "mailgun": mailgun, "atlassian-jwt": atlassian_jwt,
}

for package, requests in LIBRARIES.items():
    try:
        name = f"PyPI {package} {importlib.metadata.version(package)}"
        for request in requests():
            emit(name, *request)
    except Exception as error:  # whatever a library does, the others go on
        print(json.dumps({"library": f"PyPI {package}", "skipped": f"{type(error).__name__}: {error}"}))
