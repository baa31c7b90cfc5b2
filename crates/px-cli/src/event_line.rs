//! An event of a run's log on one line.

use serde_json::Value;

use crate::words;

/// An event's own facts on one line.
pub(crate) fn detail(event: &Value) -> String {
    let step = text(event, "stepTitle");
    match text(event, "type") {
        "brain:webhook" => {
            let places: Vec<String> = event
                .get("waitFor")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|place| format!("{} '{}'", text(place, "slug"), text(place, "identifier")))
                .collect();
            let timeout = event.get("timeout").and_then(Value::as_u64).map_or(String::new(), |millis| {
                format!(" for {}", words::duration(std::time::Duration::from_millis(millis)))
            });
            if places.is_empty() {
                return format!("sleeps{timeout}");
            }
            let several = match event.get("mode") {
                Some(Value::String(mode)) if mode == "all" => {
                    return format!("waits for {}{timeout}", places.join(" and "));
                }
                Some(mode) => mode.pointer("/count/need").and_then(Value::as_u64).filter(|need| *need > 1),
                None => None,
            };
            let several = several.map_or(String::new(), |need| format!("{need} of "));
            format!("waits for {several}{}{timeout}", places.join(" or "))
        }
        "brain:webhook_partial" => {
            let count = |name: &str| event.get(name).and_then(Value::as_u64).unwrap_or(0);
            let response = event.get("response").map_or(String::new(), Value::to_string);
            format!(
                "{} of {}: {} '{}' {response}",
                count("have"),
                count("need"),
                text(event, "slug"),
                text(event, "identifier")
            )
        }
        "brain:webhook_response" => {
            let response = event.get("response").map_or(String::new(), Value::to_string);
            format!("{} '{}' {response}", text(event, "slug"), text(event, "identifier"))
        }
        "brain:error" => {
            event.pointer("/error/message").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        "brain:start" => event.get("initialState").map_or(String::new(), Value::to_string),
        "step:start" => match event.get("attempt").and_then(Value::as_u64) {
            Some(attempt @ 2..) => format!("{step}, attempt {attempt}"),
            _ => step.to_owned(),
        },
        "step:retry" => {
            let why = event.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
            format!("{step}: {why}")
        }
        "step:once" => {
            format!("{step}: {} = {}", text(event, "name"), event.get("value").unwrap_or(&Value::Null))
        }
        "step:status" => {
            let steps = event.get("steps").and_then(Value::as_array).into_iter().flatten();
            let list: Vec<String> =
                steps.map(|step| format!("{} {}", text(step, "title"), text(step, "status"))).collect();
            list.join(", ")
        }
        "step:complete" => step.to_owned(),
        "step:emit" => {
            format!("{step}: {} {}", text(event, "name"), event.get("data").unwrap_or(&Value::Null))
        }
        "iterate:item_complete" => {
            let count = |name: &str| event.get(name).and_then(Value::as_u64).unwrap_or(0);
            format!("{step}: {} of {}", count("processedCount"), count("totalItems"))
        }
        "brain:rerun" => format!(
            "from step {}, '{step}', as after event {}",
            event.get("startsAt").unwrap_or(&Value::Null),
            event.get("resetTo").unwrap_or(&Value::Null)
        ),
        "brain:awaited" => format!("by {}", text(event, "by")),
        _ => text(event, "reason").to_owned(),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sleep_and_a_wait_say_how_long() {
        let event = json!({"type": "brain:webhook", "waitFor": [], "timeout": 3_600_000});
        assert_eq!(detail(&event), "sleeps for 1 hour");
        let event = json!({"type": "brain:webhook", "waitFor": [{"slug": "slack", "identifier": "C1"}]});
        assert_eq!(detail(&event), "waits for slack 'C1'");
        let votes = json!([{"slug": "votes", "identifier": "7"}, {"slug": "mail", "identifier": "a"}]);
        let event = json!({"type": "brain:webhook", "waitFor": votes, "mode": {"count": {"need": 2}}});
        assert_eq!(detail(&event), "waits for 2 of votes '7' or mail 'a'");
        let event = json!({"type": "brain:webhook", "waitFor": votes, "mode": "all"});
        assert_eq!(detail(&event), "waits for votes '7' and mail 'a'");
    }
}
