//! Letters beyond ASCII in what is asked.

use super::*;

#[tokio::test]
async fn a_subject_is_found_whatever_the_case_of_its_letters() {
    let served = Served::start().await;
    let mail = b"From: ann@example.org\r\nSubject: =?utf-8?q?=C3=96ffnungszeiten?=\r\n\r\nWhen?\r\n";
    assert_eq!(served.hand_in("to=support@desk.localhost&from=ann@example.org", mail).await.status, 201);
    served.decide_all().await;
    for query in ["%C3%96ffnungszeiten", "%C3%B6ffnungs", "%C3%96FFNUNGSZEITEN"] {
        assert_eq!(served.items(&format!("/api/v1/tickets?q={query}")).await.len(), 1, "{query}");
    }
}
