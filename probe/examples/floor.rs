//! What is the least that a program with this runtime and this TLS needs? The floor beside
//! which `cargo x measure-probe` sets the probe: one handshake by name, then it waits.

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use std::{error::Error, io::Read as _, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(address), Some(name)) = (words.next(), words.next()) else {
        return Err("usage: floor ADDRESS:PORT NAME".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        })
        .with_no_client_auth();
    let shaken = runtime.block_on(async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(name).map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    });
    // A closed world's certificate is not of a public authority: that is how far it goes.
    println!("{}", shaken.is_ok());
    std::io::stdin().read_exact(&mut [0])?;
    Ok(())
}
