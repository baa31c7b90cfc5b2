//! Makes a payload that fits the schema, and carries an identifier where the webhook's own handler finds
//! it.
//!
//! Nobody wrote down where that is; but the binary holds the handler, and a handler is a function of the
//! request. So it is asked: each text and each number of a sample is changed in turn to see whether the
//! identifier changes with it; those that do are marked, the handler shows how it joins the marks, and the
//! wanted identifier is taken apart the same way. The result is given to the handler once more, and is used
//! only if the handler says exactly the wanted identifier.

use px_sdk::{RawInbound, Received, WebhookDef};
use serde_json::Value;

use crate::handler::AskHandler;

/// Most texts and numbers of a payload that are looked at.
const MAX_LEAVES: usize = 200;
/// Smallest number that marks a place in a sample; samples have none so large of their own.
const NUMBER_MARK: u64 = 900_000_000;

/// Asks a webhook's handler what it would do.
pub(crate) struct Oracle<'a> {
    pub(crate) def: &'a WebhookDef,
    pub(crate) handler: &'a dyn AskHandler,
    pub(crate) validator: Option<&'a jsonschema::Validator>,
    /// Makes the request that carries a payload.
    pub(crate) request: &'a (dyn Fn(&Value) -> Received + Sync),
}

impl Oracle<'_> {
    /// Returns whether the payload fits the schema.
    pub(crate) fn fits(&self, payload: &Value) -> bool {
        self.validator.is_none_or(|validator| validator.is_valid(payload))
    }

    /// The first thing that the handler says which is not to be ignored.
    /// Nothing where it needs resources: a command makes none, and a server's are no playground.
    pub(crate) async fn ask(&self, payload: &Value) -> Option<RawInbound> {
        if !self.def.needs.is_empty() {
            return None;
        }
        let answer = self.handler.ask((self.request)(payload), payload.clone()).await?;
        answer.into_iter().find(|inbound| inbound.ignored.is_none())
    }

    async fn identifier(&self, payload: &Value) -> Option<String> {
        self.ask(payload).await?.identifier
    }

    /// The first of the samples that the handler does something with; else the
    /// first that fits.
    pub(crate) async fn best(&self, samples: Vec<Value>) -> Option<Value> {
        let mut starting = None;
        let mut plainest = None;
        for sample in samples.into_iter().filter(|sample| self.fits(sample)) {
            match self.ask(&sample).await {
                Some(inbound) if inbound.identifier.is_some() => return Some(sample),
                Some(_) => starting = starting.or(Some(sample)),
                None => plainest = plainest.or(Some(sample)),
            }
        }
        starting.or(plainest)
    }

    /// A payload whose identifier is `wanted`, made from the sample that fits it
    /// most closely: where a handler puts `dm-` before a user, `dm-U7` is
    /// that user, and not a thread of that name.
    pub(crate) async fn aimed(&self, samples: Vec<Value>, wanted: &str) -> Option<Value> {
        let mut best: Option<(usize, Value)> = None;
        for sample in samples.into_iter().filter(|sample| self.fits(sample)) {
            if let Some((fixed, aimed)) = self.aim(sample, wanted).await
                && best.as_ref().is_none_or(|(most, _)| fixed > *most)
            {
                best = Some((fixed, aimed));
            }
        }
        best.map(|(_, aimed)| aimed)
    }

    /// The sample with the identifier in it, and how much of the identifier is
    /// the handler's own text.
    async fn aim(&self, payload: Value, wanted: &str) -> Option<(usize, Value)> {
        let before = self.identifier(&payload).await?;
        if before == wanted {
            return Some((wanted.len(), payload));
        }
        let mut marked = payload.clone();
        let mut marks = Vec::new();
        for (index, pointer) in leaves(&payload).into_iter().enumerate().take(MAX_LEAVES) {
            let Some((value, mark)) = mark(payload.pointer(&pointer)?, index) else { continue };
            let mut probe = payload.clone();
            *probe.pointer_mut(&pointer)? = value.clone();
            if self.identifier(&probe).await.is_some_and(|found| found.contains(&mark)) {
                *marked.pointer_mut(&pointer)? = value;
                marks.push((pointer, mark));
            }
        }
        let template = self.identifier(&marked).await?;
        let texts: Vec<&str> = marks.iter().map(|(_, mark)| mark.as_str()).collect();
        for parts in take_apart(&template, &texts, wanted) {
            let free: usize = parts.iter().map(String::len).sum();
            let mut aimed = payload.clone();
            for ((pointer, _), text) in marks.iter().zip(parts) {
                let leaf = aimed.pointer_mut(pointer)?;
                match leaf {
                    Value::Number(_) => match text.parse::<serde_json::Number>() {
                        Ok(number) => *leaf = Value::Number(number),
                        Err(_) => break,
                    },
                    _ => *leaf = Value::String(text),
                }
            }
            if self.fits(&aimed) && self.identifier(&aimed).await.as_deref() == Some(wanted) {
                return Some((wanted.len().saturating_sub(free), aimed));
            }
        }
        None
    }
}

