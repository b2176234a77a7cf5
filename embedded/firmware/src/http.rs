//! What does a server say to one request over HTTP/1.1? (RFC 9112)
//!
//! As much as the collector and a check for portals need: a status, and a body of known
//! length up to a cap. Headers are read by httparse; whoever sends too many, or drips, meets
//! the caller's deadline and this cap.

use alloc::vec::Vec;
use embedded_io_async::{Read, Write};

/// Octets of status line and headers.
const HEAD: usize = 2048;
/// Header fields.
const FIELDS: usize = 32;

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("the connection broke")]
    Broken,
    #[error("what came is not HTTP/1.1, or in a coding that this board does not read")]
    NotHttp,
    #[error("the reply is longer than this board takes")]
    TooLong,
}

/// Sends `head` and `body`, then reads the response, of whose body at most `cap` octets are
/// taken.
pub(crate) async fn exchange<S: Read + Write>(
    stream: &mut S,
    head: &[u8],
    body: &[u8],
    cap: usize,
) -> Result<Response, HttpError> {
    let (status, length, mut body) = begin(stream, head, body).await?;
    if length.is_some_and(|length| length > cap) {
        return Err(HttpError::TooLong);
    }
    let mut chunk = [0; 512];
    while length.is_none_or(|length| body.len() < length) {
        let read = stream
            .read(&mut chunk)
            .await
            .map_err(|_| HttpError::Broken)?;
        if read == 0 {
            // Without a length the end of the stream ends the body (RFC 9112 section 6.3).
            return match length {
                None => Ok(Response { status, body }),
                Some(_) => Err(HttpError::Broken),
            };
        }
        body.extend(chunk.get(..read).unwrap_or_default());
        if body.len() > cap {
            return Err(HttpError::TooLong);
        }
    }
    body.truncate(length.unwrap_or(body.len()));
    Ok(Response { status, body })
}

/// The status alone, whatever follows.
pub(crate) async fn status<S: Read + Write>(
    stream: &mut S,
    head: &[u8],
) -> Result<u16, HttpError> {
    begin(stream, head, &[]).await.map(|(status, ..)| status)
}

/// Sends a request; the response's status, the length of its body where that is said, and
/// what of the body came with the head.
async fn begin<S: Read + Write>(
    stream: &mut S,
    head: &[u8],
    body: &[u8],
) -> Result<(u16, Option<usize>, Vec<u8>), HttpError> {
    let broken = |_| HttpError::Broken;
    stream.write_all(head).await.map_err(broken)?;
    stream.write_all(body).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut octets = Vec::new();
    let mut chunk = [0; 512];
    loop {
        let read = stream.read(&mut chunk).await.map_err(broken)?;
        if read == 0 {
            return Err(HttpError::Broken);
        }
        octets.extend(chunk.get(..read).unwrap_or_default());
        if let Some((status, length, start)) = parse(&octets)? {
            let body = octets.split_off(start.min(octets.len()));
            return Ok((status, length, body));
        }
        if octets.len() > HEAD {
            return Err(HttpError::TooLong);
        }
    }
}

/// Status, length of the body and where it begins; `None` where the head is not whole.
fn parse(octets: &[u8]) -> Result<Option<(u16, Option<usize>, usize)>, HttpError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let start = match response.parse(octets) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HttpError::NotHttp),
    };
    let status = response.code.ok_or(HttpError::NotHttp)?;
    let mut length = None;
    for field in response.headers.iter() {
        // Chunks: whoever needs the body must not take them for it.
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            length = Some(usize::MAX);
            break;
        }
        if field.name.eq_ignore_ascii_case("content-length") {
            let text = core::str::from_utf8(field.value).map_err(|_| HttpError::NotHttp)?;
            length = Some(text.trim().parse().map_err(|_| HttpError::NotHttp)?);
        }
    }
    if matches!(status, 204 | 304) {
        length = Some(0);
    }
    Ok(Some((status, length, start)))
}
