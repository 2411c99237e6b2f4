"""Reserves before a call and settles after it, over HTTP, with Python's standard library alone.

    tokenctl serve
    export TOKENCTL_TOKEN=$(tokenctl token create --name python --ai-type guardian)
    python3 python-http.py
"""

import json
import os
import time
import urllib.error
import urllib.request
import uuid

BASE = os.environ.get("TOKENCTL_URL", "http://127.0.0.1:4000")
TOKEN = os.environ["TOKENCTL_TOKEN"]


def post(path, body):
    """Asks until there is an answer: every call may be repeated. Returns the status and the answer."""
    request = urllib.request.Request(
        BASE + path,
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json", "authorization": "Bearer " + TOKEN},
    )
    for pause in (0.5, 1, 2, 4, None):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503 or pause is None:
                return error.code, json.load(error)
        except OSError:
            if pause is None:
                raise
        time.sleep(pause)


def call_the_provider():
    """Stands for the call that costs tokens; gives the usage that the provider reports."""
    return {"inputTokens": 400, "outputTokens": 212}


# The id makes retries count once.
request = {
    "aiType": "guardian",
    "estimate": {"input": 400, "output": 500},
    "requestId": str(uuid.uuid4()),
}
status, verdict = post("/api/v1/reservations", request)
if status != 201:
    raise SystemExit(f"denied ({status}): {verdict['detail']}; may pass at {verdict.get('retryAt')}")

reservation = "/api/v1/reservations/" + verdict["reservation"]["id"]
try:
    usage = call_the_provider()
except Exception as error:
    # Nobody knows what was charged: the hold is.
    post(reservation + "/settle", {"unknown": True, "error": str(error)})
    raise
status, ending = post(reservation + "/settle", usage)
print(f"settled: {ending['charged']} tokens")
