//! Forms: every post carries the proof that it was sent from a page of px, and what the scope of
//! a session forbids is shown disabled, with the reason.

use maud::{Markup, html};
use px_api::Scope;

use crate::route::{Method, Route, field};
use crate::text::visible;
use crate::{Csrf, Href, Notice, Session};

/// A form that posts to a route.
pub(crate) fn post(route: Route, args: &[&str], href: Href, who: &Session, body: &Markup) -> Markup {
    debug_assert!(route.method == Method::Post, "a form posts");
    html! {
        form action=(href.to(route, args)) method="post" { (proof(&who.csrf)) (body) }
    }
}

/// The hidden field that proves where a form comes from.
pub(crate) fn proof(csrf: &Csrf) -> Markup {
    html! { input type="hidden" name=(field::CSRF) value=(csrf.0); }
}

/// A hidden field.
pub(crate) fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// The button that sends a form; disabled, with the reason, where the scope is too small.
pub(crate) fn submit(label: &str, class: &str, route: Route, who: &Session) -> Markup {
    let reason = refusal(who, &route.scope());
    html! {
        button type="submit" class=[Some(class).filter(|class| !class.is_empty())] disabled[reason.is_some()]
            title=[reason.as_deref()] { (label) }
        @if let Some(reason) = &reason { span.why { (reason) } }
    }
}

/// Reason that a scope forbids an act.
pub(crate) fn refusal(who: &Session, needs: &Scope) -> Option<String> {
    (!who.may(needs)).then(|| format!("This needs the scope {needs}; this session has {}.", who.scope))
}

/// A labelled field of one line.
pub(crate) fn text(name: &str, label: &str, value: Option<&str>, hint: &str) -> Markup {
    text_as(&format!("f-{name}"), name, label, value, hint)
}

/// The same with an id of its own, where a form has several of its name.
pub(crate) fn text_as(id: &str, name: &str, label: &str, value: Option<&str>, hint: &str) -> Markup {
    html! {
        div.field {
            label for=(id) { (label) }
            input #(id) type="text" name=(name) value=[value.map(visible)] spellcheck="false"
                placeholder=[Some(hint).filter(|hint| !hint.is_empty())];
        }
    }
}

/// A labelled choice; the first one is what counts if nothing is said.
pub(crate) fn choice(name: &str, label: &str, now: Option<&str>, of: &[(&str, &str)]) -> Markup {
    let id = format!("f-{name}");
    html! {
        div.field {
            label for=(id) { (label) }
            select #(id) name=(name) {
                @for (value, word) in of {
                    option value=(visible(value)) selected[now == Some(*value)] { (visible(word)) }
                }
            }
        }
    }
}

/// A word of a command line for a POSIX shell: in quotes only where it needs them.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "_./:@%+=,-".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A labelled text of several lines, such as JSON.
pub(crate) fn area(name: &str, label: &str, value: &str, rows: u8) -> Markup {
    area_as(&format!("f-{name}"), name, label, value, rows)
}

/// The same under an id of its own, where a page has several of a name.
pub(crate) fn area_as(id: &str, name: &str, label: &str, value: &str, rows: u8) -> Markup {
    html! {
        div.field.wide {
            label for=(id) { (label) }
            textarea #(id) name=(name) rows=(rows) spellcheck="false" autocomplete="off" { (value) }
        }
    }
}

/// The px command that does the same. What is copied is what is seen: no control reaches a terminal.
pub(crate) fn command(text: &str) -> Markup {
    html! {
        span.cmd { code { (visible(text)) } button.copy type="button" hidden data-copy=(visible(text)) { "Copy" } }
    }
}

/// A button that copies a text; it is there only where scripts run.
pub(crate) fn copy(label: &str, text: &str) -> Markup {
    html! { button.copy type="button" hidden data-copy=(visible(text)) { (label) } }
}

/// Result of the act after which the page is shown, with the way back.
pub(crate) fn notice(notice: &Notice, href: Href, who: &Session) -> Markup {
    html! {
        div.notice role="status" {
            p { (crate::prose::sentence(&notice.text, href)) }
            @if let Some(undo) = &notice.undo {
                @let args: Vec<&str> = undo.args.iter().map(String::as_str).collect();
                (post(undo.route, &args, href, who, &html! {
                    @for (name, value) in &undo.fields { (hidden(name, value)) }
                    (submit(&undo.label, "", undo.route, who))
                }))
            }
        }
    }
}
