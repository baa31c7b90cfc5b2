//! What is drawn anew on a terminal.

use crate::serving::Serving;
use crate::support::Project;
use crate::terminal;

#[test]
fn top_is_drawn_anew_in_its_place() {
    let project = Project::small().with("CHAT_SECRET", "a").with("CODE_SECRET", "b").with("SMS_SECRET", "c");
    let serving = Serving::start(&project, &[]);
    let project = project.with("PX_URL", &serving.url);
    let run = project.px(&["run", "feedback", "-s", "name=Ada", "-s", "phone=+1555"]).stdout;
    let waits = |_| project.px(&["runs", "show", run.trim(), "--json"]).json()["status"] == "waiting";
    assert!((0..200).any(waits), "{run} does not wait");
    let shown = terminal::px_until(&project, &["top"], "sms +1555", 2);
    let (first, second) =
        shown.split_once("\u{1b}[9A").unwrap_or_else(|| panic!("not drawn anew: {shown:?}"));
    for part in [first, second] {
        assert!(part.contains("Nothing needs attention.") && part.contains("sms +1555"), "{shown:?}");
    }
    assert_eq!(serving.end().0, 0);
}
