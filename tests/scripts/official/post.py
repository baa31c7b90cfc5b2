"""Posts what the libraries signed, as it is and with a change: the first must
be answered with 2xx, the second with 401."""

import base64
import json
import sys
import urllib.error
import urllib.request


def post(request, body, headers):
    call = urllib.request.Request(request["url"], data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(call, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


wrong = skipped = passed = 0
wanted = sys.argv[2:]
for line in open(sys.argv[1]):
    request = json.loads(line)
    library = request["library"]
    if wanted and not any(word in library for word in wanted):
        continue
    if "skipped" in request:
        skipped += 1
        print(f"skipped: {library}: {request['skipped']}")
        continue
    body, headers = base64.b64decode(request["body"]), request["headers"]
    good, said = post(request, body, headers)
    if request["tamper"] == "signature":
        # The signature is in the body, and covers nothing else of it.
        changed = json.loads(body)
        changed["signature"]["token"] = changed["signature"]["token"][::-1]
        bad, _ = post(request, json.dumps(changed).encode(), headers)
    elif request["tamper"] == "body":
        changed = body[:-3] + bytes([body[-3] ^ 1]) + body[-2:]
        bad, _ = post(request, changed, headers)
    else:
        name = request["tamper"]
        bad, _ = post(request, body, {**headers, name: headers[name] + "x"})
    ok = 200 <= good < 300 and bad == 401
    if "answer" in request:
        ok = ok and json.loads(said) == request["answer"]
    wrong += not ok
    passed += ok
    verdict = "ok" if ok else "WRONG"
    print(f"{verdict:5} {library} -> {request['slug']}: {good}, changed {bad}" + ("" if ok else f" {said[:200]!r}"))
print(f"{passed} as they should be, {wrong} wrong, {skipped} skipped")
sys.exit(1 if wrong or not passed else 0)
