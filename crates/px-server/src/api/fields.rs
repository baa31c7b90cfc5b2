//! Fields of bodies and of queries that a route does not know (docs/rules.md#61). On px's own
//! routes they are refused. On the ancestor's, whose clients send some that mean
//! nothing here, only what looks like a slip is; the rest is named in a header.

use std::borrow::Cow;
use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue};
use px_api::suggest;
use px_inbound::verify::form_fields;
use serde::Deserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};

use crate::error::ApiError;

static WARNING: HeaderName = HeaderName::from_static("px-warning");

/// The longest part of a name that is repeated, characters.
const MAX_NAME: usize = 64;

/// Unknown fields that are named in an answer.
const MAX_NAMED: usize = 8;

/// Unknown fields of a body that are looked at, so that a body full of them costs
/// no more than it takes to read it.
const MAX_LOOKED_AT: usize = 256;

/// Bytes from which on an unknown name is not repeated where it may be a secret: a shorter text cannot be one.
const MIN_SECRET: usize = 8;

/// The fields of a body that are not among those of its type.
pub(super) struct Unknown {
    names: Vec<String>,
    known: &'static [&'static str],
    /// Place of the object in the body, such as `secrets[3]`; empty for the body itself.
    place: String,
    /// True where a name may be the value of a secret.
    is_discreet: bool,
}

impl Unknown {
    /// Those of a body that is a JSON object; none of any other.
    pub(super) fn of<T: DeserializeOwned>(body: &[u8]) -> Self {
        Self::among(body, known_fields::<T>())
    }

    fn among(body: &[u8], known: &'static [&'static str]) -> Self {
        let mut names = BTreeSet::new();
        let reads = Names { names: &mut names, known };
        let is_object = serde_json::Deserializer::from_slice(body).deserialize_map(reads).is_ok();
        let names = names.into_iter().filter(|_| is_object).collect();
        Self { names, known, place: String::new(), is_discreet: false }
    }

    /// Those of a query, of which what is no slip is passed over on every route: proxies and pages add some.
    pub(super) fn of_query(query: &str, known: &'static [&'static str]) -> Self {
        let fields = form_fields(query.as_bytes()).into_iter().map(|(name, _)| name);
        let names = fields.filter(|name| !name.is_empty() && !known.contains(&name.as_str()));
        let names = names.take(MAX_LOOKED_AT).collect();
        Self { names, known, place: "The query".to_owned(), is_discreet: false }
    }

    /// Those of a body that nobody reads.
    pub(super) fn of_nothing(body: &[u8]) -> Self {
        Self { place: String::new(), ..Self::among(body, &[]) }
    }

    /// Those of an object within the body, at a place such as `secrets[3]`.
    pub(super) fn of_part<T: DeserializeOwned>(part: &[u8], place: String) -> Self {
        Self { place, ..Self::of::<T>(part) }
    }

    /// The same, where a name may be the value of a secret: it is repeated only if it is a slip, or too
    /// short to be one.
    pub(super) fn discreet(self) -> Self {
        Self { is_discreet: true, ..self }
    }

    fn is_slip(&self, name: &str) -> bool {
        // Of a name of a letter or two, everything short would be a slip.
        self.known.iter().any(|known| known.len() > 2 && suggest::is_slip(name, known))
    }

    /// The refusal of a field.
    fn refusal(&self, name: &str) -> ApiError {
        let is_told = !self.is_discreet || name.len() < MIN_SECRET || self.is_slip(name);
        let place: &str = if self.place.is_empty() { "The request's body" } else { &self.place };
        ApiError::bad_request(unknown(place, Some(name).filter(|_| is_told), self.known))
    }

    /// The text of the header about a field.
    fn warning(&self, name: &str) -> String {
        if self.is_discreet && name.len() >= MIN_SECRET {
            return format!("unknown field of {} bytes", name.len());
        }
        format!("unknown field {}", printable(name))
    }

    /// For a route of px.
    ///
    /// # Errors
    /// 400 if there is one.
    pub(super) fn refuse(&self) -> Result<(), ApiError> {
        match self.names.first() {
            Some(name) => Err(self.refusal(name)),
            None => Ok(()),
        }
    }

    /// For a route of the ancestor.
    ///
    /// # Errors
    /// 400 if one is within two letters of a field that there is.
    pub(super) fn refuse_slips(&self) -> Result<(), ApiError> {
        match self.names.iter().find(|name| self.is_slip(name)) {
            Some(name) => Err(self.refusal(name)),
            None => Ok(()),
        }
    }

    /// The header that names what is passed over.
    fn named(&self) -> HeaderMap {
        let named = self.names.iter().take(MAX_NAMED).map(|name| {
            let text = HeaderValue::try_from(self.warning(name));
            (WARNING.clone(), text.unwrap_or(HeaderValue::from_static("unknown field")))
        });
        named.collect()
    }

    /// The header that names what is passed over, where no slip is.
    ///
    /// # Errors
    /// 400 if one is within two letters of a field that there is.
    pub(super) fn warn(&self) -> Result<HeaderMap, ApiError> {
        self.refuse_slips().map(|()| self.named())
    }

    /// An answer of a route of the ancestor, also a refusal, with the header that names what is passed over:
    /// it may be the reason for the refusal.
    pub(super) fn named_in<T>(&self, answer: Result<T, ApiError>) -> Result<(HeaderMap, T), ApiError> {
        match answer {
            Ok(answer) => Ok((self.named(), answer)),
            // A slip is said in the refusal itself.
            Err(error) => Err(error.warned(self.warn().unwrap_or_default())),
        }
    }
}

