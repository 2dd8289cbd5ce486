//! Requests that are not answered with a result: an HTTP status and one plain sentence. Every error of this
//! module's parts becomes a [`Refusal`] here and nowhere else.

use super::authentication::AuthenticationError;
use super::envelope::EnvelopeError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// An HTTP status with a sentence for whoever reads the reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 404 for an address that nothing is at, or nothing for who asks.
    pub fn nothing_here() -> Self {
        Self::not_found("There is nothing at this address.")
    }

    /// 429: the same request may succeed later; the reply says after a second.
    pub fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
    }

    /// 503: the same request may succeed later; the reply says after a second.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

impl From<EnvelopeError> for Refusal {
    fn from(error: EnvelopeError) -> Self {
        Self::bad_request(format!("Malformed request: {error}."))
    }
}

impl From<AuthenticationError> for Refusal {
    fn from(error: AuthenticationError) -> Self {
        // What a client can mend by asking again with another time is 400; whom we do not believe gets 403.
        match error {
            AuthenticationError::RequestExpiry { .. }
            | AuthenticationError::DelegationExpired { .. } => Self::bad_request(error.to_string()),
            _ => Self::forbidden(error.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = plain_text(self.status, self.message);
        if matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A plain text reply that browsers take for nothing else.
pub fn plain_text(status: StatusCode, text: impl Into<String>) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (status, headers, text.into()).into_response()
}
