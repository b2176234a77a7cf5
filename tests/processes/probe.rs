//! The probe as a process of its own, for tests that start it or kill it.
//!
//! Everything is the probe's but one thing: where `FAULTLINE_TEST_RESOLVER` names a resolver,
//! the network announces that one, since a test may ask only its own, and the watch for
//! second answers ends at once.

use clap::Parser as _;
use faultline_core::failure::Failure;
use faultline_probe::{
    cli::{Args, Exit, run, say},
    net::{Exchange, Network, OsNetwork, Patience, SystemClock},
    random::OsEntropy,
};
use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

struct Loopback {
    os: OsNetwork,
    resolver: SocketAddr,
}

impl Network for Loopback {
    type Stream = <OsNetwork as Network>::Stream;
    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange {
        let patience = Patience {
            further: Duration::ZERO,
            ..patience
        };
        self.os.exchange(to, payload, patience).await
    }
    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream> {
        self.os.connect(to).await
    }
    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, Failure> {
        Ok(vec![IpAddr::from([20, 1, 0, 1])])
    }
    fn announced_resolvers(&self) -> Vec<SocketAddr> {
        vec![self.resolver]
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match measure(args) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(e) => {
            say(&format_args!("{e:#}"));
            ExitCode::from(Exit::Failed as u8)
        }
    }
}

fn measure(args: Args) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (clock, entropy) = (SystemClock::new(), RefCell::new(OsEntropy));
    let mut out = io::stdout().lock();
    let os = OsNetwork::new();
    match std::env::var("FAULTLINE_TEST_RESOLVER") {
        Ok(resolver) => {
            let resolver = resolver.parse()?;
            let network = Loopback { os, resolver };
            runtime.block_on(run(args, &network, &clock, &entropy, &mut out))
        }
        Err(_) => runtime.block_on(run(args, &os, &clock, &entropy, &mut out)),
    }
}
