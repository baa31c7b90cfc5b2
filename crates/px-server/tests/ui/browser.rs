//! A browser, as far as the page's door looks at one: cookies by their path, what it says of
//! where a request comes from, and the forms of a page.

use px_server::Running;

use crate::support::{parts, request, status};

/// A browser: it keeps cookies by their path, and says what browsers say.
#[derive(Default)]
pub(crate) struct Browser {
    pub(crate) cookies: Vec<(String, String, String)>,
}

pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// The path that it was answered at.
    pub(crate) at: String,
}

impl Shown {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The mark of the first form.
    pub(crate) fn mark(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").expect("the page has a form");
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub(crate) async fn get(&mut self, server: &Running, path: &str) -> Shown {
        let mut at = path.to_owned();
        for _ in 0..8 {
            let shown = self.ask(server, "GET", &at, "sec-fetch-site: none\r\n", "").await;
            let Some(location) = shown.header("location").filter(|_| shown.status == 303) else {
                return shown;
            };
            at = joined(&at, location);
        }
        panic!("{path} leads nowhere");
    }

    /// Sends a form with its mark from one of our pages, and follows where it leads.
    pub(crate) async fn post(&mut self, server: &Running, path: &str, mark: &str, fields: &str) -> Shown {
        let shown = self.send(server, path, mark, fields).await;
        match shown.header("location").filter(|_| shown.status == 303).map(|to| joined(path, to)) {
            Some(to) => self.get(server, &to).await,
            None => shown,
        }
    }

    pub(crate) async fn send(&mut self, server: &Running, path: &str, mark: &str, fields: &str) -> Shown {
        let lines = "origin: http://localhost\r\nsec-fetch-site: same-origin\r\n\
                     content-type: application/x-www-form-urlencoded\r\n";
        self.ask(server, "POST", path, lines, &format!("csrf={mark}&{fields}")).await
    }

    pub(crate) async fn ask(
        &mut self,
        server: &Running,
        method: &str,
        path: &str,
        lines: &str,
        body: &str,
    ) -> Shown {
        let plain = path.split('?').next().unwrap();
        let own = self.cookies.iter().filter(|(_, _, folder)| plain.starts_with(folder.as_str()));
        let own: Vec<_> = own.map(|(name, value, _)| format!("{name}={value}")).collect();
        let cookies = if own.is_empty() { String::new() } else { format!("cookie: {}\r\n", own.join("; ")) };
        let accept = "accept: text/html,application/xhtml+xml\r\n";
        let answer = request(server, method, path, &format!("{accept}{cookies}{lines}"), body).await;
        let (head, body) = parts(&answer);
        for line in head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let folder = plain.rsplit_once('/').unwrap().0.to_owned();
            self.cookies.retain(|(own, _, other)| (own.as_str(), other) != (name, &folder));
            if !rest.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned(), folder));
            }
        }
        Shown { status: status(&answer), head: head.to_owned(), body: body.to_owned(), at: path.to_owned() }
    }
}

/// A relative place as seen from a path.
pub(crate) fn joined(from: &str, to: &str) -> String {
    assert!(!to.starts_with('/') && !to.contains("//"), "a link that is not relative: {to}");
    let from = from.split('?').next().unwrap();
    let (to, query) = to.split_once('?').map_or((to, String::new()), |(to, query)| (to, format!("?{query}")));
    let mut parts: Vec<&str> = from.split('/').skip(1).collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    let slash = if to.ends_with('.') { "/" } else { "" };
    format!("/{}{slash}{query}", parts.join("/"))
}

/// Fields of the first form that posts to a place, with what they hold.
pub(crate) fn fields_of(shown: &Shown, action: &str) -> Vec<(String, String)> {
    let (_, form) = shown.body.split_once(&format!("action=\"{action}\"")).expect("there is such a form");
    let form = form.split("</form>").next().unwrap();
    let text = |text: &str| {
        text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    };
    let inputs = form.split("<input").skip(1).filter_map(|input| {
        let of = |name: &str| Some(input.split_once(&format!("{name}=\""))?.1.split('"').next()?.to_owned());
        Some((of("name")?, text(&of("value")?)))
    });
    let areas = form.split("<textarea").skip(1).filter_map(|area| {
        let name = area.split_once("name=\"")?.1.split('"').next()?;
        let value = area.split_once('>')?.1.split("</textarea>").next()?;
        Some((name.to_owned(), text(value)))
    });
    inputs.chain(areas).collect()
}

pub(crate) fn encoded(fields: &[(String, String)]) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    let text = |text: &str| text.bytes().map(byte).collect::<String>();
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", text(name), text(value)));
    pairs.collect::<Vec<_>>().join("&")
}
