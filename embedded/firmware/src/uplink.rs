//! How do results reach the collector? At least once, in order, and never lost.
//!
//! The same requests as every probe's (`faultline_core::protocol`), over HTTP/1.1 inside
//! whatever [`Secure`] makes of a TCP stream. A batch leaves the queue only when the
//! collector's receipt names it; whatever else comes back (a captive portal's page, silence)
//! is "later".

use crate::{
    Chance, CollectorAt, Line, Secure, Unsecured, clock,
    http::{self, HttpError, Response},
    line,
    measure::{Run, announced},
};
use alloc::{format, string::String, vec::Vec};
use core::net::{Ipv4Addr, SocketAddr};
use embassy_futures::select::{Either, select};
use faultline_core::{
    codec::{Envelope, Identity, PublicKey, Purpose, from_cbor},
    engine::lookup::{Question, addresses},
    failure::Failure,
    id::BatchId,
    measurement::ControlReport,
    observation::{DnsTransport, ResolverRole},
    protocol::{
        CheckIn, CheckInReply, ControlRequest, Enrolled, Enrolment, MEDIA_COSE, Receipt,
        Refusal, Risk,
    },
    time::{Duration, UnixTime},
    value::{Blob, Ip},
};
use minicbor::Decode;

/// How long one exchange may take, connection and handshake included.
const WAIT: Duration = Duration::from_mins(1);
/// Octets of a reply that are taken: of most, and of those that carry a list or a report.
const REPLY: usize = 2048;
const LONG_REPLY: usize = 16 * 1024;

/// Why the collector did not take something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UplinkError {
    /// Its name has no address.
    #[error("the collector's name cannot be resolved; results wait in flash")]
    NoAddress,
    /// There is no connection to it.
    #[error("the collector cannot be connected to ({0}); results wait in flash")]
    Unreachable(Failure),
    /// Nobody proved to be it.
    #[error(transparent)]
    Unsecured(#[from] Unsecured),
    /// The exchange broke or took too long.
    #[error("the exchange with the collector did not come to its end; results wait in flash")]
    Broken,
    /// Something answered, but not the collector.
    #[error(
        "what answers (status {0}) does not speak the collector's language, perhaps a captive \
         portal; results wait in flash"
    )]
    Stranger(u16),
    /// It refused.
    #[error("the collector refuses: {message} ({code})")]
    Refused {
        /// A stable word.
        code: String,
        /// A sentence.
        message: String,
        /// Whether the same may succeed later.
        retry: bool,
    },
}

/// The way to the collector, and who goes it.
pub(crate) struct Uplink<'a, S> {
    pub(crate) line: Line<'a>,
    pub(crate) at: &'a CollectorAt,
    pub(crate) settings: &'a crate::Settings,
    pub(crate) secure: &'a mut S,
    pub(crate) chance: &'a mut Chance,
    /// The wall clock, where it can be trusted.
    pub(crate) now: Option<UnixTime>,
    pub(crate) identity: &'a Identity,
}

/// What the collector knows of this board now.
pub(crate) struct Known {
    pub(crate) key: PublicKey,
    pub(crate) reply: CheckInReply,
    /// Where the collector is.
    pub(crate) at: Ipv4Addr,
}

