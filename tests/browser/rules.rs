//! The rules that every screen keeps, over servers that have seen nothing, much, and refuse: no complaint of the browser, a
//! title and one head, no sideways scroll at any width or zoom, every control by the keyboard, the design's tokens, and
//! axe. Light at 1,280 pixels comes first; the rest is looked at without loading again.

use serde_json::Value;

use super::cdp::Browser;
use super::doors::log_in;
use super::page::{Page, Visitor};
use super::seeded::{self, EMPTY, Full, REFUSED, address, project, token};
use super::site::{PREFIX, Site};
use super::{Case, axe, tokens};

pub const CASES: &[Case] = &[
    ("screens_of_runs_and_events_keep_the_rules", |browser| full(browser, false)),
    ("screens_of_everything_else_keep_the_rules", |browser| full(browser, true)),
    ("every_screen_of_an_empty_server_keeps_the_rules", empty),
    ("every_screen_works_behind_a_prefix_and_on_a_name", elsewhere),
    ("planted_faults_are_found", planted),
];

/// Widths that nothing may scroll sideways at: a telephone, and 1,280 pixels at a zoom of 200 %.
const WIDTHS: [(u32, u32); 2] = [(360, 1), (640, 2)];

/// Everything that takes the focus and is to be seen.
const CONTROLS: &str = "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, \
     [tabindex=\"0\"]')].filter((one) => !one.disabled && __px.isSeen(one))";

/// Opens all that is folded, so that all of it is looked at.
pub fn unfold(page: &Page) {
    page.eval("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })");
}

