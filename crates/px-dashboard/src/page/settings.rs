//! Choices of a reader, kept in a cookie: the zone of times, and whether single keys do something.

use maud::{Markup, html};

use crate::route::{self, field};
use crate::shell::{Frame, heading, nothing, shell};
use crate::{Session, Zone, form};

/// Offsets that places on earth have, in minutes east of UTC.
const OFFSETS: [i16; 37] = [
    -720, -660, -600, -570, -540, -480, -420, -360, -300, -240, -210, -180, -120, -60, 0, 60, 120, 180, 210,
    240, 270, 300, 330, 345, 360, 390, 420, 480, 525, 540, 570, 600, 630, 660, 720, 780, 840,
];

/// Keys, and what each does.
const KEYS: [(&str, &str); 11] = [
    ("/", "find an id or an identifier"),
    ("Ctrl K", "find a page or an act"),
    (
        "g, then",
        "o Overview, r Runs, w Waits, i Inbox, e Webhooks, h Hooks, c Outbox, b Brains, s Store, v Values, t Tokens, k Secrets",
    ),
    ("j k", "next and previous row"),
    ("Enter", "open the row"),
    ("x", "choose the row"),
    ("c", "copy the id of the row or of the page"),
    ("u", "times in UTC, or in your zone"),
    ("← →", "one event back or on, in the field of the state"),
    ("?", "this page"),
    ("Esc", "close what is open"),
];

/// The choices. `next` is the page to come back to: a path below the root of the dashboard.
#[must_use]
pub fn settings(next: &str, who: &Session) -> Markup {
    let frame = Frame::new(route::SETTINGS, "Times and keys");
    let minutes = match who.zone {
        Zone::Utc => "utc".to_owned(),
        Zone::Offset(minutes) => minutes.to_string(),
    };
    let form = html! {
        (form::hidden(field::NEXT, next))
        div.field {
            label for="f-zone" { "Times" }
            select #f-zone name=(field::ZONE) {
                option value="utc" selected[who.zone == Zone::Utc] { "UTC" }
                @for offset in OFFSETS.into_iter().filter(|offset| *offset != 0) {
                    @let value = offset.to_string();
                    option value=(value) selected[value == minutes] { (Zone::Offset(offset).name()) }
                }
            }
        }
        div.field {
            label for="f-keys" { "Single keys" }
            select #f-keys name="keys" {
                option value="on" selected[who.keys] { "on" }
                option value="off" selected[!who.keys] { "off" }
            }
        }
        button.primary type="submit" { "Save" }
    };
    let body = html! {
        (heading(&html! { "Times and keys" }, &nothing(), &nothing()))
        div.stack { (form::post(route::SET, &[], frame.href(), who, &form)) }
        h2 { "Keys" }
        p.m { "They do nothing in a field, in a dialog, or with Ctrl, Alt or Meta." }
        dl.facts { @for (key, act) in KEYS { div { dt { kbd { (key) } } dd { (act) } } } }
    };
    shell(&frame, who, &body)
}
