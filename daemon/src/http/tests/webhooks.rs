//! Webhooks over the API.

use serde_json::{Value, json};

use super::*;
use crate::model::EndpointId;
use crate::store::{TestDelivery, Tried};

const LIST: &str = "/api/v1/webhooks";
const URL: &str = "https://hooks.example.com/T0K3N";

impl Served {
    async fn hook(&self, url: &str, events: &[&str]) -> Reply {
        self.send("POST", LIST, self.admin(), &json!({ "url": url, "events": events }).to_string()).await
    }

    /// A settled delivery to a webhook.
    async fn delivery(&self, endpoint: i64) -> i64 {
        let tried = Tried { status: Some(500), reason: "status 500".into(), ms: 7 };
        let message = crate::store::fresh_message().unwrap();
        let (kind, now) = ("webhook.test".into(), self.state.clock.now());
        let test = TestDelivery { endpoint: EndpointId(endpoint), message, kind, body: "{}".into(), tried, now };
        let Outcome::Id(id) = self.run(Cmd::TestedEndpoint(Box::new(test))).await else { unreachable!() };
        id
    }

    /// A path about a webhook or a delivery that is there.
    pub(super) async fn webhook_path(&self, path: &str) -> String {
        let id = self.hook(URL, &["*"]).await.json()["id"].as_i64().unwrap();
        let id = if path.contains("/deliveries/") { self.delivery(id).await } else { id };
        path.replace("{id}", &id.to_string())
    }

    async fn admins(&self, target: &str) -> Value {
        let reply = self.call("GET", target, self.admin()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }
}

#[tokio::test]
async fn a_webhook_is_made_read_changed_and_removed() {
    let served = Served::start().await;
    let made = served.hook("HTTPS://Hooks.example.com/T0K3N", &["ticket.created", "ticket.created"]).await;
    assert_eq!((made.status, made.header("location")), (201, Some("/api/v1/webhooks/1")));
    let mut hook = made.json();
    assert!(hook["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!((&hook["url"], &hook["events"], &hook["enabled"]), (&URL.into(), &json!(["ticket.created"]), &true.into()));
    hook.as_object_mut().unwrap().remove("secret");
    assert_eq!(served.admins(&format!("{LIST}/1")).await, hook, "the secret is shown once");
    assert_eq!(served.admins(LIST).await, json!({ "items": [hook], "next": null }));

    let patch = async |body: Value| served.send("PATCH", &format!("{LIST}/1"), served.admin(), &body.to_string()).await;
    let changed = patch(json!({ "url": "https://other.example/", "events": ["*"], "enabled": false })).await.json();
    assert_eq!((&changed["url"], &changed["events"]), (&"https://other.example/".into(), &json!(["*"])));
    assert_eq!((&changed["enabled"], &changed["disabled_reason"]), (&false.into(), &"disabled by an admin".into()));
    let enabled = patch(json!({ "enabled": true })).await.json();
    assert_eq!((&enabled["enabled"], &enabled["disabled_at"], &enabled["disabled_reason"]), (&true.into(), &Value::Null, &Value::Null));
    assert_eq!(served.call("DELETE", &format!("{LIST}/1"), served.admin()).await.status, 204);
    for method in ["GET", "DELETE"] {
        served.call(method, &format!("{LIST}/1"), served.admin()).await.problem(404);
    }
    patch(json!({ "enabled": true })).await.problem(404);
    assert_eq!(served.hook(URL, &["*"]).await.json()["id"], 2, "a number never comes back");
}

#[tokio::test]
async fn what_can_not_be_a_webhook_is_refused_with_its_reason() {
    let served = Served::start().await;
    for (url, events, told) in [
        ("http://hooks.example.com/", "*", "allow_http"),
        ("https://127.0.0.1/", "*", "allow_networks"),
        ("https://user@hooks.example.com/", "*", "user"),
        ("hooks.example.com", "*", "https://"),
        (URL, "ticket.create", "did you mean \"ticket.created\"?"),
    ] {
        let detail = served.hook(url, &[events]).await.problem(422);
        assert!(detail.contains(told) && detail.ends_with(['.', '?']) && !detail.ends_with("?."), "{detail}");
    }
    served.hook(URL, &[]).await.problem(422);
    for body in ["{}", r#"{"url":"https://a.example/","events":["*"],"secret":"x"}"#, "x"] {
        served.send("POST", LIST, served.admin(), body).await.problem(400);
    }
    assert_eq!(served.admins(LIST).await["items"], json!([]));
    for _ in 0..100 {
        assert_eq!(served.hook(URL, &["*"]).await.status, 201);
    }
    assert!(served.hook(URL, &["*"]).await.problem(409).contains("100"));
}

#[tokio::test]
async fn deliveries_are_listed_and_made_again() {
    let served = Served::start().await;
    served.hook(URL, &["*"]).await;
    let id = served.delivery(1).await;
    let listed = served.admins(&format!("{LIST}/1/deliveries")).await;
    let delivery = &listed["items"][0];
    assert_eq!((&delivery["id"], &delivery["state"], &delivery["attempts"]), (&id.into(), &"failed".into(), &1.into()));
    assert_eq!((&delivery["status"], &delivery["reason"], &delivery["seq"]), (&500.into(), &"status 500".into(), &Value::Null));
    assert_eq!((&delivery["tries"][0]["status"], &delivery["tries"][0]["ms"]), (&500.into(), &7.into()));
    let again = async || served.call("POST", &format!("/api/v1/deliveries/{id}/redeliver"), served.admin()).await;
    let waiting = again().await;
    assert_eq!((waiting.status, &waiting.json()["state"], &waiting.json()["attempts"]), (202, &"waiting".into(), &0.into()));
    assert_eq!(waiting.json()["webhook_id"], delivery["webhook_id"], "its receiver knows it");
    served.send("PATCH", &format!("{LIST}/1"), served.admin(), r#"{"enabled":false}"#).await;
    assert!(again().await.problem(409).contains("enable"));
    served.call("POST", "/api/v1/deliveries/99/redeliver", served.admin()).await.problem(404);
    served.call("GET", &format!("{LIST}/9/deliveries"), served.admin()).await.problem(404);
}