/// Faults of a screen that is shown in light at 1,280 pixels.
fn faults(page: &Page, axe: Option<&axe::Axe>) -> Vec<String> {
    let mut found = heads(page);
    found.extend(sideways(page, 1280));
    found.extend(axe.into_iter().flat_map(|axe| axe.faults(page, "light")));
    unfold(page);
    found.extend(by_keyboard(page));
    found.extend(tokens::faults(page, "light"));
    page.scheme("dark");
    found.extend(tokens::faults(page, "dark"));
    found.extend(axe.into_iter().flat_map(|axe| axe.faults(page, "dark")));
    page.scheme("light");
    for (width, scale) in WIDTHS {
        page.size(width, 800, scale);
        found.extend(sideways(page, width));
        if scale == 1 {
            found.extend(
                tokens::faults(page, "light").into_iter().map(|fault| format!("{width} px: {fault}")),
            );
        }
    }
    page.size(1280, 900, 1);
    found
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

/// A title of its own, and one head.
fn heads(page: &Page) -> Vec<String> {
    let found = page.eval(
        "(() => { const heads = document.querySelectorAll('h1'); const out = []; \
         if (heads.length !== 1) out.push(`${heads.length} heads of the first level`); \
         if (!/px$/.test(document.title) || document.title.length < 4) out.push(`the title is '${document.title}'`); \
         return out; })()",
    );
    texts(&found)
}

/// Whatever is wider than the window, named by the elements that are.
fn sideways(page: &Page, width: u32) -> Vec<String> {
    let found = page.eval(
        "(() => { const most = document.documentElement.clientWidth; \
         if (document.documentElement.scrollWidth <= most) return []; \
         const wide = [...document.querySelectorAll('body *')].filter((one) => __px.isSeen(one) && \
           one.getBoundingClientRect().right > most + 0.5 && !one.closest('.scroll, pre, .places')); \
         return [`scrolls sideways, ${document.documentElement.scrollWidth} of ${most}: ` + wide.slice(0, 4).map((one) => \
           `${one.tagName.toLowerCase()}.${one.className?.baseVal ?? one.className} '${__px.plain(one.textContent).slice(0, 40)}'`).join(', ')]; })()",
    );
    texts(&found).into_iter().map(|fault| format!("{width} px: {fault}")).collect()
}

/// Controls that Tab does not come to, and those that do not show the focus there. The page hears no more news meanwhile,
/// and what was put in another's place before that counts as the same.
fn by_keyboard(page: &Page) -> Vec<String> {
    let count = page.eval(&format!(
        "(() => {{ window.dispatchEvent(new Event('pagehide')); \
         window.__key = (one) => [one.tagName, __px.nameOf(one), one.href, one.value, one.id].join(' '); \
         window.__reached = new Map(); document.activeElement?.blur(); getSelection().removeAllRanges(); \
         document.addEventListener('focusin', (event) => {{ const style = getComputedStyle(event.target); \
           const shows = (one) => one.outlineStyle !== 'none' && parseFloat(one.outlineWidth) >= 2; \
           window.__reached.set(window.__key(event.target), shows(style)); }}); \
         window.scrollTo(0, 0); return {CONTROLS}.length; }})()"
    ));
    // Boxes that scroll take the focus too, so there are some more steps than controls.
    let steps = usize::try_from(count.as_u64().unwrap()).unwrap() + 24;
    page.press_all("Tab", steps);
    let found = page.eval(&format!(
        "(() => {{ const name = (one) => `${{one.tagName.toLowerCase()}} '${{__px.nameOf(one).slice(0, 40)}}'`; \
         const missed = {CONTROLS}.filter((one) => !window.__reached.has(window.__key(one))).map((one) => `Tab does not reach ${{name(one)}}`); \
         const blind = [...window.__reached].filter(([, shows]) => !shows).map(([key]) => `no focus is seen at ${{key}}`); \
         return [...missed, ...blind]; }})()"
    ));
    texts(&found)
}

/// Looks at screens, and says all that is wrong with all of them.
fn look(page: &Page, screens: &[&str], axe: Option<&axe::Axe>, found: &mut Vec<String>) {
    for screen in screens {
        let then = page.now();
        page.goto(&format!("/ui/{screen}"));
        let mut faults = faults(page, axe);
        faults.extend(page.complaints(then));
        found.extend(faults.into_iter().map(|fault| format!("ui/{screen}: {fault}")));
    }
}

#[track_caller]
fn none(mut found: Vec<String>) {
    found.dedup();
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

/// Half of the screens of a server that has seen much, so that two are looked at at a time.
fn full(browser: &Browser, is_second: bool) {
    let server = Full::serve(4);
    let axe = axe::Axe::fetched();
    let page = Visitor::new(browser).page(address(&server.px));
    let screens: Vec<&str> = server.screens.iter().map(String::as_str).chain(REFUSED).collect();
    let (first, second) = screens.split_at(screens.len() * 2 / 5);
    let mut found = Vec::new();
    look(&page, if is_second { second } else { first }, axe.as_ref(), &mut found);
    none(found);
}

fn empty(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let axe = axe::Axe::fetched();
    let page = Visitor::new(browser).page(address(&px));
    let mut found = Vec::new();
    look(&page, &EMPTY, axe.as_ref(), &mut found);
    let (admin, _) = token(&px, "me", "admin", None);
    look(&page, &["login"], axe.as_ref(), &mut found);
    page.goto("/ui/login?next=tokens");
    log_in(&page, "pxt_wrong");
    found.extend(faults(&page, axe.as_ref()).into_iter().map(|fault| format!("a refused login: {fault}")));
    log_in(&page, &admin);
    look(&page, &["", "tokens"], axe.as_ref(), &mut found);
    page.goto("/ui/tokens");
    page.fill("Name", "ci");
    page.follow("button", "Make a token");
    page.see("shown this once");
    found.extend(
        faults(&page, axe.as_ref()).into_iter().map(|fault| format!("a token that was made: {fault}")),
    );
    none(found);
}

/// Behind a proxy that strips a prefix, and by a name over plain http: everything that a screen asks for is there.
fn elsewhere(browser: &Browser) {
    let server = Full::serve(4);
    let (admin, _) = token(&server.px, "me", "admin", None);
    let proxy = Site::before(server.px.address);
    let bases = [
        format!("http://127.0.0.1:{}{PREFIX}", proxy.port),
        format!("http://px.test:{}", server.px.address.port()),
    ];
    let mut found = Vec::new();
    for base in &bases {
        let page = Visitor::new(browser).page(base);
        page.goto("/ui");
        log_in(&page, &admin);
        let screens = server.screens.iter().map(String::as_str).chain(REFUSED);
        for screen in screens {
            let then = page.now();
            page.goto(&format!("/ui/{screen}"));
            let mut faults = heads(&page);
            faults.extend(outside(&page, &format!("{base}/ui/")));
            faults.extend(sideways(&page, 1280));
            faults.extend(page.complaints(then));
            found.extend(faults.into_iter().map(|fault| format!("{base}/ui/{screen}: {fault}")));
        }
        // News and forms find their way as well.
        page.goto("/ui/runs");
        page.hears_news();
        let run = seeded::run_by(&server.px, &admin, "onboarding");
        page.until("!document.getElementById('new').hidden");
        page.goto(&format!("/ui/runs/{run}"));
        page.click("button", "More about this run");
        page.follow("button", "Pause");
        page.see("The run is paused");
        assert!(page.url().starts_with(&format!("{base}/ui/runs/{run}")), "{}", page.url());
    }
    none(found);
}

/// Links and forms that lead to this server, and out of the page.
fn outside(page: &Page, root: &str) -> Vec<String> {
    let found = page.eval(&format!(
        "[...document.querySelectorAll('a[href], form, link[href], script[src]')].map((one) => one.href || one.action || one.src)\
         .filter((to) => new URL(to).host === location.host && !to.startsWith({root:?})).map((to) => `leads out of the page: ${{to}}`)"
    ));
    texts(&found)
}

/// That the rules would find what they are there for.
fn planted(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let page = Visitor::new(browser).page(address(&px));
    let plant = |script: &str| {
        page.goto("/ui/runs");
        let then = page.now();
        page.eval(script);
        // A turn of the browser, so that what it has to say is said.
        page.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
        (page.complaints(then), faults(&page, None).join("\n"))
    };
    let (said, _) =
        plant("document.querySelector('h1').insertAdjacentHTML('beforeend', '<b style=\"color:red\">x</b>')");
    assert!(said.iter().any(|text| text.contains("style-src")), "{said:?}");
    let (said, _) = plant(
        "(() => { const one = document.createElement('script'); one.textContent = 'window.ran = 1'; document.body.append(one); })()",
    );
    assert!(said.iter().any(|text| text.contains("script-src")), "{said:?}");
    assert_eq!(page.eval("window.ran ?? null"), Value::Null);
    let (said, _) = plant("console.error('it went wrong')");
    assert!(said.iter().any(|text| text.contains("it went wrong")), "{said:?}");
    let (said, _) = plant("fetch('nowhere')");
    assert!(said.iter().any(|text| text.contains("404")), "{said:?}");
    for (script, fault) in [
        ("document.querySelector('h1').remove()", "0 heads of the first level"),
        ("document.title = 'x'", "the title is 'x'"),
        (
            "document.querySelector('main').append(Object.assign(document.createElement('p'), {textContent: 'x'})); \
          document.querySelector('main p:last-child').style.width = '2000px'",
            "scrolls sideways",
        ),
        ("document.querySelector('form.filter button').tabIndex = -1", "Tab does not reach button"),
        ("document.querySelector('form.filter button').style.outline = 'none'", "no focus is seen at BUTTON"),
        ("document.querySelector('h1').style.fontSize = '19px'", "font-size: 19px"),
        ("document.querySelector('h1').style.paddingTop = '5px'", "padding-top: 5px"),
        ("document.querySelector('h1').style.color = 'rgb(1, 2, 3)'", "color: rgb(1, 2, 3)"),
        (
            "document.querySelector('form.filter button').style.borderRadius = '3px'",
            "border-top-left-radius: 3px",
        ),
    ] {
        let (_, found) = plant(script);
        assert!(found.contains(fault), "{script} goes unseen:\n{found}");
    }
}
