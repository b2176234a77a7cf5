//! How does the collector say no? A status, a stable word and a sentence; what went wrong
//! inside goes to the log alone.

use crate::{control::Denied, ingest::Refusal as Upload, store::StoreError};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use faultline_core::{
    codec::{CodecError, to_cbor},
    protocol::{MEDIA_CBOR, Refusal},
};

/// A refusal on its way out; JSON unless asked otherwise.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    refusal: Refusal,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let refusal = Refusal {
            code: code.into(),
            message: message.into(),
            retry: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
        };
        Self { status, refusal }
    }

    /// The same, where the client's request was good and the line was not.
    pub(super) fn worth_repeating(mut self) -> Self {
        self.refusal.retry = true;
        self
    }

    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(error), |e| e.source());
        let chain: Vec<String> = causes.map(ToString::to_string).collect();
        tracing::error!(error = chain.join(": "), "a request failed inside");
        let sentence = "the collector failed: send the same later; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", sentence)
    }

    /// The store is away, or busy with something long: it will pass.
    fn unavailable(error: &StoreError) -> Self {
        tracing::warn!(%error, "the store does not answer now");
        let sentence = "the collector's store does not answer now: send the same later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", sentence)
    }

    fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Full => Upload::StorageFull.into(),
            StoreError::Busy
            | StoreError::Unreachable(_)
            | StoreError::Refused(_)
            | StoreError::Misplaced(_) => Self::unavailable(error),
            other => Self::internal(other),
        }
    }

    pub(super) fn bad_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", message)
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// For a probe: CBOR, or JSON where its `Accept` says so.
    pub(super) fn to_probe(&self, headers: &HeaderMap) -> Response {
        let json = headers
            .get(header::ACCEPT)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.contains("application/json"));
        if json {
            return (self.status, axum::Json(&self.refusal)).into_response();
        }
        cbor(self.status, to_cbor(&self.refusal))
    }
}

pub(super) fn cbor(status: StatusCode, bytes: Vec<u8>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, MEDIA_CBOR)],
        Body::from(bytes),
    )
        .into_response()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, axum::Json(self.refusal)).into_response()
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

impl From<CodecError> for Refused {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Signature => Self::new(
                StatusCode::FORBIDDEN,
                "bad_signature",
                "the signature does not match the probe's key",
            ),
            other => Self::new(StatusCode::BAD_REQUEST, "malformed", other.to_string()),
        }
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        let status = match &denied {
            Denied::BadTarget(_) => StatusCode::BAD_REQUEST,
            Denied::UnknownTarget => StatusCode::FORBIDDEN,
            Denied::ProbeRate | Denied::TargetRate => StatusCode::TOO_MANY_REQUESTS,
            Denied::Busy | Denied::Unfinished => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self {
            status,
            refusal: Refusal {
                code: denied.code().into(),
                message: denied.to_string(),
                retry: denied.retry(),
            },
        }
    }
}

impl From<Upload> for Refused {
    fn from(upload: Upload) -> Self {
        let status = match &upload {
            Upload::UnknownProbe(_)
            | Upload::RevokedProbe(_)
            | Upload::BadSignature
            | Upload::WrongSigner => StatusCode::FORBIDDEN,
            Upload::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Upload::BatchConflict => StatusCode::CONFLICT,
            Upload::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            Upload::Storage(error) => return Self::of_store(error),
            _ => StatusCode::BAD_REQUEST,
        };
        Self {
            status,
            refusal: Refusal {
                code: upload.code().into(),
                message: upload.to_string(),
                retry: upload.retry(),
            },
        }
    }
}

pub(super) fn nothing_here() -> Refused {
    Refused::not_found("there is nothing here: /v1/openapi.json lists what there is")
}

pub(super) async fn wrong_method() -> Refused {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "this address takes another method: /v1/openapi.json lists them",
    )
}
