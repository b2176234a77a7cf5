//! How do results reach the collector? At least once, in order, and never lost.
//!
//! A batch leaves the spool only when the collector's receipt names it. Whatever else comes
//! back (a captive portal's page, a proxy's error) is "later". Only a refusal in our own
//! format that says a repeat is useless sets a batch aside.

use crate::{
    net::{Clock, Network},
    spool::{Spool, SpoolError},
};
use faultline_core::{
    codec::{Envelope, PublicKey, Purpose, from_cbor},
    id::BatchId,
    measurement::Batch,
    protocol::{MEDIA_COSE, Receipt, Refusal},
    time::Duration,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, body::Bytes, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

/// Where the collector is and how it proves itself.
#[derive(Clone, Debug)]
pub struct Collector {
    base: Url,
    tls: Arc<rustls::ClientConfig>,
}

/// What the collector said.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Body, at most [`REPLY_CAP`] bytes.
    pub body: Vec<u8>,
}

/// Why the collector was not reached.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// The address is no http(s) URL with a host.
    #[error("{0} is not an http or https URL with a host")]
    Url(String),
    /// The exchange did not come to an end.
    #[error("cannot reach the collector {at}: {reason}; results wait in the spool")]
    Unreachable {
        /// The base URL.
        at: String,
        /// What failed.
        reason: String,
    },
    /// The collector refused.
    #[error("the collector refused: {message} ({code})")]
    Refused {
        /// A stable word.
        code: String,
        /// A sentence.
        message: String,
    },
    /// Something answered, but not the collector.
    #[error(
        "what answered at {at} (status {status}) does not speak the collector's language; \
         perhaps a captive portal or a proxy; results wait in the spool"
    )]
    Stranger {
        /// The base URL.
        at: String,
        /// Its HTTP status.
        status: u16,
    },
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Collector {
    /// `tls` is used for https only.
    pub fn new(base: &str, tls: Arc<rustls::ClientConfig>) -> Result<Self, UplinkError> {
        let url = Url::parse(base).map_err(|_| UplinkError::Url(base.into()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(UplinkError::Url(base.into()));
        }
        Ok(Self { base: url, tls })
    }

    /// Its name or address.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Whether what it says is known to come from it.
    pub fn is_authenticated(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        self.base.as_str()
    }

    /// Sends a sealed message to `path` and waits at most [`WAIT`] for the reply.
    pub async fn post<N: Network, C: Clock>(
        &self,
        net: &N,
        clock: &C,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Reply, UplinkError> {
        tokio::select! {
            biased;
            reply = self.exchange(net, path, body) => reply.map_err(|reason| {
                UplinkError::Unreachable { at: self.base.to_string(), reason }
            }),
            () = clock.sleep(WAIT) => Err(UplinkError::Unreachable {
                at: self.base.to_string(),
                reason: format!("no reply within {} s", WAIT.as_secs()),
            }),
        }
    }

    /// Like [`Self::post`], and decodes the reply: the value asked for, or the refusal.
    pub async fn ask<N: Network, C: Clock, T>(
        &self,
        net: &N,
        clock: &C,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, UplinkError>
    where
        T: for<'b> minicbor::Decode<'b, ()>,
    {
        let reply = self.post(net, clock, path, body).await?;
        let stranger = || UplinkError::Stranger {
            at: self.base.to_string(),
            status: reply.status,
        };
        if (200..300).contains(&reply.status) {
            return from_cbor(&reply.body).map_err(|_| stranger());
        }
        let refusal: Refusal = from_cbor(&reply.body).map_err(|_| stranger())?;
        Err(UplinkError::Refused {
            code: refusal.code,
            message: refusal.message,
        })
    }

    /// Whether the collector is there: an empty batch is refused in its own words.
    pub async fn reachable<N: Network, C: Clock>(
        &self,
        net: &N,
        clock: &C,
    ) -> Result<(), UplinkError> {
        match self
            .ask::<N, C, Receipt>(net, clock, "/v1/batches", Vec::new())
            .await
        {
            Ok(_) | Err(UplinkError::Refused { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    async fn exchange<N: Network>(
        &self,
        net: &N,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Reply, String> {
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port_or_known_default().unwrap_or(443);
        let addresses = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => net
                .resolve(host)
                .await
                .map_err(|f| format!("looking up {host}: {f}"))?,
        };
        let mut last = format!("{host} has no address");
        for ip in addresses {
            match net.connect(SocketAddr::new(ip, port)).await {
                Ok(stream) if self.base.scheme() == "https" => {
                    let name = ServerName::try_from(host.to_owned())
                        .map_err(|e| format!("{host}: {e}"))?;
                    let tls = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
                    let stream = tls
                        .connect(name, stream)
                        .await
                        .map_err(|e| format!("TLS: {e}"))?;
                    return self.speak(stream, path, body).await;
                }
                Ok(stream) => return self.speak(stream, path, body).await,
                Err(e) => last = format!("connecting to {ip}: {e}"),
            }
        }
        Err(last)
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Reply, String> {
        let http = |e: hyper::Error| format!("HTTP: {e}");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .map_err(http)?;
        let request =
            Request::post(format!("{}{path}", self.base.path().trim_end_matches('/')))
                .header(header::HOST, self.base.authority())
                .header(header::CONTENT_TYPE, MEDIA_COSE)
                .body(Full::new(Bytes::from(body)))
                .map_err(|e| e.to_string())?;
        let work = async {
            let response = sender.send_request(request).await.map_err(http)?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), REPLY_CAP)
                .collect()
                .await
                .map_err(|e| format!("reading the reply: {e}"))?;
            Ok(Reply {
                status,
                body: body.to_bytes().into(),
            })
        };
        tokio::pin!(work, connection);
        tokio::select! {
            biased;
            reply = &mut work => reply,
            ended = &mut connection => match ended {
                Ok(()) => work.await,
                Err(e) => Err(http(e)),
            },
        }
    }
}

/// What one attempt to empty the spool did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Batches that the collector has now.
    pub acknowledged: u32,
    /// Of those, batches that it had already.
    pub duplicates: u32,
    /// Batches that it will never take.
    pub set_aside: u32,
}

/// Uploads what waits, oldest first, until the spool is empty or the line fails.
pub async fn drain<N: Network, C: Clock>(
    net: &N,
    clock: &C,
    collector: &Collector,
    spool: &Spool,
    key: &PublicKey,
) -> Result<Drained, (Drained, UplinkError)> {
    let mut done = Drained::default();
    let waiting = spool.waiting().map_err(|e| (done, e.into()))?;
    for sequence in waiting {
        let sealed = spool.read(sequence).map_err(|e| (done, e.into()))?;
        let opened = Envelope::parse(&sealed)
            .and_then(|envelope| envelope.open::<Batch>(Purpose::Batch, key));
        let batch = match opened {
            Ok(batch) => batch.id,
            Err(e) => {
                let reason = format!("damaged on disk: {e}\n");
                spool
                    .set_aside(sequence, &reason)
                    .map_err(|e| (done, e.into()))?;
                done.set_aside += 1;
                continue;
            }
        };
        let reply = collector
            .post(net, clock, "/v1/batches", sealed)
            .await
            .map_err(|e| (done, e))?;
        match understand(&reply, batch) {
            Answer::Has { duplicate } => {
                spool.acknowledge(sequence).map_err(|e| (done, e.into()))?;
                done.acknowledged += 1;
                done.duplicates += u32::from(duplicate);
            }
            Answer::Never(refusal) => {
                let reason = format!("{}: {}\n", refusal.code, refusal.message);
                spool
                    .set_aside(sequence, &reason)
                    .map_err(|e| (done, e.into()))?;
                done.set_aside += 1;
            }
            Answer::NotNow(refusal) => {
                let Refusal { code, message, .. } = refusal;
                return Err((done, UplinkError::Refused { code, message }));
            }
            Answer::Stranger => {
                let at = collector.base.to_string();
                return Err((
                    done,
                    UplinkError::Stranger {
                        at,
                        status: reply.status,
                    },
                ));
            }
        }
    }
    Ok(done)
}

/// Sends one sealed batch that waits elsewhere than in the spool, and comes back once the
/// collector has it.
pub async fn deliver<N: Network, C: Clock>(
    net: &N,
    clock: &C,
    collector: &Collector,
    sealed: Vec<u8>,
    batch: BatchId,
) -> Result<(), UplinkError> {
    let reply = collector.post(net, clock, "/v1/batches", sealed).await?;
    match understand(&reply, batch) {
        Answer::Has { .. } => Ok(()),
        Answer::Never(refusal) | Answer::NotNow(refusal) => {
            let Refusal { code, message, .. } = refusal;
            Err(UplinkError::Refused { code, message })
        }
        Answer::Stranger => Err(UplinkError::Stranger {
            at: collector.base.to_string(),
            status: reply.status,
        }),
    }
}

enum Answer {
    Has { duplicate: bool },
    Never(Refusal),
    NotNow(Refusal),
    Stranger,
}

fn understand(reply: &Reply, batch: BatchId) -> Answer {
    if (200..300).contains(&reply.status) {
        return match from_cbor::<Receipt>(&reply.body) {
            Ok(receipt) if receipt.batch == batch => Answer::Has {
                duplicate: receipt.duplicate,
            },
            _ => Answer::Stranger,
        };
    }
    match from_cbor::<Refusal>(&reply.body) {
        Ok(refusal) if refusal.retry => Answer::NotNow(refusal),
        Ok(refusal) => Answer::Never(refusal),
        Err(_) => Answer::Stranger,
    }
}

/// How long to wait before attempt `failures + 1`: 5 s doubling to an hour, of which a
/// random half, so that a thousand probes do not return at the same moment.
pub fn backoff(failures: u32, random: u32) -> Duration {
    let ceiling = 5_000u64
        .saturating_mul(1 << failures.min(10))
        .min(3_600_000);
    Duration::from_millis(ceiling / 2 + ceiling / 2 * u64::from(random) / u64::from(u32::MAX))
}

/// Largest reply that is read.
pub const REPLY_CAP: usize = 1 << 20;
/// Longest wait for a reply, from connecting to its last byte.
pub const WAIT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::codec::to_cbor;

    fn reply(status: u16, body: Vec<u8>) -> Reply {
        Reply { status, body }
    }

    #[test]
    fn only_a_receipt_counts_as_one() {
        let receipt = Receipt {
            batch: BatchId([1; 16]),
            duplicate: true,
            measurements: 1,
        };
        let answer = |status, body| understand(&reply(status, body), BatchId([1; 16]));
        assert!(matches!(
            answer(200, to_cbor(&receipt)),
            Answer::Has { duplicate: true }
        ));
        let other = Receipt {
            batch: BatchId([2; 16]),
            ..receipt
        };
        assert!(matches!(answer(200, to_cbor(&other)), Answer::Stranger));
        let portal = answer(200, b"<html>please sign in</html>".to_vec());
        assert!(matches!(portal, Answer::Stranger));
        assert!(matches!(answer(403, b"no".to_vec()), Answer::Stranger));
    }

    #[test]
    fn only_a_final_refusal_sets_a_batch_aside() {
        let refusal = |retry| {
            let refusal = Refusal {
                code: "x".into(),
                message: "y".into(),
                retry,
            };
            understand(&reply(400, to_cbor(&refusal)), BatchId([1; 16]))
        };
        assert!(matches!(refusal(true), Answer::NotNow(_)));
        assert!(matches!(refusal(false), Answer::Never(_)));
    }

    #[test]
    fn backoff_grows_to_an_hour_and_is_spread() {
        assert_eq!(backoff(0, 0), Duration::from_millis(2500));
        assert_eq!(backoff(0, u32::MAX), Duration::from_secs(5));
        assert_eq!(backoff(u32::MAX, u32::MAX), Duration::from_hours(1));
    }
}
