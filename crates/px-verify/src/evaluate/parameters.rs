//! The parameters of a header of a form (RFC 9110 section 5.6.6), strictly: names are
//! tokens, quotes are closed, and nothing stands behind a closing one.

/// Returns true for a token (RFC 9110 section 5.6.2), which names of headers and of their
/// parameters are.
pub(super) fn is_token(text: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(fits)
}

/// Reads what follows a header's value from its first semicolon on, without that: names,
/// and values without their quotes.
///
/// # Errors
/// The defect, in words that go on from "The header …".
pub(super) fn parameters(text: &[u8]) -> Result<Vec<(String, Vec<u8>)>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        // An empty one is none, as at the end of `name="a";`.
        if let Some(behind) = rest.strip_prefix(b";") {
            rest = behind.trim_ascii_start();
            continue;
        }
        let equals = rest.iter().position(|byte| *byte == b'=').unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(equals).unwrap_or((rest, b""));
        let Some(behind) = behind.strip_prefix(b"=").filter(|_| is_token(name)) else {
            return Err("has a parameter that is not written `name=value`");
        };
        let (value, behind) = match behind.strip_prefix(b"\"") {
            Some(quoted) => unquoted(quoted).ok_or("has a quote that is not closed")?,
            None => {
                let end = behind.iter().position(|byte| *byte == b';').unwrap_or(behind.len());
                let (value, behind) = behind.split_at_checked(end).unwrap_or((behind, b""));
                if value.contains(&b'"') {
                    return Err("has a quote in the middle of a value");
                }
                (value.trim_ascii().to_vec(), behind)
            }
        };
        rest = behind.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b";") {
            return Err("has something behind a closing quote");
        }
        found.push((String::from_utf8_lossy(name).into_owned(), value));
    }
    Ok(found)
}

/// The text up to the closing quote, and what is behind it; none without one. A backslash
/// stands for itself but before a quote or another one: old browsers send paths as they are.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut bytes = text.iter().copied().enumerate().peekable();
    while let Some((place, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((value, text.get(place + 1..).unwrap_or_default())),
            b'\\' => match bytes.next_if(|(_, next)| matches!(next, b'"' | b'\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push(byte),
            },
            byte => value.push(byte),
        }
    }
    None
}

/// Writes a text so that it is read as itself within quotes. A line end cannot be within
/// them, and is written as browsers write it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "%0D").replace('\n', "%0A")
}
