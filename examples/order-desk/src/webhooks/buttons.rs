//! Slack: somebody presses a button of a message.

use px::prelude::*;

px::webhook! {
    /// Buttons of messages in Slack
    slug = "slack-buttons",
    payload = Interaction,
    response = Pressed,
    verify = px::verify::slack_interactivity("SLACK_SIGNING_SECRET"),
    handler = receive,
}

/// What Slack posts in the form's field `payload`; modals and menus have other types.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
// What `px webhooks send slack-buttons --identifier RUN` begins with.
#[schemars(example = Interaction::of_a_button())]
pub struct Interaction {
    #[serde(rename = "type")]
    kind: String,
    user: User,
    #[serde(default)]
    actions: Vec<Action>,
    #[serde(default)]
    response_url: Option<String>,
}

impl Interaction {
    /// The button `yes`, as somebody presses it.
    fn of_a_button() -> Self {
        Self {
            kind: "block_actions".into(),
            user: User { id: "U1".into() },
            actions: vec![Action { action_id: "yes".into(), value: "run".into() }],
            response_url: None,
        }
    }
}

/// Who pressed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct User {
    id: String,
}

/// The button.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    action_id: String,
    #[serde(default)]
    value: String,
}

/// An answer by a button.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Pressed {
    /// True for the button `yes`.
    pub yes: bool,
    /// The user's id; Slack vouches for it.
    pub by: String,
    /// Where the message can be replaced, for half an hour.
    pub response_url: Option<String>,
}

/// The key of a button: the run that it answers, and the user who may press it. What somebody
/// else presses is another key, at which nobody waits.
pub fn of(run: &str, user: &str) -> String {
    format!("{run}:{user}")
}

async fn receive(interaction: Interaction) -> Result<Inbound<Pressed>> {
    let Interaction { kind, user, actions, response_url } = interaction;
    let pressed = actions.into_iter().next().filter(|_| kind == "block_actions");
    let Some(Action { action_id, value }) = pressed else {
        return Ok(Inbound::ignore(format!("no button: {kind}")));
    };
    Ok(Inbound::resume(of(&value, &user.id), Pressed { yes: action_id == "yes", by: user.id, response_url }))
}
