//! Does the collector speak TLS as its operator set it up, and say what is wrong where not?

use axum::{Router, extract::ConnectInfo, routing::get};
use faultline_collector::{
    doors::{self, Limits},
    tls::config,
};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

const NAME: &str = "collector.example";

/// The commands that docs/collector.md tells, run in a folder of their own; `None` without
/// openssl.
fn as_documented() -> Option<tempfile::TempDir> {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: no openssl here to make certificates as docs/collector.md says");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let told = include_str!("../../docs/collector.md").lines();
    let commands: Vec<_> = told
        .filter(|line| line.starts_with("    openssl "))
        .collect();
    assert_eq!(commands.len(), 6);
    let script = commands.join("\n");
    let done = Command::new("sh")
        .args(["-ec", &script])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    Some(folder)
}

/// Serves the caller's address until the runtime ends.
async fn serve(folder: &Path) -> SocketAddr {
    let settings =
        config(&folder.join("collector.pem"), &folder.join("collector.key")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
    let app = Router::new().route("/", get(who));
    let limits = Limits::default();
    let forever = std::future::pending();
    tokio::spawn(doors::serve(listener, Some(settings), app, limits, forever));
    at
}

async fn connect(
    at: SocketAddr,
    authority: &Path,
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = std::fs::read(authority).unwrap();
    roots.add(CertificateDer::from(authority)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(at).await?;
    connector
        .connect(ServerName::try_from(NAME).unwrap(), stream)
        .await
}

#[tokio::test]
async fn documented_commands_make_what_is_served_and_believed() {
    let Some(folder) = as_documented() else {
        return;
    };
    let authority = folder.path().join("authority.der");
    let at = serve(folder.path()).await;
    // Whoever says nothing keeps nobody out.
    let silent = TcpStream::connect(at).await.unwrap();
    let mut stream = connect(at, &authority, &rustls::version::TLS13)
        .await
        .unwrap();
    let own = stream.get_ref().0.local_addr().unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.ends_with(&own.to_string()),
        "the caller's own address: {answer}"
    );
    drop(silent);
    let old = connect(at, &authority, &rustls::version::TLS12).await;
    assert!(old.is_err(), "nothing older is spoken");
}

#[test]
fn what_cannot_be_served_is_named() {
    let Some(folder) = as_documented() else {
        return;
    };
    let file = |name: &str| folder.path().join(name);
    let said = |certificate: &str, key: &str| {
        config(&file(certificate), &file(key))
            .unwrap_err()
            .to_string()
    };
    assert!(said("nowhere.pem", "collector.key").contains("nowhere.pem"));
    assert!(said("collector.pem", "authority.der").contains("authority.der"));
    assert!(said("authority.key", "collector.key").contains("no certificate"));
    assert!(said("collector.pem", "authority.key").contains("of each other"));
    let own = CertificateDer::pem_file_iter(file("collector.pem")).unwrap();
    assert_eq!(own.count(), 1);
}
