//! What a running desk says of itself over HTTP.

use serde_json::Value;

use crate::desk::Desk;
use crate::http::{self, Response};
use crate::mail::Draft;
use crate::wait::wait_for;

impl Desk {
    /// A request to the API with the right token, again after a while when it was one too many.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> Response {
        wait_for("a response of the API", || {
            let response = http::request(self.ports().http, method, path, Some(&self.token), body).expect("an HTTP response");
            (response.status != 429).then_some(response)
        })
    }

    /// A request without a token.
    #[track_caller]
    pub fn public(&self, path: &str) -> Response {
        http::request(self.ports().http, "GET", path, None, None).expect("an HTTP response")
    }

    /// Reads from the API.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let response = self.request("GET", path, None);
        assert_eq!(response.status, 200, "{path}: {}", String::from_utf8_lossy(&response.body));
        response.json()
    }

    /// All items of a list.
    #[track_caller]
    pub fn list(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let join = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{join}limit=200{cursor}"));
            items.extend(page["items"].as_array().expect("a list").iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// The inbox rows of a Message-ID.
    #[track_caller]
    pub fn fates(&self, message_id: &str) -> Vec<Value> {
        self.list(&format!("/api/v1/inbox?message_id={message_id}"))
    }

    /// Waits until a mail is decided; the row's `fate`, for a mail that came once.
    #[track_caller]
    pub fn fate(&self, message_id: &str) -> Value {
        wait_for(&format!("the fate of {message_id}"), || {
            let rows = self.fates(message_id);
            rows.iter().find(|row| row["fate"]["kind"] != "waiting").map(|row| row["fate"].clone())
        })
    }

    /// Waits until nothing waits: all mail decided, all mail sent. A long queue may take its time, as long as it moves.
    #[track_caller]
    pub fn settle(&self) {
        for queue in ["inbox", "outbox"] {
            let waiting = || self.list(&format!("/api/v1/{queue}?state=waiting")).len();
            let mut left = waiting();
            while left > 0 {
                left = wait_for(&format!("the {queue} to move"), || Some(waiting()).filter(|now| *now != left));
            }
        }
    }

    /// Messages of a ticket.
    #[track_caller]
    pub fn messages(&self, ticket: &Value) -> Vec<Value> {
        self.list(&format!("/api/v1/tickets/{ticket}/messages"))
    }

    /// The same, which must be taken; waits for its fate.
    #[track_caller]
    pub fn deliver(&self, draft: &Draft) -> Value {
        let reply = self.send(draft);
        assert_eq!(reply.code, 250, "{}", reply.line);
        self.fate(&draft.id)
    }
}