/// The names of a struct's fields, as they are written.
pub(super) fn known_fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // An error by its nature: there is nothing to read.
    let _ = T::deserialize(NamesOfStruct(&mut names));
    names
}

/// Reads nothing, and notes the fields that a struct asks for.
struct NamesOfStruct<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for NamesOfStruct<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("there is nothing to read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Reads the names of an object's fields, and keeps the first that are unknown.
struct Names<'a> {
    names: &'a mut BTreeSet<String>,
    known: &'a [&'a str],
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some((name, IgnoredAny)) = fields.next_entry::<Cow<'de, str>, _>()? {
            if self.names.len() < MAX_LOOKED_AT && !self.known.contains(&&*name) {
                self.names.insert(name.into_owned());
            }
        }
        Ok(())
    }
}

/// The text about a field that there is not. Without a name it does not repeat it.
fn unknown(place: &str, name: Option<&str>, known: &[&str]) -> String {
    let Some(name) = name else {
        return format!(
            "{place} has an unknown field, which is not repeated since it may be a secret; the fields are {}",
            known.join(", ")
        );
    };
    let name = printable(name);
    let meant = suggest::nearest(&name, known.iter().copied())
        .or_else(|| known.iter().copied().find(|known| suggest::is_slip(&name, known)));
    match meant {
        Some(meant) => format!("{place} has an unknown field '{name}'; did you mean '{meant}'?"),
        None => format!("{place} has an unknown field '{name}'; the fields are {}", known.join(", ")),
    }
}

/// serde's "unknown field `a`, expected one of `b`, `c`" as such a text.
pub(super) fn reworded(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    let wrong = names.next()?;
    Some(unknown("The request's body", Some(wrong), &names.collect::<Vec<_>>()))
}

