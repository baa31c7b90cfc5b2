//! The page behind a link: HTML without a script and without anything from
//! elsewhere. All words are other people's, and are escaped.
//!
//! The header forbids a referrer, and browsers then send `Origin: null` with a form.
//! So a page with buttons asks by its own `meta` that this server alone gets one.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use px_core::wait::Ask;
use px_core::{Date, Timestamp};
use sha2::{Digest as _, Sha256};

use super::standing::{End, Over, Standing, Vote};

const STYLE: &str = include_str!("style.css");

const NOTHING: &str = "Nothing is asked of you any more.";

/// Questions of more characters are set as text and not as a headline.
const LONG: usize = 280;

/// The policy of every page: its own style, its own form, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
});

/// Returns the content security policy of every page.
pub(super) fn policy() -> &'static str {
    &POLICY
}

/// Sentence in front of the buttons, for somebody whose choice was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// The page was too old, or is none of this link's.
    Stale,
    /// The request named no answer of the question.
    NoAnswer,
    /// The answer could not be stored.
    NotStored,
}

impl Notice {
    const fn text(self) -> &'static str {
        match self {
            Self::Stale => "This page was open for too long, so nothing was sent. Please choose again.",
            Self::NoAnswer => "Nothing was sent, since no answer was chosen. Please choose one.",
            Self::NotStored => "Your answer could not be stored just now. Please choose again in a moment.",
        }
    }
}

/// The page of an open question. `nonce` goes with its buttons.
pub(super) fn question(ask: &Ask, nonce: &str, notice: Option<Notice>) -> String {
    let mut main = String::new();
    let kicker = match &ask.approver {
        Some(approver) => format!("A question for <bdi>{}</bdi>", escaped(approver)),
        None => "A question for you".to_owned(),
    };
    words(&mut main, &kicker, ask);
    if let Some(notice) = notice {
        // Writing into a text cannot fail, here and below.
        let _ = write!(main, "<p class=\"note\" role=\"alert\">{}</p>", notice.text());
    }
    let class = if ask.answers.len() == 2 { " class=\"two\"" } else { "" };
    let _ = write!(main, "<form method=\"post\" autocomplete=\"off\" aria-label=\"Your answer\"{class}>");
    let _ = write!(main, "<input type=\"hidden\" name=\"nonce\" value=\"{}\">", escaped(nonce));
    for (index, answer) in ask.answers.iter().enumerate() {
        let label = escaped(&answer.label);
        let _ = write!(
            main,
            "<button type=\"submit\" name=\"answer\" value=\"{index}\" dir=\"auto\">{label}</button>"
        );
    }
    main.push_str("</form>");
    let until = ask.expires.map_or_else(String::new, |at| format!(" The link is good until {}.", moment(at)));
    let footer = format!("Whoever has this link can answer, and only once.{until}");
    whole("A question for you", &main, &footer, true)
}

/// The page of a question that cannot be answered by this link, or of none at all.
pub(super) fn closed(standing: &Standing) -> String {
    match standing {
        // An open question has a page of its own.
        Standing::Open(ask) | Standing::Expired(ask) => {
            let mut main = String::new();
            words(&mut main, "This link has expired", ask);
            let at = ask.expires.map_or_else(String::new, |at| format!(" since {}", moment(at)));
            let _ =
                write!(main, "<p>It is worth nothing{at}. Whoever sent it to you can send another one.</p>");
            whole("This link has expired", &main, "", false)
        }
        Standing::Early => plain(
            "Not quite ready",
            "The question behind this link is being prepared. Please open it again in a moment.",
        ),
        Standing::Gone => plain("No longer kept", "What this link was about is not kept any more."),
        Standing::Over(over) => ended(over),
    }
}

/// The page of a URL that is no link: it tells nothing.
pub(super) fn unknown() -> String {
    plain("Nothing here", "There is nothing at this address. Please check that the link is complete.")
}

/// The page for whoever posts from another page.
pub(super) fn foreign() -> String {
    plain(
        "Not from here",
        "This answer did not come from the page behind the link, so it was not taken. Please open the link itself, \
         and choose there.",
    )
}

