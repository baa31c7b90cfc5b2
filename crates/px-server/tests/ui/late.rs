//! What comes too late, or too large: a form whose sender lost the right to it while it came, an answer to a
//! question that is over, and forms of those who have not logged in.

use px_sdk::{All, Brain, Collecting, Cx, Next, Result, Waiting, brain, wait_for, wait_for_all};
use tokio::io::AsyncWriteExt as _;

use crate::browser::{Browser, Shown, encoded, fields_of};
use crate::support::{answer, connect, read_json, request, send, serve, status};
use crate::{Asked, answers, hear, reaches, token, waiting};

fn asking_twice() -> Brain<Asked> {
    brain("asking-twice").step("ask", ask).step("ask again", again).step("hear", hear).build()
}
px_sdk::brain!(asking_twice);

async fn ask(_: Cx, asked: Asked) -> Result<Waiting<Asked, Asked>> {
    let on = answers::on(&asked.who);
    Ok(wait_for(asked, on))
}

async fn again(_: Cx, asked: Asked, _: Asked) -> Result<Waiting<Asked, Asked>> {
    let on = answers::on(&asked.who);
    Ok(wait_for(asked, on))
}

fn asking_both() -> Brain<Asked> {
    brain("asking-both").step("ask", ask_both).step("hear", hear_both).build()
}
px_sdk::brain!(asking_both);

async fn ask_both(_: Cx, asked: Asked) -> Result<Collecting<Asked, All<(Asked, Asked)>>> {
    Ok(wait_for_all(asked, (answers::on("anna"), answers::on("bert"))))
}

async fn hear_both(_: Cx, asked: Asked, _: All<(Asked, Asked)>) -> Result<Next<Asked>> {
    Ok(Next(asked))
}

/// The forms of the answers to what a run waits for, in the order of its page.
fn forms_of(shown: &Shown, run: &str) -> Vec<String> {
    let action = format!("../runs/{run}/answer");
    let mut rest = shown.body.as_str();
    let mut forms = Vec::new();
    while let Some((before, behind)) = rest.split_once(&format!("action=\"{action}\"")) {
        let form = Shown {
            status: 200,
            head: String::new(),
            body: rest[before.len()..].to_owned(),
            at: String::new(),
        };
        let fields = fields_of(&form, &action).into_iter().filter(|(name, _)| name != "csrf");
        forms.push(encoded(&fields.collect::<Vec<_>>()));
        rest = behind;
    }
    forms
}

