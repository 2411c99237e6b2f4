# A backend that asks nobody, and logs what a call has cost by one INSERT. The database counts it.
#   python examples/python-insert.py ~/.local/share/tokenctl/tokenctl.db
# On PostgreSQL it is the same statement, with %s for each ?.
import sqlite3
import sys
from datetime import datetime, timezone


def log_usage(connection, ai_type, tokens_in, tokens_out, model):
    month = datetime.now(timezone.utc).strftime("%Y-%m")
    with connection:
        connection.execute(
            "INSERT INTO token_usage_logs"
            " (ai_type, month_year, tokens_in, tokens_out, total_tokens, model_used)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (ai_type, month, tokens_in, tokens_out, tokens_in + tokens_out, model),
        )


# Waits up to ten seconds for another writer.
connection = sqlite3.connect(sys.argv[1], timeout=10)
log_usage(connection, "guardian", 400, 212, "claude-sonnet-5-5")
connection.close()
