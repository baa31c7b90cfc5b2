//! Errors: what they say, and whether a retry is safe.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use px_client::api::{Code, CreateToken, FindBrains, ListRuns, Scope, StartRun};
use px_client::{Client, Kind};
use serde_json::json;

use super::support::{canned, client, json_answer, serve};

#[tokio::test]
async fn a_refusal_says_its_code_and_what_to_do() {
    let (server, client) = serve().await;
    let missing = client.brain("nobody").await.unwrap_err();
    assert_eq!((missing.status(), missing.code()), (Some(404), Some(Code::BrainNotFound)));
    assert_eq!(missing.to_string(), "Brain 'nobody' not found");
    assert!(missing.hint().is_some_and(|hint| !hint.is_empty()));

    let ambiguous = client.brain("surve").await.unwrap_err();
    assert_eq!((ambiguous.status(), ambiguous.code()), (Some(300), Some(Code::BrainAmbiguous)));
    assert_eq!(ambiguous.hint().unwrap(), "say which one: survey, surveys");

    let start = StartRun::of("survey").with_state(&json!({ "id": 7 })).unwrap();
    let unfit = client.start_run(&start).await.unwrap_err();
    assert_eq!((unfit.status(), unfit.code()), (Some(422), Some(Code::StateUnfit)));
    assert!(unfit.hint().unwrap().starts_with("this does not fit:\n  /id: "), "{:?}", unfit.hint());
    assert_eq!(unfit.refusal().unwrap().error.violations.as_ref().unwrap().len(), 1);
    for error in [missing, ambiguous, unfit] {
        assert!(!error.is_retry_safe(), "the same request is refused again: {error}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_retry_is_safe_if_the_request_cannot_have_been_carried_out_twice() {
    let plain = StartRun::of("survey");
    let keyed = StartRun::of("survey").with_idempotency_key("k");
    // Nobody listens: nothing was sent.
    let nobody = client(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
    let error = nobody.start_run(&plain).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retry_safe()), (&Kind::Unreachable, true), "{error}");
    // The request came in, and its answer was lost.
    for (start, is_safe) in [(&plain, false), (&keyed, true)] {
        let error = canned(&[""]).await.start_run(start).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retry_safe()), (&Kind::Interrupted, is_safe), "{error}");
    }
    let error = canned(&[""]).await.runs(&ListRuns::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retry_safe()), (&Kind::Interrupted, true));
    // The server says that it has done nothing, and when to come back.
    let busy = json_answer("503 S", "retry-after: 7\r\n", r#"{"error": "Not now", "code": "PX0009"}"#);
    let error = canned(&[&busy]).await.start_run(&plain).await.unwrap_err();
    assert_eq!((error.retry_after(), error.is_retry_safe()), (Some(Duration::from_secs(7)), true));
    // It may have done something.
    let broken = json_answer("500 I", "", r#"{"error": "Oh", "code": "PX0010"}"#);
    for (start, is_safe) in [(&plain, false), (&keyed, true)] {
        let error = canned(&[&broken]).await.start_run(start).await.unwrap_err();
        assert_eq!((error.code(), error.is_retry_safe()), (Some(Code::Internal), is_safe));
    }
    // A proxy that cannot reach the server.
    let proxy = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>";
    for (start, is_safe) in [(&plain, false), (&keyed, true)] {
        let error = canned(&[proxy]).await.start_run(start).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retry_safe()), (&Kind::Foreign { status: 502 }, is_safe));
        assert!(
            error.to_string().ends_with("answered 502 Bad Gateway, and not as px does: <html>"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_a_newer_server_says_in_addition_is_read_and_kept() {
    let body = r#"{"brains": [{"filename": "a", "title": "A", "description": "d", "colour": "red"}], "count": 1, "page": 2}"#;
    let answer = canned(&[&json_answer("200 OK", "", body)]).await;
    let brains = answer.brains(&FindBrains::default()).await.unwrap();
    assert_eq!(brains.brains[0].title, "A");
    assert_eq!(brains.to_json(), serde_json::from_str::<serde_json::Value>(body).unwrap());
    assert_eq!(brains.body(), body.as_bytes());
    let refused = json_answer("409 C", "", r#"{"error": "No", "code": "PX9999", "since": 3}"#);
    let error = canned(&[&refused]).await.status().await.unwrap_err();
    assert_eq!((error.code(), error.refusal().unwrap().fields["since"].as_u64()), (None, Some(3)));
    let other = canned(&[&json_answer("200 OK", "", "[]")]).await.brains(&FindBrains::default()).await;
    assert_eq!(other.unwrap_err().kind(), &Kind::Unreadable);
}

#[tokio::test]
async fn a_token_opens_the_api_and_is_shown_to_nobody() {
    let (server, local) = serve().await;
    let created = local.create_token(&CreateToken::new("me", &Scope::Admin)).await.unwrap();
    let error = local.tokens().await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(401), Some(Code::TokenMissing)));
    let token = created.token.expose();
    let client = Client::builder(local.base()).token(token).build().unwrap();
    assert!(!format!("{client:?} {created:?}").contains(token));
    let listed = client.tokens().await.unwrap();
    assert_eq!((listed.count, &listed.tokens[0].scope), (1, &Scope::Admin));
    client.revoke_token(created.id).await.unwrap();
    assert_eq!(local.tokens().await.unwrap().count, 0);
    server.shutdown().await.unwrap();
}

#[test]
fn a_token_that_is_no_header_makes_no_client() {
    let error = Client::builder("http://127.0.0.1:1").token("a\nb").build().unwrap_err();
    assert_eq!((error.kind(), error.is_retry_safe()), (&Kind::Setup, false));
}
