//! Every route with every kind of token.

use super::super::auth::Access;
use super::super::routes;
use super::*;
use crate::model::PersonId;
use crate::model::changes::Changes;
use crate::model::refusal::Refusal;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// All methods of all paths, as the API describes itself, with the scope it says is needed.
fn described() -> Vec<(String, String, Option<Scope>)> {
    let document: serde_json::Value = serde_json::from_str(routes::OPENAPI).unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path} {method}");
            let scope = operation["security"][0]["token"][0].as_str().map(|word| Scope::of(word).unwrap());
            all.push((path.clone(), method.to_uppercase(), scope));
        }
    }
    all
}

#[tokio::test]
async fn the_api_describes_all_of_itself() {
    let (table, described) = (routes::table(), described());
    assert_eq!(table.len(), described.len());
    let scope = |access| match access {
        Access::Token(scope) => Some(scope),
        Access::Public | Access::Anyone => None,
    };
    for (path, _, _) in &described {
        let mut told: Vec<_> = described.iter().filter(|(p, _, _)| p == path).map(|(_, _, s)| *s).collect();
        let mut built: Vec<_> = table.iter().filter(|r| r.path == path).map(|r| scope(r.access)).collect();
        told.sort();
        built.sort();
        assert_eq!(told, built, "{path}");
    }
    let served = Served::start().await;
    let reply = served.call("GET", "/api/v1/openapi.json", "").await;
    assert_eq!((reply.status, reply.text()), (200, routes::OPENAPI));
    assert_eq!(reply.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn every_route_with_every_token() {
    let served = Served::with_ticket().await;
    let expired = served.token(Scope::Admin, None, Some(1)).await;
    let agents = served.token(Scope::Admin, Some(AGENT), None).await;
    assert_eq!(served.call("GET", "/api/v1/tickets", &agents).await.status, 200);
    served.disable_agent().await;
    for (path, method, needed) in described() {
        let target =
            path.replace("{number}", "1").replace("{id}", if path.contains("attachments") { "1-0" } else { "1" }).replace("{slug}", "x");
        let target = target.replace("{address}", "ann@example.org");
        for bad in ["", "wrong", &expired, &agents, &"x".repeat(200)] {
            let reply = served.call(&method, &target, bad).await;
            match needed {
                None => assert_eq!(reply.status, 200, "{method} {path}"),
                Some(_) => {
                    reply.problem(401);
                    assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer "), "{reply:?}");
                }
            }
        }
        for (token, has) in served.tokens.iter().zip(Scope::ALL) {
            if path.contains("{slug}") {
                served.send("POST", "/api/v1/articles", served.write(), r#"{"slug":"x","title":"X"}"#).await;
            }
            if path.contains("{address}") {
                let refusal = Refusal { until: i64::MAX, ..Refusal::default() };
                let refused = Changes { refusals: vec![(PersonId(2), refusal)], ..Changes::default() };
                // It is there already when nobody was allowed to lift it.
                let _ = served.state.store.run(Cmd::Commit(Box::new(refused))).await;
            }
            let target = match path.contains("/webhooks/{id}") || path.contains("/deliveries/") {
                true => served.webhook_path(&path).await,
                false => target.clone(),
            };
            let reply = served.call(&method, &target, token).await;
            match needed {
                Some(needed) if *has < needed => assert!(reply.problem(403).contains(needed.word())),
                // An answer needs somebody who speaks.
                _ if (method.as_str(), path.ends_with("/messages")) == ("POST", true) => assert!(reply.problem(403).contains("--agent")),
                _ => {
                    let served = reply.status < 500 && ![401, 403, 404, 405].contains(&reply.status);
                    assert!(served, "{method} {path} {has}: {reply:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_closed_desk_shows_its_pages_only_with_a_token() {
    let served = Served::with(closed).await;
    for page in ["/", "/metrics"] {
        served.call("GET", page, "").await.problem(401);
        assert_eq!(served.get(page).await.status, 200);
    }
    for open in ["/healthz", "/readyz"] {
        assert_eq!(served.call("GET", open, "").await.status, 200);
    }
}

#[tokio::test]
async fn a_revoked_token_is_dead_at_once() {
    let served = Served::start().await;
    assert_eq!(served.get("/api/v1/tickets").await.status, 200);
    served.run(Cmd::RevokeToken { id: 1, now: 1 }).await;
    served.get("/api/v1/tickets").await.problem(401);
}

#[tokio::test]
async fn a_token_that_asks_too_often_is_told_when_to_come_back() {
    let served = Served::start().await;
    let mut requests = String::new();
    for _ in 0..600 {
        requests += &format!("GET /api/v1/tickets/9 HTTP/1.1\r\nHost: desk\r\nAuthorization: Bearer {}\r\n\r\n", served.read());
    }
    requests += "GET /healthz HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n";
    let answers = String::from_utf8(served.raw(requests.as_bytes()).await).unwrap();
    let (found, refused) = (answers.matches("HTTP/1.1 404").count(), answers.matches("HTTP/1.1 429").count());
    assert!(found >= 200 && refused > 0 && found + refused == 600, "{found} {refused}");
    assert!(answers.contains("retry-after: 1\r\n") && answers.contains("\"status\":\"ok\""));
    assert_eq!(served.call("GET", "/api/v1/tickets", served.write()).await.status, 200);
}
