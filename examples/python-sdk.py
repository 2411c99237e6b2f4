# One message through the official Python SDK, under the budget by its base URL alone:
#   pip install anthropic
#   ANTHROPIC_BASE_URL=http://127.0.0.1:4010/imperium ANTHROPIC_API_KEY=… python examples/python-sdk.py
import sys

import anthropic

client = anthropic.Anthropic()

try:
    with client.messages.stream(
        model="claude-sonnet-5-5",
        max_tokens=100,
        messages=[{"role": "user", "content": "Say hello in one sentence."}],
    ) as stream:
        for text in stream.text_stream:
            print(text, end="", flush=True)
    print()
except anthropic.APIStatusError as error:
    # A denial names the limit, by how much it is passed, and when it frees. Nothing was sent.
    details = error.body.get("error", {}) if isinstance(error.body, dict) else {}
    print(details.get("message", error), file=sys.stderr)
    sys.exit(1)
