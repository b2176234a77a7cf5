//! Does the probe's smallest HTTP/3 understand a server of others?

use bytes::Bytes;
use faultline_core::observation::{Quic, Step};
use faultline_probe::experiment::{Plan, World, quic};
use faultline_probe::net::{OsNetwork, SystemClock};
use faultline_probe::random::OsEntropy;
use quinn::crypto::rustls::QuicServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

/// Answers each request with the status that its path names, by `h3` over `quinn`.
fn serve(endpoint: quinn::Endpoint) {
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(async move {
                let connection = h3_quinn::Connection::new(incoming.await.ok()?);
                let mut connection = h3::server::Connection::<_, Bytes>::new(connection)
                    .await
                    .ok()?;
                while let Ok(Some(resolver)) = connection.accept().await {
                    let (request, mut stream) = resolver.resolve_request().await.ok()?;
                    let status: u16 = request.uri().path().get(1..)?.parse().ok()?;
                    let response = http::Response::builder()
                        .status(status)
                        .header("server", "h3")
                        .body(())
                        .ok()?;
                    stream.send_response(response).await.ok()?;
                    stream.send_data(Bytes::from(vec![7; 100_000])).await.ok()?;
                    stream.finish().await.ok()?;
                }
                Some(())
            });
        }
    });
}

#[tokio::test]
async fn statuses_of_another_implementation_are_read() {
    let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let der = key.cert.der().clone();
    let secret =
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], secret)
        .unwrap();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = Arc::new(QuicServerConfig::try_from(tls).unwrap());
    let config = quinn::ServerConfig::with_crypto(crypto);
    let endpoint = quinn::Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0)));
    let endpoint = endpoint.unwrap();
    let at = endpoint.local_addr().unwrap();
    serve(endpoint);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der).unwrap();
    let plan = Plan::new(Arc::new(roots), "neutral.example");
    let entropy = RefCell::new(OsEntropy);
    let (net, clock) = (OsNetwork::new(), SystemClock::new());
    let world = World {
        net: &net,
        clock: &clock,
        entropy: &entropy,
    };
    // Of QPACK's static table, and by literal, where `h3` uses Huffman's code.
    for status in [200, 204, 301, 302, 404, 418, 429, 451, 503] {
        let url = format!("https://{at}/{status}");
        let seen = Box::pin(quic(&world, &plan, &url, None)).await;
        let [observation] = &seen.observations[..] else {
            panic!("{:?}", seen.observations);
        };
        let Step::Quic(Quic {
            status: read,
            alpn,
            certificate,
            ..
        }) = &observation.step
        else {
            panic!("{observation:?}");
        };
        assert_eq!((observation.failure, *read), (None, Some(status)));
        assert_eq!(alpn.as_deref(), Some("h3"));
        assert!(certificate.as_ref().is_some_and(|v| v.failure.is_none()));
        // A hundred thousand octets of body are not waited for.
        assert!(seen.bytes_received < 50_000, "{}", seen.bytes_received);
    }
}
