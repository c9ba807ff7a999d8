"""The receiver that FastAPI's, Svix's and sqlite3's documentation lead to: verify, insert, commit, answer."""

import os
import sqlite3

from fastapi import FastAPI, Request, Response
from svix.webhooks import Webhook, WebhookVerificationError

app = FastAPI()
webhook = Webhook(os.environ["SECRET"])
database = sqlite3.connect(os.environ["DATABASE"], check_same_thread=False)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA synchronous = FULL")
database.execute("CREATE TABLE webhook_events (inbox_id INTEGER PRIMARY KEY, svix_id TEXT UNIQUE, body TEXT)")


@app.post("/webhooks/seam", status_code=204)
async def receive(request: Request):
    body = await request.body()
    try:
        webhook.verify(body, dict(request.headers))
    except WebhookVerificationError:
        return Response(status_code=401)
    with database:
        database.execute(
            "INSERT INTO webhook_events (svix_id, body) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (request.headers["svix-id"], body.decode()),
        )
    return Response(status_code=204)
