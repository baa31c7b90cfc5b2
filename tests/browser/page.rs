//! A page of the browser as somebody uses it: what is clicked is found by its role and its name, and everything is waited
//! for by events of the browser or of the document.

use serde_json::{Value, json};

use super::cdp::{Browser, Event, Session};

/// Functions that the tests ask of each document.
const HELPERS: &str = include_str!("page.js");

/// Somebody with cookies of their own.
pub struct Visitor<'a> {
    browser: &'a Browser,
    context: String,
}

impl<'a> Visitor<'a> {
    pub fn new(browser: &'a Browser) -> Self {
        let made = browser.call("Target.createBrowserContext", json!({}));
        Self { browser, context: made["browserContextId"].as_str().unwrap().to_owned() }
    }

    /// A new page at this address of px, such as `http://127.0.0.1:8787`.
    pub fn page(&self, base: impl Into<String>) -> Page {
        Page::new(self.browser.session(&self.context), base.into())
    }
}

/// A page.
pub struct Page {
    session: Session,
    base: String,
}

impl Drop for Page {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seen = self.session.try_call(
                "Runtime.evaluate",
                json!({"expression": "location.href + '\\n' + (document.body?.innerText ?? '').slice(0, 3000)"}),
            );
            let seen = seen.ok().and_then(|seen| seen["result"]["value"].as_str().map(str::to_owned));
            eprintln!("the page showed: {}", seen.unwrap_or_default());
        }
    }
}

/// A text as a literal of JavaScript.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

impl Page {
    fn new(session: Session, base: String) -> Self {
        for domain in ["Page", "Runtime", "Log", "Network"] {
            session.call(&format!("{domain}.enable"), json!({}));
        }
        session.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": HELPERS}));
        session.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
        let page = Self { session, base };
        page.size(1280, 900, 1);
        page.scheme("light");
        page
    }

    /// The size of the window in CSS pixels, and the device's pixels for each.
    pub fn size(&self, width: u32, height: u32, scale: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": false});
        self.session.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Light or dark. Nothing moves, so that nothing has to be waited for.
    pub fn scheme(&self, scheme: &str) {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"}
        ]);
        self.session.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Opens a path, or a whole address.
    #[track_caller]
    pub fn goto(&self, path: &str) {
        let url = if path.contains("://") { path.to_owned() } else { format!("{}{path}", self.base) };
        self.loads(|| {
            let went = self.session.call("Page.navigate", json!({"url": url}));
            assert_eq!(went["errorText"], Value::Null, "{url}: {went}");
        });
    }

    /// Does something that brings another document, and waits until that is there.
    #[track_caller]
    pub fn loads(&self, act: impl FnOnce()) {
        let then = self.session.now();
        act();
        self.session.hears(then, "another page", |event| event.method == "Page.loadEventFired");
    }

    /// Goes back in the history, to a document that is made anew or was kept.
    #[track_caller]
    pub fn back(&self) {
        let then = self.session.now();
        let history = self.session.call("Page.getNavigationHistory", json!({}));
        let at = history["currentIndex"].as_u64().unwrap();
        let entry = &history["entries"][usize::try_from(at).unwrap() - 1]["id"];
        self.session.call("Page.navigateToHistoryEntry", json!({"entryId": entry}));
        self.session.hears(then, "the page before", |event| event.method == "Page.frameNavigated");
        self.until("document.readyState === 'complete'");
    }

