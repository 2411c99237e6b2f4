#!/bin/sh
# One message by curl, under the budget:
#   ANTHROPIC_BASE_URL=http://127.0.0.1:4010 ANTHROPIC_API_KEY=… sh examples/curl.sh
set -eu
: "${ANTHROPIC_BASE_URL:=http://127.0.0.1:4010}"

# The key comes on standard input, because anyone on this machine can read a command's arguments.
printf 'x-api-key: %s\n' "$ANTHROPIC_API_KEY" |
  curl --silent --show-error --no-buffer "$ANTHROPIC_BASE_URL/v1/messages" \
    --header @- \
    --header 'anthropic-version: 2023-06-01' \
    --header 'content-type: application/json' \
    --header 'x-tokenctl-ai-type: sandbox' \
    --data '{
      "model": "claude-sonnet-5-5",
      "max_tokens": 100,
      "stream": true,
      "messages": [{ "role": "user", "content": "Say hello in one sentence." }]
    }'