fn ended(over: &Over) -> String {
    let title = match (over.ended, over.votes.is_empty()) {
        (_, false) => "Answered",
        (Some(End::TimedOut), true) => "The time is over",
        _ => "This question is closed",
    };
    let mut main = String::new();
    match &over.ask {
        Some(ask) => words(&mut main, title, ask),
        None => {
            let _ = write!(main, "<h1>{title}</h1>");
        }
    }
    if !over.votes.is_empty() {
        main.push_str("<ul>");
        over.votes.iter().for_each(|vote| entry(&mut main, vote));
        main.push_str("</ul>");
    }
    let at = over.ended_at.map_or_else(String::new, |at| format!(" on {}", moment(at)));
    let sentence = match over.ended {
        None if over.others => "Your link is used. Others may still answer.".to_owned(),
        None => "Your link is used. Nothing more is asked of you.".to_owned(),
        Some(End::Answered) => "Nothing more is asked of you.".to_owned(),
        Some(End::TimedOut) => format!("The time to answer ended{at}."),
        Some(End::Closed) => format!("Enough was answered, and the question was closed{at}."),
        Some(End::Cancelled) => format!("What asked was cancelled{at}. {NOTHING}"),
        Some(End::Failed) => format!("What asked failed{at}, so no answer counts any more."),
        Some(End::Reran) => {
            format!("What asked went back{at}. If it asks again, it sends another link.")
        }
        Some(End::Unknown) => format!("The question was closed{at}. {NOTHING}"),
    };
    let _ = write!(main, "<p class=\"small\">{sentence}</p>");
    whole(title, &main, "", false)
}

fn entry(main: &mut String, vote: &Vote) {
    let label = vote.label.as_deref().map_or_else(|| "Answered in another way".to_owned(), escaped);
    let by = match (&vote.by, vote.by_hand) {
        (_, true) => "Given by an operator, ".to_owned(),
        (Some(by), false) => format!("<bdi>{}</bdi>, ", escaped(by)),
        (None, false) => String::new(),
    };
    let _ =
        write!(main, "<li><strong><bdi>{label}</bdi></strong> <small>{by}{}</small></li>", moment(vote.at));
}

fn words(main: &mut String, kicker: &str, ask: &Ask) {
    let class = if ask.words.chars().nth(LONG).is_some() { " class=\"long\"" } else { "" };
    // The language of the words is nobody's to guess, and their direction is their own.
    let _ = write!(
        main,
        "<p class=\"kicker\">{kicker}</p><h1 lang=\"\" dir=\"auto\"{class}>{}</h1>",
        escaped(&ask.words)
    );
}

fn plain(title: &str, text: &str) -> String {
    whole(title, &format!("<h1>{title}</h1><p>{text}</p>"), "", false)
}

fn whole(title: &str, main: &str, footer: &str, has_form: bool) -> String {
    let referrer = if has_form { "<meta name=\"referrer\" content=\"same-origin\">\n" } else { "" };
    let footer =
        if footer.is_empty() { String::new() } else { format!("<footer><p>{footer}</p></footer>\n") };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex, nofollow\">\n\
         {referrer}<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>{main}</main>\n{footer}\
         </body>\n</html>\n"
    )
}

/// A text of somebody else's for HTML, in elements and in quoted attributes. Control
/// characters are left out, and those that turn the direction of what follows are shown
/// as unreadable: with them a question could be made to look like another one.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

/// A time as people read it, with its form for machines.
fn moment(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let minutes = at.as_secs() / 60;
    let days = i64::try_from(minutes / 1_440).unwrap_or_default();
    let Date { year, month, day } = Date::of_days(days);
    let name =
        usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or_default();
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    format!("<time datetime=\"{at}\">{day} {name} {year}, {hour:02}:{minute:02} UTC</time>")
}

#[cfg(test)]
mod tests {
    use px_core::wait::AskedAnswer;
    use serde_json::json;

    use super::*;

    fn ask(words: &str, labels: &[&str], approver: Option<&str>) -> Ask {
        let answers = labels.iter().map(|label| AskedAnswer { label: (*label).into(), value: json!(label) });
        Ask {
            words: words.into(),
            answers: answers.collect(),
            approver: approver.map(Into::into),
            expires: None,
        }
    }