#[tokio::test]
async fn an_answer_that_is_sent_twice_is_not_taken_for_one_to_what_stands_beside() {
    let server = serve(|_| {}).await;
    let body = r#"{"identifier":"asking-both","initialState":{"who":"x"}}"#;
    let (_, started) = read_json(&send(&server, "POST", "/brains/runs", "", body).await);
    let run = started["brainRunId"].as_str().unwrap().to_owned();
    reaches(&server, &run, "", "waiting").await;
    let mut browser = Browser::default();
    let path = format!("/ui/runs/{run}");
    let shown = browser.get(&server, &path).await;
    let forms = forms_of(&shown, &run);
    assert_eq!(forms.len(), 2, "{forms:?}");
    let typed = |form: &str| format!("{form}&response=%7B%22who%22%3A%22x%22%7D");
    // The second first: it is for what it stands at, though the first is older.
    for (form, expected) in [(&forms[1], 303), (&forms[1], 409), (&forms[0], 303)] {
        let sent = browser.send(&server, &format!("{path}/answer"), &shown.mark(), &typed(form)).await;
        assert_eq!(sent.status, expected, "{form}: {}", sent.body);
    }
    reaches(&server, &run, "", "complete").await;
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn whoever_loses_the_right_while_the_form_comes_does_nothing_with_it() {
    let server = serve(|_| {}).await;
    let admin = token(&server, "admin", "").await;
    let by = format!("authorization: Bearer {admin}\r\n");
    let run = waiting(&server, "anna", &admin).await;
    for is_page in [true, false] {
        let other = token(&server, "operate", &admin).await;
        let (head, body) = if is_page {
            let mut browser = Browser::default();
            let login = browser.get(&server, "/ui/runs").await;
            browser.post(&server, "/ui/login", &login.mark(), &format!("token={other}")).await;
            let shown = browser.get(&server, &format!("/ui/runs/{run}")).await;
            let cookie: Vec<String> =
                browser.cookies.iter().map(|(name, value, _)| format!("{name}={value}")).collect();
            let head = format!(
                "POST /ui/runs/{run}/cancel HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
                 cookie: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n",
                cookie.join("; ")
            );
            (head, format!("csrf={}&x=1", shown.mark()))
        } else {
            // A body that the route passes over, and names.
            let head = format!(
                "DELETE /brains/runs/{run} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {other}\r\n\
                 content-type: application/json\r\n"
            );
            (head, r#"{"reason":"none"}"#.to_owned())
        };
        let mut stream = connect(&server).await;
        let (first, rest) = body.split_at(body.len() - 3);
        let head = format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n{first}", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // Another one's answer: the head that was sent before it has been read by then.
        assert_eq!(status(&request(&server, "GET", "/brains/runs", &by, "").await), 200);
        let revoked = format!("/tokens/tok_{}", other.split('_').nth(1).unwrap());
        assert_eq!(status(&request(&server, "DELETE", &revoked, &by, "").await), 204);
        stream.write_all(rest.as_bytes()).await.unwrap();
        let answered = answer(&mut stream).await;
        assert_eq!(status(&answered), 401, "page {is_page}: {answered}");
        reaches(&server, &run, &by, "waiting").await;
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_answer_is_for_the_question_that_its_page_showed() {
    let server = serve(|_| {}).await;
    let body = r#"{"identifier":"asking-twice","initialState":{"who":"anna"}}"#;
    let (_, started) = read_json(&send(&server, "POST", "/brains/runs", "", body).await);
    let run = started["brainRunId"].as_str().unwrap().to_owned();
    reaches(&server, &run, "", "waiting").await;
    let mut browser = Browser::default();
    let path = format!("/ui/runs/{run}");
    let shown = browser.get(&server, &path).await;
    let fields = fields_of(&shown, &format!("../runs/{run}/answer"));
    assert!(fields.iter().any(|(name, value)| name == "wait" && value.starts_with("wat_")), "{fields:?}");
    let fields: Vec<_> = fields.into_iter().filter(|(name, _)| name != "csrf").collect();
    let typed = format!("{}&response=%7B%22who%22%3A%22anna%22%7D", encoded(&fields));
    let first = browser.send(&server, &format!("{path}/answer"), &shown.mark(), &typed).await;
    assert_eq!(first.status, 303, "{}", first.body);
    // The run goes on and asks again; the form of the first question is not taken for an answer to that.
    let again = browser.send(&server, &format!("{path}/answer"), &shown.mark(), &typed).await;
    assert!(again.status == 409 && again.body.contains("does not wait any more"), "{}", again.body);
    // To send it again would be of no use; what was typed is there to be copied.
    assert!(!again.body.contains("Send it again") && again.body.contains("Open the run"), "{}", again.body);
    assert!(again.body.contains(&format!("href=\"../../runs/{run}\"")), "{}", again.body);
    reaches(&server, &run, "", "waiting").await;
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn large_forms_without_a_login_have_few_places_and_small_ones_need_none() {
    let server = serve(|_| {}).await;
    let admin = token(&server, "admin", "").await;
    let large = |send: usize| {
        let head = "POST /ui/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                    content-type: application/x-www-form-urlencoded\r\ncontent-length: 100000\r\n\r\n";
        format!("{head}{}", "a".repeat(send))
    };
    let mut held = Vec::new();
    for _ in 0..16 {
        let mut stream = connect(&server).await;
        stream.write_all(large(50_000).as_bytes()).await.unwrap();
        held.push(stream);
    }
    // Each of them has its place once one more gets none.
    loop {
        let mut one_more = connect(&server).await;
        one_more.write_all(large(100_000).as_bytes()).await.unwrap();
        if status(&answer(&mut one_more).await) == 503 {
            break;
        }
    }
    let mut browser = Browser::default();
    let login = browser.get(&server, "/ui/login").await;
    let logged_in = browser.send(&server, "/ui/login", &login.mark(), &format!("token={admin}")).await;
    assert_eq!(logged_in.status, 303, "a login is small: {}", logged_in.body);
    drop(held);
    // Whoever went away leaves the place to others.
    loop {
        let mut another = connect(&server).await;
        another.write_all(large(100_000).as_bytes()).await.unwrap();
        if status(&answer(&mut another).await) != 503 {
            break;
        }
    }
    let many = (0..1_001).map(|n| format!("f{n}=")).collect::<Vec<_>>().join("&");
    let refused = Browser::default().send(&server, "/ui/runs/x/cancel", "", &many).await;
    assert!(refused.status == 400 && refused.body.contains("at most 1000 fields"), "{}", refused.body);
    let odd = "origin: http://localhost\r\ncontent-type: application/x-www-form-urlencodedX\r\n";
    let refused_type = Browser::default().ask(&server, "POST", "/ui/login", odd, "token=x").await;
    assert_eq!(refused_type.status, 415, "{}", refused_type.body);
    // Nobody is told how it is with px who was not let in.
    assert!(!refused.body.contains("need attention") && !refused.body.contains("needs attention"));
    server.shutdown().await.unwrap();
}
