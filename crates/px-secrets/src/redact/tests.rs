//! The redactor over values and texts of every kind.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::*;

/// Everything that an encoder may escape.
const VALUE: &str = "sk'<&>/+\"ä€😀?\n\t\\x\u{1b}\u{202e}live";

/// Less than elsewhere is escaped in the userinfo of a URL: the dollar sign is not.
const USERINFO: &AsciiSet = &CONTROLS.add(b'"').add(b'<').add(b'/').add(b'@').add(b'%');

fn redactor(secrets: &[(&str, &str)]) -> Redactor {
    let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)));
    Redactor::new(secrets).unwrap()
}

fn redactor_of(value: &str) -> Redactor {
    redactor(&[("KEY", value)])
}

/// A JSON string without its quotes.
fn inside(value: &str) -> String {
    let json = Value::from(value).to_string();
    json[1..json.len() - 1].to_owned()
}

/// The same, with what JavaScript in a page must not see, and what is beyond ASCII, by `\u`.
fn html_safe(value: &str, is_upper: bool) -> String {
    let mut text = String::new();
    let unit = |unit: &u16| if is_upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
    for letter in inside(value).chars() {
        if letter.is_ascii() && !"<>&'+".contains(letter) {
            text.push(letter);
            continue;
        }
        text.extend(letter.encode_utf16(&mut [0; 2]).iter().map(unit));
    }
    text
}

/// Percent-encoded text whose digits are lower case.
fn lower_percent(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "%" + &part[..2].to_lowercase() + &part[2..])
}

fn entities(value: &str) -> String {
    let named = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    named.replace('"', "&quot;").replace('\'', "&#39;").replace('/', "&#x2F;")
}

fn written(value: &str) -> Vec<String> {
    let url = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let userinfo = utf8_percent_encode(value, USERINFO);
    vec![
        value.to_owned(),
        inside(value),
        inside(&inside(value)),
        inside(&inside(&inside(value))),
        inside(value).replace('/', "\\/"),
        html_safe(value, false),
        html_safe(value, true),
        format!("{value:?}").trim_matches('"').to_owned(),
        STANDARD.encode(value),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        STANDARD.encode(value).replace('/', "\\/"),
        utf8_percent_encode(&STANDARD.encode(value), NON_ALPHANUMERIC).to_string(),
        hex::encode(value),
        hex::encode_upper(value),
        lower_percent(&url),
        url,
        userinfo.to_string(),
        utf8_percent_encode(&inside(value), NON_ALPHANUMERIC).to_string(),
        inside(&entities(value)),
        entities(value),
    ]
}

#[test]
fn every_form_is_found_wherever_it_stands() {
    for value in [VALUE, "pa$$w@rd1%41", "-----BEGIN KEY-----\nMIIE\"\\vQ\n-----END-----", "äöüßäöüß"]
    {
        let redactor = redactor_of(value);
        for text in written(value) {
            let sentence = format!("before {text} behind");
            assert_eq!(redactor.text(&sentence), "before [secret KEY] behind", "{text}");
        }
        // JSON within a string of JSON, as an error that quotes a body has it.
        let nested = json!(json!(json!({ "key": value }).to_string()).to_string()).to_string();
        let redacted = redactor.json(nested.as_bytes()).into_owned();
        let twice: String = serde_json::from_slice(&redacted).unwrap();
        let once: String = serde_json::from_str(&twice).unwrap();
        assert_eq!(once, "{\"key\":\"[secret KEY]\"}");
    }
    let form = redactor_of("a b&c=d efgh");
    assert_eq!(form.text("key=a+b%26c%3Dd+efgh&x=1"), "key=[secret KEY]&x=1");
}

#[test]
fn within_a_longer_text_that_was_encoded_no_rest_is_left() {
    let value = "sk_live_0123456789abcdef";
    let redactor = redactor(&[("KEY", value)]);
    for before in ["", "a", "ab", "abc", "user:"] {
        let text = STANDARD.encode(format!("{before}{value}:behind"));
        let redacted = redactor.text(&text);
        assert!(redacted.contains("[secret KEY]"), "{before}: {redacted}");
        // No three bytes of the value can be read from what is left.
        for part in redacted.split("[secret KEY]") {
            for at in 0..4 {
                let rest = part.get(at..).unwrap_or_default();
                let whole = rest.len() / 4 * 4;
                let bytes = STANDARD.decode(rest.get(..whole).unwrap_or_default()).unwrap_or_default();
                let left = String::from_utf8_lossy(&bytes).into_owned();
                assert!(!left.contains("sk_") && !left.contains("def"), "{before}: {left}");
            }
        }
    }
}