    #[test]
    fn hostile_words_stay_words() {
        let script = "</h1><script>alert(1)</script>\"'&<b onmouseover=x>";
        let page = question(&ask(script, &[script, "No"], Some(script)), "n\"><x", None);
        let quoted =
            "&lt;/h1&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;&lt;b onmouseover=x&gt;";
        assert_eq!(page.matches(quoted).count(), 3, "{page}");
        for tag in ["<script", "<b ", "<x", "<img"] {
            assert!(!page.contains(tag), "{tag}");
        }
        assert!(page.contains("value=\"n&quot;&gt;&lt;x\""));
        let turned = escaped("a\u{202e}b\u{2066}c\u{200f}d\0e\u{1b}[31mf\r\ng\th😀שלום");
        assert_eq!(turned, "a\u{fffd}b\u{fffd}c\u{200f}de[31mf\ng\th😀שלום");
        let long = "ä😀<".repeat(600);
        let page = question(&ask(&long, &["Yes"], None), "n", None);
        assert!(
            page.contains("<h1 lang=\"\" dir=\"auto\" class=\"long\">")
                && page.contains(&"ä😀&lt;".repeat(600))
        );
    }

    #[test]
    fn a_question_has_a_button_for_each_answer_and_none_is_chosen() {
        let page = question(&ask("Refund?", &["Approve", "Refuse", "Later"], Some("anna")), "nonce", None);
        assert_eq!((page.matches("<form").count(), page.matches("<button").count()), (1, 3));
        for word in
            ["checked", "selected", "autofocus", "<script", "http:", "https:", "src=", "href=", "onclick"]
        {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("A question for <bdi>anna</bdi>") && page.contains("content=\"same-origin\""));
        assert!(!page.contains("role=\"alert\""));
        let again = question(&ask("Refund?", &["Approve"], None), "nonce", Some(Notice::Stale));
        assert!(again.contains("role=\"alert\"") && again.contains("Refund?") && again.contains("<button"));
    }

    #[test]
    fn what_is_closed_has_no_form_and_says_who_answered_and_when() {
        let at = Timestamp::from_millis(1_768_473_000_007);
        let vote =
            Vote { label: Some("Approve".into()), by: Some("anna@example.com".into()), by_hand: false, at };
        let over = Over {
            ask: Some(ask("Refund?", &["Approve"], None)),
            votes: vec![vote.clone(), Vote { label: None, by: None, by_hand: true, at }],
            ended: Some(End::Answered),
            ended_at: Some(at),
            others: false,
        };
        let page = closed(&Standing::Over(over));
        for words in
            ["Refund?", "<bdi>Approve</bdi>", "anna@example.com", "15 January 2026, 10:30 UTC", "operator"]
        {
            assert!(page.contains(words), "{words}: {page}");
        }
        let over = |ended| Over { ended, ended_at: Some(at), ..Over::default() };
        let pages = [
            page,
            closed(&Standing::Over(over(Some(End::TimedOut)))),
            closed(&Standing::Over(over(Some(End::Unknown)))),
            closed(&Standing::Over(Over { votes: vec![vote], ..Over::default() })),
            closed(&Standing::Expired(Ask { expires: Some(at), ..ask("Refund?", &["Approve"], None) })),
            closed(&Standing::Early),
            closed(&Standing::Gone),
            unknown(),
            foreign(),
        ];
        for page in pages {
            assert!(!page.contains("<form") && !page.contains("<button") && page.contains("<h1"), "{page}");
        }
    }

    #[test]
    fn each_end_has_its_own_words_and_others_are_named_where_there_are_some() {
        let ends = [
            End::Answered,
            End::TimedOut,
            End::Closed,
            End::Cancelled,
            End::Failed,
            End::Reran,
            End::Unknown,
        ];
        let over = |ended, others| closed(&Standing::Over(Over { ended, others, ..Over::default() }));
        let pages: std::collections::BTreeSet<_> = ends.iter().map(|end| over(Some(*end), false)).collect();
        assert_eq!(pages.len(), ends.len());
        assert!(pages.iter().all(|page| !page.contains("Others may")));
        assert!(over(None, true).contains("Others may still answer"));
        assert!(!over(None, false).contains("Others may still answer"));
    }

    #[test]
    fn the_policy_knows_the_style_and_forbids_the_rest() {
        let page = unknown();
        let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        assert!(policy().contains(&format!("'sha256-{hash}'")), "{}", policy());
        assert!(!style.contains("url(") && !style.contains("@import") && !style.contains('<'));
        for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy().contains(part), "{part}");
        }
    }
}
