"""Reads one JSON object from standard input, signs or verifies with the official library, prints the answer."""

import json
import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

asked = json.load(sys.stdin)
webhook = Webhook(asked["secret"])
if asked["do"] == "sign":
    at = datetime.fromtimestamp(asked["timestamp"], tz=timezone.utc)
    print(webhook.sign(asked["id"], at, asked["body"]))
else:
    try:
        webhook.verify(asked["body"], asked["headers"])
        print("believed")
    except WebhookVerificationError as error:
        print("refused:", error)
