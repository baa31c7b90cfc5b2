//! As much of a reader of HTML as the rules need: tags and their attributes. It refuses what a
//! page of maud cannot have.

/// A tag with its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The opening tags of a page, in order.
pub fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, more) = tag(after);
        found.extend(tag);
        rest = more;
    }
    found
}

fn tag(text: &str) -> (Option<Tag>, &str) {
    if text.starts_with(['/', '!']) {
        return (None, text);
    }
    let end = text.find([' ', '>']).expect("a tag ends");
    let (name, mut rest) = text.split_at(end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(' ');
        if let Some(rest) = rest.strip_prefix('>') {
            return (Some(Tag { name: name.to_owned(), attributes }), rest);
        }
        let end = rest.find(['=', ' ', '>']).expect("an attribute ends");
        let (attribute, more) = rest.split_at(end);
        let Some(value) = more.strip_prefix("=\"") else {
            attributes.push((attribute.to_owned(), String::new()));
            rest = more;
            continue;
        };
        let (value, more) = value.split_once('"').expect("a value is quoted");
        attributes.push((attribute.to_owned(), unescaped(value)));
        rest = more;
    }
}

/// The text of a page, without its tags.
pub fn text(html: &str) -> String {
    let mut out = String::new();
    for part in html.split('<').skip(1) {
        let quoted = part.match_indices('"').count();
        assert!(quoted % 2 == 0 || !part.contains("=\""), "a tag is whole: {part}");
        // A `>` within a value is escaped.
        out.push_str(part.split_once('>').map_or("", |(_, text)| text));
    }
    unescaped(&out)
}
