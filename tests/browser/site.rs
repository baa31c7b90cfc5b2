//! Servers beside px: a page of somebody else, and a proxy that strips its prefix. On loopback, a thread a connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// A server that is there as long as the test's process.
pub struct Site {
    pub port: u16,
}

impl Site {
    /// Answers everything with this document.
    pub fn showing(html: String) -> Self {
        Self::serving(move |stream| {
            let _ = head(&stream);
            let length = html.len();
            let _ = write!(
                &stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{html}"
            );
        })
    }

    /// Hands on what is asked below `/ops/px` to px, which does not hear of that prefix.
    pub fn before(px: SocketAddr) -> Self {
        Self::serving(move |stream| {
            if let Some((asked, rest)) = head(&stream) {
                let _ = pass(&stream, px, &asked, &rest);
            }
        })
    }

    fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { port }
    }
}

/// Prefix of the proxy.
pub const PREFIX: &str = "/ops/px";

/// The head of a request, and what came behind it already.
fn head(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some((head, reader.buffer().to_vec()))
}

fn pass(browser: &TcpStream, px: SocketAddr, asked: &str, rest: &[u8]) -> std::io::Result<()> {
    let line = asked.lines().next().unwrap_or_default();
    let Some(stripped) =
        line.strip_prefix("GET ").or(line.strip_prefix("POST ")).and_then(|to| to.strip_prefix(PREFIX))
    else {
        return write!(&*browser, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    let method = line.split(' ').next().unwrap_or_default();
    let mut up = TcpStream::connect(px)?;
    let mut head = format!("{method} {stripped}\r\nconnection: close\r\n");
    for line in asked.lines().skip(1).filter(|line| !line.to_ascii_lowercase().starts_with("connection:")) {
        head.push_str(line);
        head.push_str("\r\n");
    }
    up.write_all(head.as_bytes())?;
    up.write_all(rest)?;
    let (mut from_browser, mut to_px) = (browser.try_clone()?, up.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_browser, &mut to_px);
    });
    let mut to_browser = browser;
    let mut bytes = [0; 16 * 1024];
    while let Ok(size @ 1..) = up.read(&mut bytes) {
        to_browser.write_all(&bytes[..size])?;
    }
    browser.shutdown(std::net::Shutdown::Both)
}
