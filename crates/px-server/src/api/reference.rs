//! `docs/api.md`: the API for people, made of the same document that
//! `GET /openapi.json` gives to programs. `PX_BLESS=1` writes it anew.

use std::fmt::Write as _;

use px_core::Code;
use serde_json::{Map, Value};

const INTRODUCTION: &str = "# The HTTP API

*Made from the route table: `PX_BLESS=1 cargo test -p px-server --lib reference` writes it. Programs read
`GET /openapi.json`, which has the types too.*

Times are milliseconds since 1970-01-01 UTC. Bodies are JSON, fields camelCase. Lists come in pages: `nextCursor` of one is
`cursor` of the next. A request that may change something says that its body is JSON (`Content-Type: application/json`, with any
parameters), else it is 415; without a body no type is asked. What is not carried out is answered with `{\"error\": \"…\", \"code\": \"PX….\"}`; the code stays the same when
the text changes, and `px explain` has a page about each. 503 comes with `Retry-After`, and nothing has happened then. A head that
cannot be read as HTTP, or is larger than its bound, is 400, 414 or 431 without a body, and its connection ends; so is a
`Transfer-Encoding` that does not end with `chunked` (400). Other transfer codings are 501.

Services in Rust need none of this: `px-client` has a method for each route, and follows runs.

## Who may use it

Webhooks, forms on pages and signed links are open: their own verification says who may send. So are `GET /health/live` and `/health/ready`,
since a probe has no token, and the public keys of callbacks. Everything else depends on API tokens.

* **Without any token** the API is for this machine only, streams too, and so is a webhook without its secret. That is: the peer
  is a loopback address; no header says that a proxy or a tunnel sent the request on (`Forwarded`, `X-Forwarded-*`, `X-Real-IP`,
  `Via`, `CF-Connecting-IP` and their like); every `Host`, and the authority of an absolute target, is an address, `localhost` or
  a name below it, with digits as port or none; and no web page of another site made it: `Origin` is absent, px's own, or one of
  `server.cors_origins`, and so is what `Sec-Fetch-Site` says. A page on `http://localhost:3000` is another site's. The answer to
  everything else is 403 and names the header. px refuses to listen anywhere else, unless it is told `--insecure`.
* **The first token** is not made from a browser: `POST /tokens` is 403 as long as there is none if there is an `Origin` or any
  `Sec-Fetch-*`, with `--insecure` too. Of many at once one is made, and the others are 401.
* **With a token** every request needs `Authorization: Bearer <token>`; the command line takes it from `PX_TOKEN`. `px tokens create`
  makes one, in the data directory while px is stopped, else through the server. The first one has the scope `admin`.
* A scope includes those before it: `read` looks, `operate` also moves runs and deliveries, `admin` also changes hooks, tokens and secrets.
  It is asked for again once a request's body is there: what was revoked meanwhile is 401.
  With `payloads = \"operate\"` under `[access]` ([Operating](operating.md#who-is-shown-what)) `read` is shown no states, inputs, payloads, headers' values, files and bodies: in the
  place of each is `{\"withheld\": \"needs operate\"}`, or a text that says so, and a route or filter that is about nothing else is 403.
* At rest there is a digest of a token. Pages of the origins in `server.cors_origins` may use the API; others may not.

`GET /metrics` is for Prometheus, `GET /health/live` and `/health/ready` for whoever starts and stops px. Readiness is 200 `ready`,
200 `degraded` (work is taken, and an operator has to look) or 503 `not ready`; who may read is told the `reasons`.

## Streams

`GET /brains/watch` and `GET /brains/runs/{id}/watch` are server-sent events. A client whose `Accept` names `text/event-stream`, or
that brings `Last-Event-ID`, gets `id:` lines and a comment every 15 seconds of quiet; others get bare `data:` frames. A run that is over
and has nothing left to tell is 204, which ends an `EventSource`. There are `limits.max_streams` at once, and half of them for one
token, or one address while there is none; beyond, it is 503 with `Retry-After`. A stream ends within a second of the
revocation of its token, or of the first token if it was opened without one. Whoever closes its side of the connection while a stream
waits, or sends anything more, is taken to be gone; the log of a run that is over is an answer with an end, and goes out whole.

## What is not understood

On px's own routes an unknown field of a body is 400, and names the one that was meant. On the routes that the ancestor has
too (`POST /brains/runs`, `rerun`, `resume`, `signals`), only what is within two letters of a known field is; the rest is passed over, and named in the header
`Px-Warning`, of a refusal too. A parameter of a query is treated as the fields of those are, on every route, and a route that takes no body refuses one that says
something. Keys and names that a caller gives have 1 to 255 characters. The header `Idempotency-Key` of `POST /brains/runs` means
`idempotencyKey`. A body is at most `server.max_api_body_bytes`, and a page of a log about 8 MiB. `nextCursor` is there whenever
something comes after a page.

";

fn page() -> String {
    let document = super::openapi::document();
    let mut out = INTRODUCTION.to_owned();
    let objects = |value: &Value| value.as_object().cloned().unwrap_or_default();
    for tag in document["tags"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "## {}\n", text(tag, "description"));
        for (path, methods) in objects(&document["paths"]) {
            for (method, operation) in objects(&methods) {
                if operation["tags"][0] == tag["name"] {
                    route(&mut out, &method, &path, &operation);
                }
            }
        }
    }
    let _ = writeln!(out, "## The codes of errors\n\n| code | meaning |\n|---|---|");
    for code in Code::ALL {
        let _ = writeln!(
            out,
            "| [{code}](../crates/px-api/src/pages/{code}.md) | {} |",
            px_api::pages::title(*code)
        );
    }
    out
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn route(out: &mut String, method: &str, path: &str, operation: &Value) {
    let scope = operation["x-px-scope"].as_str().unwrap_or("open");
    let _ = writeln!(out, "### `{} {path}`\n", method.to_uppercase());
    let _ = writeln!(out, "{}. Scope: {scope}.\n", text(operation, "summary"));
    let query: Vec<String> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "query")
        .map(|parameter| format!("`{}`", text(parameter, "name")))
        .collect();
    if !query.is_empty() {
        let _ = writeln!(out, "Query: {}.\n", query.join(", "));
    }
    if let Some(shape) = named(&operation["requestBody"]["content"]["application/json"]["schema"]) {
        let _ = writeln!(out, "Body: `{shape}`.\n");
    }
    let _ = writeln!(out, "| status | | body |\n|---|---|---|");
    for (status, answer) in operation["responses"].as_object().unwrap_or(&Map::new()) {
        // What every route answers is said once, above.
        if matches!(status.as_str(), "401" | "403" | "408" | "413" | "415" | "431" | "503") && scope != "open"
        {
            continue;
        }
        let content = answer["content"].as_object().cloned().unwrap_or_default();
        let body = content.iter().next().map_or(String::new(), |(kind, content)| {
            named(&content["schema"]).map_or_else(|| format!("`{kind}`"), |shape| format!("`{shape}`"))
        });
        let _ = writeln!(out, "| {status} | {} | {body} |", text(answer, "description"));
    }
    out.push('\n');
}

fn named(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
        if std::env::var_os("PX_BLESS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let known = std::fs::read_to_string(path).unwrap_or_default();
        assert!(known == page(), "the API has changed: look at it, then run the test with PX_BLESS=1");
    }
}
