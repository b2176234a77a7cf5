//! What do probes post? Sealed CBOR, answered in CBOR (`faultline_core::protocol`).

use super::{
    Service, on_disk,
    refused::{Refused, cbor},
};
use crate::{
    ingest::{Refusal as Upload, issue},
    nobody,
    store::{Ledger, ProbeRecord, Source},
};
use axum::{
    body::Bytes,
    extract::{ConnectInfo, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use faultline_core::{
    codec::{Envelope, PublicKey, Purpose, from_cbor, to_cbor},
    protocol::{CheckIn, CheckInReply, ControlRequest, Enrolled, Enrolment, Risk},
    time::Duration,
    value::{Blob, Ip},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// How long a network-epoch token is good for.
const EPOCH: Duration = Duration::from_hours(24);

type Body = Result<Bytes, BytesRejection>;

pub(super) async fn enrol(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let done = on_body(&headers, body, move |bytes| {
        let envelope = Envelope::parse(&bytes)?;
        // The key is inside what it signs: first read it, then believe it.
        let claimed: Enrolment = from_cbor(payload(&bytes)?)?;
        let key = PublicKey::from_sec1(&claimed.public_key.0)?;
        let enrolment: Enrolment = envelope.open(Purpose::Request, &key)?;
        let probe = key.probe_id();
        if envelope.signer != probe {
            return Err(Upload::WrongSigner.into());
        }
        service.store.enrol(&ProbeRecord {
            id: probe,
            public_key: key.to_sec1(),
            consent: enrolment.consent,
            software: enrolment.software.chars().take(64).collect(),
            enrolled: (service.now)(),
            revoked: None,
            source: Source::Probe,
        })?;
        let collector_key = Blob(service.identity.public().to_sec1());
        Ok(to_cbor(&Enrolled {
            probe,
            collector_key,
        }))
    });
    reply(&headers, done.await)
}

pub(super) async fn check_in(
    State(service): State<Arc<Service>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let address = source(peer.ip(), &headers, service.config.behind_proxy);
    let done = on_body(&headers, body, move |bytes| {
        let asked: CheckIn = open(&service, &bytes)?;
        if Envelope::parse(&bytes)?.signer != asked.probe {
            return Err(Upload::WrongSigner.into());
        }
        let now = (service.now)();
        let token = address.map(|ip| {
            let (key, geo) = (&service.identity, &*service.enricher);
            issue(key, geo, asked.probe, ip, now, EPOCH)
        });
        if let Some(token) = &token {
            service.store.record_epoch(asked.probe, now, token)?;
        }
        let beat = match service.ingest.ward() {
            Some(ward) => Some(ward.terms(asked.probe, address)?),
            None => None,
        };
        Ok(to_cbor(&CheckInReply {
            time: now,
            network: token.map(Blob),
            targets: service.targets.of(
                address.and_then(|ip| service.enricher.country_of(ip)),
                asked.risk.unwrap_or(Risk::Low),
            ),
            next: service.config.check_in_every,
            address: address.map(Ip),
            traces: Some(service.traces.draw(asked.probe, now)),
            beat,
            nobody: nobody::choose(
                &service.config.non_resolvers,
                |ip| service.enricher.country_of(ip),
                address,
                asked.probe,
            ),
        }))
    });
    reply(&headers, done.await)
}

pub(super) async fn batch(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let done = on_body(&headers, body, move |bytes| {
        let receipt = service.ingest.accept(&bytes, (service.now)())?;
        Ok(to_cbor(&receipt))
    });
    reply(&headers, done.await)
}

pub(super) async fn control(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    reply(&headers, look(&service, &headers, body).await)
}

async fn look(
    service: &Arc<Service>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<u8>, Refused> {
    let opener = Arc::clone(service);
    let asked = on_body(headers, body, move |bytes| {
        let asked: ControlRequest = open(&opener, &bytes)?;
        if Envelope::parse(&bytes)?.signer != asked.probe {
            return Err(Upload::WrongSigner.into());
        }
        Ok(asked)
    });
    let asked = asked.await?;
    let Some(desk) = &service.control else {
        return Err(Refused::new(
            StatusCode::FORBIDDEN,
            "control_off",
            "this collector does not look at targets: measure without its control",
        ));
    };
    let report = desk.ask(asked.probe, &asked).await?;
    let brief = (asked.brief == Some(true)).then(|| report.brief());
    let report = brief.as_ref().unwrap_or(&report);
    Ok(service.identity.seal(Purpose::ControlReport, report))
}

async fn on_body<T: Send + 'static>(
    headers: &HeaderMap,
    body: Body,
    work: impl FnOnce(Bytes) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|c| c.as_bytes() != b"identity") {
        return Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_encoding",
            "send the message as it is, without Content-Encoding",
        ));
    }
    let bytes = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Upload::TooLarge.into(),
        status => {
            let sentence = "the request's body did not arrive whole: send it again";
            Refused::new(status, "body", sentence).worth_repeating()
        }
    })?;
    on_disk(move || work(bytes)).await
}

fn reply(headers: &HeaderMap, done: Result<Vec<u8>, Refused>) -> Response {
    match done {
        Ok(bytes) => cbor(StatusCode::OK, bytes),
        Err(refused) => refused.to_probe(headers),
    }
}

/// Opens a request of a known probe.
fn open<T: for<'b> minicbor::Decode<'b, ()>>(
    service: &Service,
    bytes: &[u8],
) -> Result<T, Refused> {
    let envelope = Envelope::parse(bytes)?;
    let signer = envelope.signer;
    let probe = service
        .store
        .probe(signer)?
        .ok_or(Upload::UnknownProbe(signer))?;
    if probe.revoked.is_some() {
        return Err(Upload::RevokedProbe(signer).into());
    }
    let key = PublicKey::from_sec1(&probe.public_key)?;
    Ok(envelope.open(Purpose::Request, &key)?)
}

/// The payload of an envelope (RFC 9052 section 4.2), nothing checked.
fn payload(bytes: &[u8]) -> Result<&[u8], Refused> {
    let mut d = minicbor::Decoder::new(bytes);
    let mut walk = || {
        d.tag()?;
        d.array()?;
        d.bytes()?;
        d.skip()?;
        d.bytes()
    };
    walk().map_err(|_: minicbor::decode::Error| {
        Refused::from(faultline_core::codec::CodecError::Envelope)
    })
}

/// Where a request came from: the connection, or what one's own proxy added last.
pub(super) fn source(peer: IpAddr, headers: &HeaderMap, behind_proxy: bool) -> Option<IpAddr> {
    if !behind_proxy {
        return Some(peer);
    }
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_hop_counts_and_only_behind_a_proxy() {
        let peer = IpAddr::from([127, 0, 0, 1]);
        let mut headers = HeaderMap::new();
        assert_eq!(source(peer, &headers, true), None);
        headers.append("x-forwarded-for", "10.0.0.1, 192.0.2.1".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.2, 192.0.2.2".parse().unwrap());
        assert_eq!(source(peer, &headers, false), Some(peer));
        let last = IpAddr::from([192, 0, 2, 2]);
        assert_eq!(source(peer, &headers, true), Some(last));
    }
}
