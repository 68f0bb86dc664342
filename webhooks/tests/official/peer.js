// Reads one JSON object from standard input, signs or verifies with the official library, prints the answer.
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const webhook = new Webhook(asked.secret);
if (asked.do === "sign") {
  console.log(webhook.sign(asked.id, new Date(asked.timestamp * 1000), asked.body));
} else {
  try {
    webhook.verify(asked.body, asked.headers);
    console.log("believed");
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    console.log("refused:", error.message);
  }
}