#[test]
fn json_stays_json() {
    let redactor = redactor(&[("PIN", "1234567890"), ("NAME", "fieldname")]);
    let document = br#"{"pin": 1234567890, "fieldname": ["x1234567890", 91234567890.5], "z": true}"#;
    let redacted = redactor.json(document);
    assert_eq!(
        std::str::from_utf8(&redacted).unwrap(),
        r#"{"pin": "[secret PIN]", "[secret NAME]": ["x[secret PIN]", "9[secret PIN].5"], "z": true}"#
    );
    assert!(matches!(redactor.json(b"{\"a\": 1}"), Cow::Borrowed(_)), "what holds none is not copied");
    assert_eq!(&*redactor.json(b"no json: 1234567890"), b"no json: [secret PIN]");
    for (document, wanted) in [
        (r#""fieldname""#, r#""[secret NAME]""#),
        ("1234567890", r#""[secret PIN]""#),
        (r#"[ "é\"fieldname\ud83d\ude00" ]"#, r#"[ "é\"[secret NAME]\ud83d\ude00" ]"#),
        // Two fields of one name would be one for whoever reads them.
        (r#"{"fieldname":1,"fieldname":2}"#, r#"{"[secret NAME]":1,"[secret NAME] 2":2}"#),
    ] {
        assert_eq!(String::from_utf8_lossy(&redactor.json(document.as_bytes())), wanted);
    }
}

#[test]
fn a_secret_that_is_json_leaves_no_rest_and_json_behind() {
    let key = r#"{"a":"sk_live_0123456789", "list": [1, 22, "another text"], "key":"-----BEGIN\nabc\n"}"#;
    let redactor = redactor(&[("KEY", key), ("PAIR", "1234,5678"), ("QUOTED", r#""in quotes""#)]);
    let parsed: Value = serde_json::from_str(key).unwrap();
    for (document, wanted) in [
        (format!(r#"{{"state":{key},"n":1}}"#), r#"{"state":"[secret KEY]","n":1}"#.to_owned()),
        (json!({"n": [parsed], "x": 1}).to_string(), r#"{"n":["[secret KEY]"],"x":1}"#.to_owned()),
        (parsed.to_string(), r#""[secret KEY]""#.to_owned()),
        (key.to_owned(), r#""[secret KEY]""#.to_owned()),
        (json!({"text": key}).to_string(), r#"{"text":"[secret KEY]"}"#.to_owned()),
        // As a step has it that read the key into fields of its own.
        (
            json!({"own": "-----BEGIN\nabc\n", "token": "Bearer sk_live_0123456789"}).to_string(),
            r#"{"own":"[secret KEY]\n","token":"Bearer [secret KEY]"}"#.to_owned(),
        ),
        (
            r#"{"a":[0,1234,5678,9],"b":{"c":2}}"#.to_owned(),
            r#"{"a":"[secret PAIR]","b":{"c":2}}"#.to_owned(),
        ),
        (r#"{"a":{"b":"in quotes"},"c":3}"#.to_owned(), r#"{"a":{"b":"[secret QUOTED]"},"c":3}"#.to_owned()),
        (r#"{"a":"[1234,5678]"}"#.to_owned(), r#"{"a":"[[secret PAIR]]"}"#.to_owned()),
    ] {
        assert_eq!(String::from_utf8_lossy(&redactor.json(document.as_bytes())), wanted, "{document}");
    }
}

#[test]
fn what_is_found_across_an_escape_does_not_break_it() {
    // The text has a new line and seven letters; its spelling has the secret.
    let redactor = redactor_of("nabcdefg");
    let redacted = redactor.json(br#"{"a":"\nabcdefg"}"#).into_owned();
    assert_eq!(String::from_utf8_lossy(&redacted), r#"{"a":"[secret KEY]"}"#);
    let redactor = redactor_of("d83d\\ude00");
    let redacted = redactor.json(br#"{"a":"x\ud83d\ude00y"}"#).into_owned();
    assert_eq!(String::from_utf8_lossy(&redacted), r#"{"a":"x[secret KEY]y"}"#);
}

#[test]
fn of_secrets_with_a_part_in_common_none_leaves_a_rest() {
    let redactor = redactor(&[("A", "abcdefgh"), ("B", "efghijkl"), ("LONG", "abcdefghXYZ")]);
    assert_eq!(redactor.text("-abcdefghijkl-"), "-[secret A]-");
    assert_eq!(redactor.text("abcdefghXYZ"), "[secret LONG]");
    assert_eq!(redactor.text("abcdefghefghijkl"), "[secret A][secret B]");
    assert_eq!(redactor.text(&STANDARD.encode("abcdefghXYZ")), "[secret LONG]");
}

#[test]
fn blanks_around_a_value_are_no_part_of_it() {
    let key = "\n-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n";
    let redactor = redactor_of(key);
    for text in [key, key.trim()] {
        assert_eq!(redactor.text(text).trim(), "[secret KEY]");
        assert_eq!(redactor.text(&hex::encode(text)).replace("0a", ""), "[secret KEY]");
        assert!(redactor.text(&format!("x{}", STANDARD.encode(text))).contains("[secret KEY]"));
        assert!(redactor.knows(text));
    }
}

#[test]
fn what_is_short_is_not_looked_for_and_nothing_is_shown() {
    let redactor = redactor(&[("PIN", "1234567"), ("KEY", "hunter2hunter2")]);
    assert_eq!(redactor.text("1234567"), "1234567");
    assert!(redactor.knows("1234567") && redactor.knows("hunter2hunter2"));
    assert!(!redactor.knows("hunter3hunter3"));
    assert!(!redactor.knows("hunter2hunter2-v2"), "a part of it is known");
    assert!(!format!("{redactor:?}").contains("hunter2"));
    assert_eq!(Redactor::default().text("1234567"), "1234567");
    let redaction = Redaction::default();
    let other = redaction.clone();
    redaction.replace(redactor);
    assert_eq!(other.current().text("a hunter2hunter2"), "a [secret KEY]");
}

/// Values that begin alike, as those of one kind do, and as long as they may be.
#[test]
fn many_long_values_cost_a_bounded_memory_and_too_many_are_refused() {
    let long = |n: usize| format!("-----BEGIN PRIVATE KEY-----\n{n}:{}", format!("{n:08}").repeat(4_000));
    let secrets = |count: usize| (0..count).map(move |n| (format!("S{n}"), SecretString::from(long(n))));
    let redactor = Redactor::new(secrets(20)).unwrap();
    let memory = redactor.heads.as_ref().unwrap().memory_usage();
    assert!(memory < 200_000, "{memory} bytes");
    assert_eq!(redactor.text(&long(7)), "[secret S7]");
    assert_eq!(redactor.text(&format!("a{}", hex::encode(long(19)))), "a[secret S19]");
    let short = (0..MAX_FORMS / 5).map(|n| (format!("S{n}"), SecretString::from(format!("value {n:08}"))));
    assert!(matches!(Redactor::new(short), Err(Unsearchable::TooMany(_))));
}

#[test]
fn the_token_of_a_link_is_found_by_how_it_begins() {
    let token = format!("pxl_{}", "aZ09-_".repeat(12));
    for redactor in [Redactor::default(), redactor(&[("KEY", "sk_live_1")])] {
        let url = format!("failed: https://px.example/webhooks/system/link/{token}: 550");
        assert_eq!(redactor.text(&url), "failed: https://px.example/webhooks/system/link/[link]: 550");
        let json = format!("{{\"url\":\"https:\\/\\/px\\/{token}\",\"encoded\":\"x%2F{token}%3F\"}}");
        let wanted = "{\"url\":\"https:\\/\\/px\\/[link]\",\"encoded\":\"x%2F[link]%3F\"}";
        assert_eq!(&*redactor.json(json.as_bytes()), wanted.as_bytes());
        assert_eq!(redactor.text("pxl_ and pxl_short"), "pxl_ and pxl_short");
    }
}

#[test]
fn one_way_of_escaping_over_itself_is_undone() {
    let value = "whs/ec+Q==qwertyuiop//+&<";
    let redactor = redactor_of(value);
    let percent = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let entity = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    for encode in [&percent as &dyn Fn(&str) -> String, &entity] {
        let (twice, thrice) = (encode(&encode(value)), encode(&encode(&encode(value))));
        for text in [twice, thrice] {
            assert_eq!(redactor.text(&format!("a={text}")), "a=[secret KEY]", "{text}");
        }
    }
}

#[test]
fn where_there_are_too_many_texts_those_of_the_first_secrets_are_found() {
    let json = |name: &str, count: usize| {
        let texts: Vec<_> = (0..count).map(|n| format!("{name}-text-{n:04}")).collect();
        (name.to_owned(), SecretString::from(serde_json::to_string(&texts).unwrap()))
    };
    // By the alphabet the last one would be first.
    let secrets = (0..50).map(|n| json(&format!("z{n:02}"), 64)).chain([json("a", 64)]);
    let redactor = Redactor::new(secrets).unwrap();
    assert_eq!(redactor.text("z00-text-0001"), "[secret z00]");
    assert_eq!(redactor.text("a-text-0001"), "a-text-0001");
    // It is said, with the names of secrets and without their values.
    let said = redactor.left_out().unwrap().to_string();
    assert!(said.contains("z49") && !said.contains("-text-"), "{said}");
    let one = Redactor::new([json("KEYS", 70)]).unwrap();
    assert_eq!(
        one.left_out().map(|left| (left.texts, left.names.clone())),
        Some((6, ["KEYS".into()].into()))
    );
    assert!(
        one.left_out().unwrap().to_string().starts_with("6 texts within the JSON of KEYS are not taken out")
    );
    assert_eq!(Redactor::new([json("FEW", 64)]).unwrap().left_out(), None);
}

#[test]
fn values_that_count_no_more_are_left_out_where_there_are_too_many() {
    let value = |n: usize| (format!("S{n}"), SecretString::from(format!("?ValuE>{n:08}\u{e9}")));
    let counting = || (0..10).map(value).collect::<Vec<_>>();
    let past = (10..MAX_FORMS / 6).map(value).collect::<Vec<_>>();
    let (first, last) = (past[0].1.clone(), past[past.len() - 1].1.clone());
    assert!(matches!(
        Redactor::new(counting().into_iter().chain(past.iter().cloned())),
        Err(Unsearchable::TooMany(_))
    ));
    let count = past.len();
    let redactor = Redactor::with_past(counting(), past).unwrap();
    for (name, value) in counting() {
        assert_eq!(redactor.text(value.expose_secret()), format!("[secret {name}]"));
    }
    assert_eq!(redactor.text(first.expose_secret()), "[secret S10]", "the newest of them");
    assert_eq!(redactor.text(last.expose_secret()), last.expose_secret());
    let left_out = redactor.left_out().unwrap();
    assert!(left_out.past > 0 && left_out.past < count, "{left_out:?}");
    assert!(
        left_out.to_string().starts_with(&format!("{} values of secrets that count no more", left_out.past))
    );
    // Those that count are too many by themselves.
    let too_many = (0..MAX_FORMS / 6).map(value).collect();
    assert!(matches!(Redactor::with_past(too_many, Vec::new()), Err(Unsearchable::TooMany(_))));
}

/// As a header of basic authorization, or a token of JSON, has it.
#[test]
fn what_was_encoded_with_the_escapes_of_json_is_found() {
    let pem = "-----BEGIN KEY-----\nMIIE\"vQ\\n\n-----END KEY-----";
    let file = json!({"type": "service_account", "private_key": pem}).to_string();
    for (value, part) in [(pem, pem), (file.as_str(), pem), (file.as_str(), file.as_str())] {
        let redactor = redactor_of(value);
        for before in ["{\"k\":\"", "{\"ke\":\"", "{\"key\":\""] {
            let text = format!("{before}{}\"}}", inside(part));
            for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text), hex::encode(&text)] {
                let redacted = redactor.text(&encoded);
                assert!(redacted.contains("[secret KEY]"), "{before}: {redacted}");
                assert!(redacted.len() < 60, "no rest is left: {redacted}");
            }
        }
    }
}