/// The name as it may stand in a header and on a terminal.
fn printable(name: &str) -> String {
    name.chars().take(MAX_NAME).map(|letter| if letter.is_ascii_graphic() { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["runId", "startsAt", "webhookUrl"];

    fn passed_over(body: &str) -> Result<Vec<String>, String> {
        let warned = Unknown::among(body.as_bytes(), KNOWN).warn();
        let warned = warned.map_err(|error| error.text().to_owned())?;
        Ok(warned.values().map(|value| value.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn the_fields_of_a_type_are_known_by_their_names_on_the_wire() {
        assert_eq!(
            known_fields::<px_api::StartRun>(),
            [
                "identifier",
                "brainTitle",
                "options",
                "initialState",
                "webhookUrl",
                "webhookSecret",
                "idempotencyKey",
                "requestId"
            ]
        );
        assert_eq!(known_fields::<px_api::SignalRun>(), ["type", "response", "slug"]);
        assert_eq!(known_fields::<px_api::RerunRun>(), ["runId", "startsAt", "webhookUrl", "webhookSecret"]);
        assert!(
            !known_fields::<px_api::ForkRun>().is_empty() && !known_fields::<px_api::ResumeRun>().is_empty()
        );
        assert_eq!(known_fields::<px_api::BindDelivery>(), ["brainRunId"]);
    }

    #[test]
    fn a_slip_is_refused_and_what_is_no_slip_is_named() {
        assert_eq!(passed_over("{}"), Ok(vec![]));
        assert_eq!(
            passed_over(r#"{"runId": 1, "userName": "root"}"#),
            Ok(vec!["unknown field userName".into()])
        );
        for slip in ["webhookURL", "webhook_url", "startAt", "runid", "runId "] {
            let refused = passed_over(&format!("{{\"{slip}\": 1}}")).unwrap_err();
            assert!(refused.contains("did you mean"), "{slip}: {refused}");
        }
        assert_eq!(passed_over("{\"a\\r\\nb: \\u00e4\": 1}"), Ok(vec!["unknown field a??b:??".into()]));
        let own = Unknown::among(br#"{"x-y-z-anything": 1}"#, KNOWN).refuse().unwrap_err();
        assert!(own.text().contains("runId, startsAt, webhookUrl"), "{}", own.text());
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        let discreet = |body: &str| Unknown::among(body.as_bytes(), KNOWN).discreet();
        let refused = |body: &str| discreet(body).refuse().unwrap_err().text().to_owned();
        assert!(refused(r#"{"runID": 1}"#).contains("'runID'; did you mean 'runId'?"));
        assert!(refused(r#"{"ttl": 1}"#).contains("'ttl'"));
        let long = refused(r#"{"sk_live_0123": 1}"#);
        assert!(long.contains("runId, startsAt") && !long.contains("sk_live"), "{long}");
        let warned = discreet(r#"{"sk_live_0123": 1, "ttl": 2}"#).warn().unwrap();
        let warned: Vec<&str> = warned.values().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(warned, ["unknown field of 12 bytes", "unknown field ttl"]);
        let part = Unknown { place: "items[3]".into(), ..Unknown::among(br#"{"ttl": 1}"#, KNOWN) };
        assert!(part.refuse().unwrap_err().text().starts_with("items[3] has an unknown field 'ttl'"));
    }

    #[test]
    fn a_body_full_of_unknown_fields_is_looked_at_up_to_a_bound() {
        let fields: Vec<String> = (0..100_000).map(|n| format!("\"f{n:06}abc\":0")).collect();
        let body = format!("{{{},\"startAt\":1}}", fields.join(","));
        let unknown = Unknown::among(body.as_bytes(), KNOWN);
        assert_eq!(unknown.names.len(), MAX_LOOKED_AT);
        assert_eq!(unknown.names.first().map(String::as_str), Some("f000000abc"));
        assert_eq!(unknown.warn().unwrap().len(), MAX_NAMED);
        // One name is as long as a body may be.
        let long = format!("{{\"{}\":1}}", "w".repeat(8 << 20));
        assert_eq!(passed_over(&long), Ok(vec![format!("unknown field {}", "w".repeat(MAX_NAME))]));
        assert!(
            Unknown::among(b"[1]", KNOWN).names.is_empty()
                && Unknown::among(b"{\"a\":", KNOWN).names.is_empty()
        );
    }

    #[test]
    fn what_serde_says_of_a_field_names_the_one_that_was_meant() {
        let text = reworded("unknown field `nam`, expected `name` or `scope` at line 1 column 7").unwrap();
        assert!(text.ends_with("did you mean 'name'?"), "{text}");
        assert_eq!(reworded("missing field `a`"), None);
    }
}
