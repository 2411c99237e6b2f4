"""Writes to an SQLite file as an AI backend does: the steps come as JSON on standard input."""

import json
import sqlite3
import sys

script = json.load(sys.stdin)
connection = sqlite3.connect(script["path"], timeout=10)
for pragma in script["pragmas"]:
    connection.execute("PRAGMA " + pragma)

answers = []
for step in script["steps"]:
    answer = {"error": None, "rows": [], "changed": 0}
    try:
        if step == "commit":
            connection.commit()
        elif step == "rollback":
            connection.rollback()
        elif "many" in step:
            answer["changed"] = connection.executemany(step["sql"], step["many"]).rowcount
        else:
            cursor = connection.execute(step["sql"], step.get("params", []))
            answer["rows"] = cursor.fetchall()
            answer["changed"] = cursor.rowcount
    except sqlite3.Error as error:
        answer["error"] = type(error).__name__ + ": " + str(error)
    answers.append(answer)

connection.commit()
connection.close()
json.dump({"version": sqlite3.sqlite_version, "answers": answers}, sys.stdout)
