//! Messages of people, by Slack and by SMS.

use super::*;

#[test]
fn slack_is_answered_its_challenge_if_it_is_signed() {
    let project = Project::new();
    let px = project.serve();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let body = json!({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aB"}).to_string();
    let reply = px.post(&slack_at(now, body.clone().into_bytes()));
    assert_eq!((reply.status, reply.json()), (200, json!({"challenge": "3eZbrw1aB"})));
    let unsigned = slack_at(now, body.clone().into_bytes()).with_flipped_byte();
    assert_eq!(px.post(&unsigned).status, 401, "an endpoint that echoes anything is an oracle");
    for at in [now - 310, now + 310] {
        assert_eq!(px.post(&slack_at(at, body.clone().into_bytes())).status, 401);
    }
    assert_eq!(px.deliveries("state=ignored").len(), 0, "a handshake is no delivery");
}

#[test]
fn a_mention_is_acknowledged() {
    let project = Project::new();
    let px = project.serve();
    for (id, thread) in [("Ev1", None), ("Ev2", Some("4.0"))] {
        let event = json!({
            "type": "app_mention", "channel": "C1", "user": "U1", "text": "<@B1> help", "ts": "5.1", "thread_ts": thread
        });
        let reply = px.post(&slack(id, &event));
        reply.is(201, "triggered");
        let shown = px.reaches(&reply.run(), "complete");
        assert_eq!(shown["brainTitle"], "help-request");
        assert_eq!(shown["state"]["thread"], thread.unwrap_or("5.1"));
    }
}

#[test]
fn a_reply_in_a_thread_that_nobody_waits_for_is_handled() {
    let project = Project::new();
    let px = project.serve();
    let reply = px.post(&thread_reply("Ev1", "1.0", "and how do I stop it?"));
    reply.is(201, "triggered");
    let shown = px.reaches(&reply.run(), "complete");
    assert_eq!((&shown["brainTitle"], &shown["state"]["answered"]), (&json!("thread-handler"), &json!(true)));
}

#[test]
fn direct_messages_are_one_conversation_until_bye() {
    let project = Project::new();
    let px = project.serve();
    let hello = px.post(&direct_message("Ev1", "hello"));
    hello.is(201, "triggered");
    let run = hello.run();
    px.waits_with(&run, "/messages", &json!(["hello"]));
    px.post(&direct_message("Ev2", "how are you")).is(200, "resumed");
    px.waits_with(&run, "/messages", &json!(["hello", "how are you"]));
    px.post(&direct_message("Ev2", "how are you")).is(200, "duplicate");
    px.post(&direct_message("Ev3", "bye")).is(200, "resumed");
    let shown = px.reaches(&run, "complete");
    assert_eq!(shown["state"]["messages"], json!(["hello", "how are you", "bye"]));
    let again = px.post(&direct_message("Ev4", "me again"));
    again.is(201, "triggered");
    assert_ne!(again.run(), run);
}

#[test]
fn what_bots_say_and_other_events_are_ignored() {
    let project = Project::new();
    let px = project.serve();
    let events = [
        json!({"type": "message", "channel": "D1", "channel_type": "im", "bot_id": "B1", "text": "beep", "ts": "1.1"}),
        json!({"type": "message", "subtype": "message_changed", "channel": "C1", "ts": "1.2"}),
        json!({"type": "message", "channel": "C1", "user": "U1", "text": "lunch?", "ts": "1.3"}),
        json!({"type": "reaction_added", "user": "U1", "item": {"type": "message", "channel": "C1", "ts": "1.1"}}),
        json!({"type": "channel_created", "channel": {"id": "C9", "name": "new"}}),
    ];
    for (number, event) in events.iter().enumerate() {
        px.post(&slack(&format!("Ev{number}"), event)).is(200, "ignored");
    }
    assert_eq!(px.get("/brains/runs").json()["runs"], json!([]));
}

#[test]
fn feedback_by_slack() {
    let project = Project::new();
    let px = project.serve();
    let (run, thread) = ask_ada(&px);
    let reply = px.post(&thread_reply("Ev1", &thread, "I like it"));
    reply.is(200, "resumed");
    assert_eq!(reply.run(), run);
    let state = px.reaches(&run, "complete")["state"].clone();
    assert_eq!((&state["feedback"], &state["source"]), (&json!("I like it"), &json!("slack")));
    // The other way is closed with it: this is no answer to a later question.
    let late = px.post(&twilio("SM1", "+15550100", "also by SMS"));
    late.is(200, "late");
    assert_eq!((late.field("reason").as_str(), late.run()), ("sibling", run));
}

#[test]
fn feedback_by_sms() {
    let project = Project::new();
    let px = project.serve();
    let (run, _) = ask_ada(&px);
    let sms = twilio("SM1", "+15550100", "Ça va, 100% & more");
    let forged = sms.clone().with_flipped_byte();
    assert_eq!(px.post(&forged).status, 401);
    let reply = px.post(&sms);
    reply.is(200, "resumed");
    assert_eq!(reply.run(), run);
    let state = px.reaches(&run, "complete")["state"].clone();
    assert_eq!((&state["feedback"], &state["source"]), (&json!("Ça va, 100% & more"), &json!("sms")));
    // Twilio acts on the body, so its repetitions are answered like the first.
    assert_eq!(px.post(&sms).body, reply.body);
}

#[test]
fn a_text_message_of_somebody_unknown_is_kept_for_a_while() {
    let project = Project::new();
    let px = project.serve();
    let early = px.post(&twilio("SM1", "+15550100", "asked before?"));
    early.is(200, "queued");
    assert_eq!((early.field("identifier").as_str(), early.run().as_str()), ("+15550100", ""));
    let input = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let run = px.start(FEEDBACK, &input);
    assert_eq!(px.reaches(&run, "complete")["state"]["feedback"], "asked before?");
}
