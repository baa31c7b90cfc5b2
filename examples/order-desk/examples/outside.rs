//! All that is outside of the desk, to try it by hand: takes whatever the desk sends, and prints it. So the signed links of
//! mails can be followed, which the log of px never shows.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 8790))?;
    say(&format!("export ORDER_DESK_OUTSIDE=http://{}", listener.local_addr()?))?;
    for stream in listener.incoming() {
        // One that breaks off ends itself alone.
        if let Err(error) = stream.and_then(|stream| take(&stream)) {
            say(&format!("a request broke off: {error}"))?;
        }
    }
    Ok(())
}

/// Reads a request, prints it, and answers it well.
fn take(stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let path = first.split(' ').nth(1).unwrap_or_default();
    match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(json) => match (text(&json, "to"), text(&json, "text")) {
            (Some(to), Some(text)) => say(&format!("{path} to {to}: {text}\n"))?,
            _ => say(&format!("{path} {json}\n"))?,
        },
        Err(_) => say(&format!("{path} {} bytes\n", body.len()))?,
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    (&mut &*stream).write_all(head.as_bytes())
}

fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}

fn text<'a>(json: &'a serde_json::Value, field: &str) -> Option<&'a str> {
    json.get(field)?.as_str()
}