/// Returns what a webhook's handler needs that no command has, if it needs anything of that kind: such a
/// handler answers nothing that somebody asks it outside a server.
#[must_use]
pub fn needs_a_server(def: &WebhookDef) -> Option<String> {
    let (noun, verb, names) = match (&def.needs[..], &def.secrets[..]) {
        ([], []) => return None,
        ([], secrets) => ("secret", "reads", secrets.to_vec()),
        (needs, _) => ("resource", "makes", needs.iter().map(ToString::to_string).collect::<Vec<_>>()),
    };
    let plural = if names.len() == 1 { "" } else { "s" };
    Some(format!("needs the {noun}{plural} {}, and only px serve {verb} {noun}s", names.join(" and ")))
}

/// A value that stands out, and how it looks inside an identifier.
fn mark(value: &Value, index: usize) -> Option<(Value, String)> {
    match value {
        Value::String(_) => {
            let text = format!("pxmark{index}x");
            Some((Value::String(text.clone()), text))
        }
        Value::Number(_) => {
            let number = NUMBER_MARK + u64::try_from(index).ok()?;
            Some((number.into(), number.to_string()))
        }
        _ => None,
    }
}

/// The pointers of all texts and numbers.
fn leaves(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    walk(value, &format!("{at}/{name}"), found);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    walk(value, &format!("{at}/{index}"), found);
                }
            }
            Value::String(_) | Value::Number(_) => found.push(at.to_owned()),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// Texts for the marks so that `template` becomes `wanted`: one for each
/// mark, in the order of `marks`. Several ways if the literals between the
/// marks allow several.
fn take_apart(template: &str, marks: &[&str], wanted: &str) -> Vec<Vec<String>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((at, index, mark)) = marks
        .iter()
        .enumerate()
        .filter_map(|(index, mark)| Some((rest.find(mark)?, index, *mark)))
        .min_by_key(|(at, ..)| *at)
    {
        let (literal, after) = rest.split_at(at);
        pieces.push((literal, index));
        rest = after.strip_prefix(mark).unwrap_or_default();
    }
    let mut ways = Vec::new();
    let mut bound = vec![None; marks.len()];
    fill(&pieces, rest, wanted, &mut bound, &mut ways);
    ways
}

/// Most ways to take an identifier apart that are tried.
const MAX_WAYS: usize = 64;

fn fill<'w>(
    pieces: &[(&str, usize)],
    tail: &str,
    wanted: &'w str,
    bound: &mut Vec<Option<&'w str>>,
    ways: &mut Vec<Vec<String>>,
) {
    if ways.len() >= MAX_WAYS {
        return;
    }
    let Some(((literal, index), rest)) = pieces.split_first() else {
        if wanted == tail {
            ways.push(bound.iter().map(|text| text.unwrap_or_default().to_owned()).collect());
        }
        return;
    };
    let Some(wanted) = wanted.strip_prefix(literal) else { return };
    if let Some(Some(known)) = bound.get(*index).copied() {
        if let Some(after) = wanted.strip_prefix(known) {
            fill(rest, tail, after, bound, ways);
        }
        return;
    }
    // The longest first: in `a#b#7` the number is what follows the last `#`.
    let ends = wanted.char_indices().map(|(at, _)| at).skip(1).chain([wanted.len()]);
    for end in ends.filter(|end| *end > 0).collect::<Vec<_>>().into_iter().rev() {
        let (text, after) = wanted.split_at(end);
        if let Some(place) = bound.get_mut(*index) {
            *place = Some(text);
        }
        fill(rest, tail, after, bound, ways);
    }
    if let Some(place) = bound.get_mut(*index) {
        *place = None;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn identifiers_are_taken_apart_as_the_handler_joins_them() {
        let first = |template, marks: &[&str], wanted| take_apart(template, marks, wanted).into_iter().next();
        let texts = |parts: &[&str]| Some(parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        assert_eq!(first("M1", &["M1"], "anything"), texts(&["anything"]));
        assert_eq!(first("dm-M1", &["M1"], "dm-U7"), texts(&["U7"]));
        assert_eq!(first("dm-M1", &["M1"], "U7"), None);
        assert_eq!(first("M1/M2#900", &["M1", "M2", "900"], "octo/repo#7"), texts(&["octo", "repo", "7"]));
        assert_eq!(first("M2 M1 M2", &["M1", "M2"], "b a b"), texts(&["a", "b"]));
        assert_eq!(first("M1", &["M1"], ""), None);
        assert_eq!(first("fixed", &[], "fixed"), texts(&[]));
    }

    #[test]
    fn leaves_have_pointers() {
        let value = json!({"a/b": {"c": ["x", 1, true]}, "d~": "y"});
        assert_eq!(leaves(&value), ["/a~1b/c/0", "/a~1b/c/1", "/d~0"]);
        for pointer in leaves(&value) {
            assert!(value.pointer(&pointer).is_some(), "{pointer}");
        }
    }
}
