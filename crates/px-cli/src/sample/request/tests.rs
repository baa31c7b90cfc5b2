//! Requests as their providers send them.

use serde_json::json;

use super::*;

#[test]
fn forms() {
    assert_eq!(
        form(&json!({"From": "+1 5", "m": ["a", "b"], "n": 2})),
        "From=%2B1%205&m%5B%5D=a&m%5B%5D=b&n=2"
    );
}

#[test]
fn a_flipped_signature_is_another_one_of_the_same_length() {
    let name = HeaderName::from_static("x");
    for text in ["sha256=00aa00aa", "v1,AAAA==", "a", ""] {
        let mut headers = HeaderMap::from_iter([(name.clone(), text.parse().unwrap())]);
        flip(&mut headers, &name);
        let flipped = headers[&name].to_str().unwrap();
        assert_eq!(flipped.len(), text.len());
        assert!(text.is_empty() || flipped != text, "{text}");
    }
}
