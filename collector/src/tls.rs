//! How does the collector prove that it is the collector, where no proxy does it? By TLS 1.3
//! with the operator's certificate, on the address of the API.
//!
//! Handshakes run beside each other, a bounded number, each within a bounded time: whoever
//! connects and says nothing keeps nobody out. Records are short, since a board has to hold a
//! whole one to read it (RFC 8446 section 5.1).

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Handshakes at the same time.
const AT_ONCE: usize = 256;
/// Longest handshake.
const WAIT: Duration = Duration::from_secs(10);
/// Octets of a record, with what is around its text.
const RECORD: usize = 4096;
/// Pause where the system has no more descriptors.
const BREATH: Duration = Duration::from_secs(1);

/// Why the certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsSettingsError {
    /// A file is not there or not PEM.
    #[error("cannot read the {what} {path}: {source}; it has to be PEM")]
    File {
        /// Certificate or key.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// There is no certificate in the file.
    #[error(
        "{0} holds no certificate: it needs the server's, then those that lead to its authority"
    )]
    Empty(PathBuf),
    /// Key and certificate do not go together.
    #[error(
        "the certificate {certificate} and the key {key} are of no use: {source}; are they of each other?"
    )]
    Pair {
        /// The one.
        certificate: PathBuf,
        /// The other.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// TLS by a certificate (with those that lead to its authority) and its key, both PEM files.
pub fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsSettingsError> {
    let unreadable = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsSettingsError::File { what, path, source }
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(unreadable("certificate", certificate))?;
    if chain.is_empty() {
        return Err(TlsSettingsError::Empty(certificate.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable("key", key))?;
    let pair = |source| TlsSettingsError::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.max_fragment_size = Some(RECORD);
    Ok(Arc::new(config))
}

/// Connections whose handshake is done.
pub struct Shaken {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    at: SocketAddr,
}

impl Shaken {
    /// Takes connections from now on; within a runtime.
    pub fn listen(listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<Self> {
        let at = listener.local_addr()?;
        let (done, ready) = mpsc::channel(AT_ONCE);
        tokio::spawn(take(listener, TlsAcceptor::from(config), done));
        Ok(Self { ready, at })
    }
}

async fn take(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    while !done.is_closed() {
        // Never closed, so there is always a permit to come.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = done.closed() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not taken");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let (acceptor, done) = (acceptor.clone(), done.clone());
        tokio::spawn(async move {
            // Who shook no hands is nobody: no word in the log.
            if let Ok(Ok(stream)) = tokio::time::timeout(WAIT, acceptor.accept(stream)).await {
                let _ = done.send((stream, peer)).await;
            }
            drop(permit);
        });
    }
}

impl axum::serve::Listener for Shaken {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Only while the runtime ends.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.at)
    }
}