    /// The value of an expression.
    #[track_caller]
    pub fn eval(&self, expression: &str) -> Value {
        self.evaluated(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn evaluated(&self, expression: &str) -> Result<Value, String> {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let answer = self.session.try_call("Runtime.evaluate", asked)?;
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(thrown["exception"]["description"].as_str().unwrap_or("it threw").to_owned()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true of this document, or of one that takes its place meanwhile.
    #[track_caller]
    pub fn until(&self, expression: &str) -> Value {
        let waiting = format!("__px.until(() => {expression})");
        loop {
            match self.evaluated(&waiting) {
                Ok(value) => return value,
                // Another document has come, and is looked at in its place.
                Err(why)
                    if why.contains("navigated") || why.contains("context") || why.contains("collected") => {}
                Err(why) => panic!("{expression}: {why}"),
            }
        }
    }

    /// Clicks on a thing, as soon as it can be clicked.
    #[track_caller]
    pub fn click(&self, role: &str, name: &str) {
        let at = self.until(&format!("__px.point({}, {})", literal(role), literal(name)));
        let event = |kind: &str| json!({"type": kind, "x": at["x"], "y": at["y"], "button": "left", "buttons": 1, "clickCount": 1});
        self.session.call("Input.dispatchMouseEvent", event("mousePressed"));
        self.session.call("Input.dispatchMouseEvent", event("mouseReleased"));
    }

    /// Clicks on a thing that leads to another document.
    #[track_caller]
    pub fn follow(&self, role: &str, name: &str) {
        self.loads(|| self.click(role, name));
    }

    /// Types a text in the place of what a field has.
    #[track_caller]
    pub fn fill(&self, label: &str, text: &str) {
        self.until(&format!("!!__px.find('field', {})", literal(label)));
        self.eval(&format!(
            "(() => {{ const f = __px.find('field', {}); f.focus(); f.select(); }})()",
            literal(label)
        ));
        self.session.call("Input.insertText", json!({"text": text}));
    }

    /// Chooses an entry of a list.
    #[track_caller]
    pub fn choose(&self, label: &str, entry: &str) {
        let chosen = self.eval(&format!(
            "(() => {{ const f = __px.find('field', {}); const o = [...f.options].find((o) => __px.plain(o.textContent) \
             .includes({})); if (!o) return false; f.value = o.value; \
             f.dispatchEvent(new Event('change', {{bubbles: true}})); return true; }})()",
            literal(label),
            literal(entry)
        ));
        assert_eq!(chosen, true, "{label} has no {entry}");
    }

    /// Presses a key.
    pub fn press(&self, key: &str) {
        self.press_all(key, 1);
    }

    /// Presses a key many times.
    pub fn press_all(&self, key: &str, times: usize) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "Home" => 36,
            _ => key.bytes().next().map_or(0, |byte| byte.to_ascii_uppercase()),
        };
        let text = match key {
            "Enter" => "\r",
            _ if key.chars().count() == 1 => key,
            _ => "",
        };
        let down =
            json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
        let up = json!({"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code});
        let once = [("Input.dispatchKeyEvent", down), ("Input.dispatchKeyEvent", up)];
        self.session.call_all(std::iter::repeat_n(once, times).flatten());
    }

    /// Pastes into the field that has the focus.
    pub fn paste(&self) {
        let key =
            json!({"type": "keyDown", "key": "v", "code": "KeyV", "modifiers": 2, "commands": ["paste"]});
        self.session.call("Input.dispatchKeyEvent", key);
    }

    /// Waits until the page shows a text.
    #[track_caller]
    pub fn see(&self, text: &str) {
        self.until(&format!("__px.text().includes({})", literal(text)));
    }

    /// The text that the page shows now.
    pub fn text(&self) -> String {
        self.eval("__px.text()").as_str().unwrap().to_owned()
    }

    /// Ends every session of this visitor, as the end of its time does.
    pub fn forget_cookies(&self) {
        self.session.call("Network.clearBrowserCookies", json!({}));
    }

    /// Waits until the page hears of news.
    #[track_caller]
    pub fn hears_news(&self) {
        self.until("!document.getElementById('live').hidden && document.getElementById('live-text').textContent === 'live'");
    }

    /// Whether a thing is to be seen now.
    pub fn has(&self, role: &str, name: &str) -> bool {
        self.eval(&format!("!!__px.find({}, {})", literal(role), literal(name))) == true
    }

    pub fn url(&self) -> String {
        self.eval("location.href").as_str().unwrap().to_owned()
    }

    /// The point in what was heard that is now, for [`complaints`](Self::complaints).
    pub fn now(&self) -> usize {
        self.session.now()
    }

    /// Status of the document that was loaded last.
    pub fn status(&self) -> u64 {
        let events = self.session.since(0);
        let is_document =
            |event: &&Event| event.method == "Network.responseReceived" && event.params["type"] == "Document";
        let last = events.iter().rev().find(is_document).expect("a page was loaded");
        last.params["response"]["status"].as_u64().unwrap()
    }

    /// Everything that the browser has complained of since then: errors of scripts, of the console, of the network, and what
    /// the page's policy forbade. That a refusal's own page has a status of an error is none.
    pub fn complaints(&self, then: usize) -> Vec<String> {
        let page = self.url();
        let page = page.split('#').next().unwrap_or_default();
        let complaint = |event: &Event| -> Option<String> {
            let said = &event.params;
            match event.method.as_str() {
                "Runtime.exceptionThrown" => Some(said["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" if matches!(said["type"].as_str(), Some("error" | "assert")) => {
                    Some(said["args"].to_string())
                }
                "Log.entryAdded" => {
                    let entry = &said["entry"];
                    let is_own_status = entry["source"] == "network" && entry["url"] == page;
                    let is_bad = entry["level"] == "error" || entry["source"] == "security";
                    (is_bad && !is_own_status).then(|| format!("{}: {}", entry["url"], entry["text"]))
                }
                _ => None,
            }
        };
        self.session.since(then).iter().filter_map(complaint).collect()
    }

    /// A picture of what the window shows, as a PNG in base64.
    pub fn picture(&self) -> String {
        let taken = self.session.call("Page.captureScreenshot", json!({"format": "png"}));
        taken["data"].as_str().unwrap().to_owned()
    }
}