impl<S: Secure> Uplink<'_, S> {
    /// Makes the board known and asks what to measure and which network this is.
    pub(crate) async fn check_in(
        &mut self,
        (consent, risk): (u16, Risk),
        software: &str,
        clock: UnixTime,
    ) -> Result<Known, UplinkError> {
        let public = self.identity.public();
        let enrolment = Enrolment {
            public_key: Blob(public.to_sec1()),
            consent,
            software: software.into(),
        };
        let sealed = self.identity.seal(Purpose::Request, &enrolment);
        let enrolled: Enrolled = self.ask("/v1/probes", &sealed, REPLY).await?;
        let key = PublicKey::from_sec1(&enrolled.collector_key.0)
            .map_err(|_| UplinkError::Stranger(200))?;
        let check_in = CheckIn {
            probe: public.probe_id(),
            consent,
            software: software.into(),
            clock,
            risk: Some(risk),
        };
        let sealed = self.identity.seal(Purpose::Request, &check_in);
        let reply = self.ask("/v1/check-in", &sealed, LONG_REPLY).await?;
        let at = self.locate().await?;
        Ok(Known { key, reply, at })
    }

    /// The control's view of a target, without certificates and pages; `None` where there
    /// is none that the collector signed.
    pub(crate) async fn control(
        &mut self,
        key: &PublicKey,
        target: &str,
        told: Vec<Ip>,
    ) -> Result<Option<(Blob, ControlReport)>, UplinkError> {
        let request = ControlRequest {
            probe: self.identity.public().probe_id(),
            target: target.into(),
            addresses: told,
            brief: Some(true),
            transports: None,
        };
        let sealed = self.identity.seal(Purpose::Request, &request);
        let Response { status, body } = self.post("/v1/control", &sealed, LONG_REPLY).await?;
        let opened = Envelope::parse(&body)
            .and_then(|envelope| envelope.open::<ControlReport>(Purpose::ControlReport, key));
        let report = opened
            .ok()
            .filter(|report| status == 200 && report.target == target);
        Ok(report.map(|report| (Blob(body), report)))
    }

    /// Hands over one sealed batch; whether the collector has it for good. Where it will
    /// never take it, that is so, too: `Ok(false)`.
    pub(crate) async fn upload(&mut self, sealed: &[u8]) -> Result<bool, UplinkError> {
        let Some(batch) = batch_id(sealed, &self.identity.public()) else {
            return Ok(false);
        };
        match self.ask::<Receipt>("/v1/batches", sealed, REPLY).await {
            Ok(receipt) if receipt.batch == batch => Ok(true),
            Ok(_) => Err(UplinkError::Stranger(200)),
            Err(UplinkError::Refused { retry: false, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn ask<T: for<'b> Decode<'b, ()>>(
        &mut self,
        path: &str,
        sealed: &[u8],
        cap: usize,
    ) -> Result<T, UplinkError> {
        let Response { status, body } = self.post(path, sealed, cap).await?;
        if (200..300).contains(&status) {
            return from_cbor(&body).map_err(|_| UplinkError::Stranger(status));
        }
        let refusal: Refusal = from_cbor(&body).map_err(|_| UplinkError::Stranger(status))?;
        Err(UplinkError::Refused {
            code: refusal.code,
            message: refusal.message,
            retry: refusal.retry,
        })
    }

    async fn post(
        &mut self,
        path: &str,
        sealed: &[u8],
        cap: usize,
    ) -> Result<Response, UplinkError> {
        let deadline = clock::now() + WAIT;
        match select(self.exchange(path, sealed, cap), clock::until(deadline)).await {
            Either::First(done) => done,
            Either::Second(()) => Err(UplinkError::Broken),
        }
    }

    async fn exchange(
        &mut self,
        path: &str,
        sealed: &[u8],
        cap: usize,
    ) -> Result<Response, UplinkError> {
        let ip = self.locate().await?;
        let to = SocketAddr::new(ip.into(), self.at.port);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}:{}\r\ncontent-type: {MEDIA_COSE}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.at.host,
            self.at.port,
            sealed.len()
        );
        let deadline = clock::now() + self.settings.timeouts.tcp;
        let (parent, at, now) = (self.line, self.at, self.now);
        let entropy = self.chance.octets();
        let secure = &mut *self.secure;
        line::with_stream(parent, async |socket| {
            let opened = line::connect(parent, socket, to, deadline).await;
            opened.map_err(UplinkError::Unreachable)?;
            let done = if at.tls {
                let mut channel = secure.secure(socket, &at.host, now, entropy).await?;
                http::exchange(&mut channel, head.as_bytes(), sealed, cap).await
            } else {
                http::exchange(socket, head.as_bytes(), sealed, cap).await
            };
            done.map_err(|error| match error {
                HttpError::Broken => UplinkError::Broken,
                HttpError::NotHttp | HttpError::TooLong => UplinkError::Stranger(0),
            })
        })
        .await
    }

    async fn locate(&mut self) -> Result<Ipv4Addr, UplinkError> {
        if let Some(ip) = self.at.address.or_else(|| self.at.host.parse().ok()) {
            return Ok(ip);
        }
        let mut run = Run::new(self.line, self.settings, self.chance);
        for resolver in announced(self.line) {
            let question = Question {
                name: self.at.host.clone(),
                rtype: 1,
                role: ResolverRole::Network,
                transport: DnsTransport::Udp,
                resolver,
                resolver_name: None,
            };
            let seen = run.lookup(&question, 0).await;
            if let Some(Ip(core::net::IpAddr::V4(ip))) = addresses(&seen).first() {
                return Ok(*ip);
            }
        }
        Err(UplinkError::NoAddress)
    }
}

/// Which batch these octets are, if they are one of ours: flash may have aged.
fn batch_id(sealed: &[u8], key: &PublicKey) -> Option<BatchId> {
    let head: Head = Envelope::parse(sealed)
        .ok()?
        .open(Purpose::Batch, key)
        .ok()?;
    Some(head.id)
}

/// What of a [`Batch`](faultline_core::measurement::Batch) is read here: no code for the rest
/// takes room in flash.
#[derive(Decode)]
#[cbor(map)]
struct Head {
    #[n(2)]
    id: BatchId,
}
