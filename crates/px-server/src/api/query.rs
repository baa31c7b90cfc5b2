//! Parameters of queries that a route does not know: a filter that is not heard lists everything. What looks like a
//! slip is refused, and the rest is named in a header.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::fields::Unknown;

/// Looks at the names of a query before the route reads its values.
pub(super) async fn hear(
    State(known): State<&'static [&'static str]>,
    request: Request,
    next: Next,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    match Unknown::of_query(query, known).warn() {
        Err(error) => error.into_response(),
        Ok(named) => {
            let mut response = next.run(request).await;
            response.headers_mut().extend(named);
            response
        }
    }
}
