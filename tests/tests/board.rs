//! Does a probe without TLS see on a path what one with TLS sees?
//!
//! The handshake engine alone, over the simulated Internet, as firmware drives it: a target's
//! name and its neutral twin to the same address, past each kind of box.

use faultline_core::{
    engine::{
        Want,
        handshake::{Event, Greeting, Trial},
    },
    failure::Failure,
    observation::{HandshakeRole, HandshakeStage, Step},
    time::{ClockQuality, Duration, Instant},
};
use faultline_internet::{
    clock::SimClock, network::SimNetwork, scenario::Scenario, world::World,
};
use faultline_probe::net::{Clock, Network};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How the handshake with each name ended.
type Ends = [(HandshakeStage, Option<Failure>); 2];

fn past(scenario: &str) -> Ends {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let scenario = Scenario::read(&path.join(scenario)).expect("a scenario");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("virtual time");
    let world = Arc::new(World::new(&scenario).expect("a world"));
    runtime.block_on(async {
        let net = SimNetwork::probe(&world, &scenario.probe, scenario.seed);
        let clock = SimClock::new(0, ClockQuality::Ntp);
        let target = Greeting {
            to: "21.1.0.80:443".parse().expect("an address"),
            server_name: Some("news.example".to_owned()),
            role: HandshakeRole::Target,
            alpn: vec!["http/1.1".to_owned()],
            patience: Duration::from_secs(10),
        };
        let twin = target.twin("neutral.example");
        [
            greet(&net, &clock, target).await,
            greet(&net, &clock, twin).await,
        ]
    })
}

/// The driver that an engine needs: sends, waits for octets or for time.
async fn greet(
    net: &SimNetwork,
    clock: &SimClock,
    greeting: Greeting,
) -> (HandshakeStage, Option<Failure>) {
    let mut stream = net.connect(greeting.to).await.expect("a connection");
    let mut trial = Trial::new(greeting, Instant(0), clock.now(), &[0x5a; 96]);
    let mut chunk = [0; 512];
    loop {
        match trial.poll(clock.now()) {
            Want::Send(hello) => stream.write_all(hello).await.expect("it is sent"),
            Want::Wait => {
                let until = trial.poll_at().expect("it waits for something");
                let event = tokio::select! {
                    read = stream.read(&mut chunk) => match read {
                        Ok(0) => Event::Closed,
                        Ok(length) => Event::Received(&chunk[..length]),
                        Err(error) if error.raw_os_error() == Some(104) => Event::Reset,
                        Err(error) => panic!("{error}"),
                    },
                    () = clock.sleep(until.since(clock.now())) => continue,
                };
                trial.handle(clock.now(), event);
            }
            Want::Nothing => break,
        }
    }
    let seen = trial.finish(clock.now());
    match seen.step {
        Step::Handshake(fact) => (fact.stage, seen.failure),
        other => panic!("{other:?}"),
    }
}

#[test]
fn boxes_are_told_by_how_the_hello_ends() {
    let sent = |failure| (HandshakeStage::HelloSent, Some(failure));
    let answered = (HandshakeStage::ServerHello, None);
    for (scenario, ends) in [
        ("benign/clean.toml", [answered, answered]),
        (
            "blocking/sni_reset.toml",
            [sent(Failure::TlsReset), answered],
        ),
        (
            "blocking/sni_drop.toml",
            [sent(Failure::TlsTimeout), answered],
        ),
        // The server itself resets, whatever the name.
        (
            "benign/site_resets.toml",
            [sent(Failure::TlsReset), sent(Failure::TlsReset)],
        ),
        // Somebody else shakes hands: only a certificate tells, and that is encrypted.
        ("blocking/tls_mitm.toml", [answered, answered]),
    ] {
        assert_eq!(past(scenario), ends, "{scenario}");
    }
}
