//! Answers other than 200.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::job::Refusal;
use crate::protocol::error;

/// An answer other than 200: its status and its words.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) StatusCode, pub(crate) String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(status, words) = self;
        let kind = if status.is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };
        let mut response = (status, Json(error(&words, kind))).into_response();
        if [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ]
        .contains(&status)
        {
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, soon);
        }
        response
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownModel(name) => Self(
                StatusCode::NOT_FOUND,
                format!("there is no model {:?}", shown(&name)),
            ),
            Refusal::Wrong(words) => Self(StatusCode::BAD_REQUEST, words),
            Refusal::Failed(words) => Self(StatusCode::SERVICE_UNAVAILABLE, words),
        }
    }
}

/// A name that a client gave, as far as it belongs into an answer.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

/// The request cannot be carried out as it is.
pub(crate) fn wrong(words: impl Into<String>) -> Failure {
    Failure(StatusCode::BAD_REQUEST, words.into())
}

/// The request may come again later.
pub(crate) fn busy(what: &str) -> Failure {
    Failure(
        StatusCode::TOO_MANY_REQUESTS,
        format!("{what}: ask again in a second"),
    )
}
