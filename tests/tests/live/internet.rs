//! Does the live Internet keep its promises to whoever builds a world of their own on it?

use crate::{Entered, chain, possible};
use faultline_core::dns::{NameBuf, Query, RecordType};
use faultline_internet::live::{HostSpec, Internet, LiveError};
use faultline_internet::{scenario::Scenario, world::World};
use faultline_probe::net::{Exchange, Network as _, OsNetwork, Patience};
use libtest_mimic::{Failed, Trial};
use nix::sys::socket::{setsockopt, sockopt};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const FILTERED: &str = include_str!("../../scenarios/blocking/sni_reset.toml");
const INJECTED: &str = include_str!("../../scenarios/dns/injector_other.toml");
const COLLECTOR: Ipv4Addr = Ipv4Addr::new(24, 255, 0, 55);
const SITE: Ipv4Addr = Ipv4Addr::new(21, 1, 0, 80);
const RESOLVER: Ipv4Addr = Ipv4Addr::new(20, 1, 0, 53);

type Check = fn() -> Result<(), Failed>;

/// All trials.
pub(crate) fn trials(entered: &Entered) -> Vec<Trial> {
    let checks: [(&str, Check); 7] = [
        ("many_hosts_meet_a_collector", many_hosts_meet_a_collector),
        ("children_are_on_their_host_and_die_with_it", children_die),
        ("a_hop_limit_runs_out", a_hop_limit_runs_out),
        (
            "a_hello_in_two_segments_is_read_put_together",
            a_split_hello_is_read,
        ),
        ("a_cut_link_carries_nothing", a_cut_link_carries_nothing),
        ("boxes_come_and_go", boxes_come_and_go),
        ("names_and_addresses_are_given_once", given_once),
    ];
    let trial = |(name, check): (&str, Check)| {
        let entered = Arc::clone(entered);
        Trial::test(format!("namespace_{name}"), move || {
            if possible(&entered) { check() } else { Ok(()) }
        })
    };
    checks.into_iter().map(trial).collect()
}

/// A world and one probe in it.
fn start(text: &str) -> Result<Internet, Failed> {
    let world = Arc::new(World::new(&Scenario::parse(text)?)?);
    let probe = HostSpec {
        delay_ms: 5,
        ..HostSpec::within(&world, "probe", 64_500, 7)?
    };
    Internet::start(&world, vec![probe]).map_err(|error| chain(&error).into())
}

fn many_hosts_meet_a_collector() -> Result<(), Failed> {
    let mut text = String::from(
        "name = 'many'\ncites = []\nseed = 1\nmeasure = []\n\
         probe = { asn = 64500 }\nexpect = { outcome = 'ok' }\n[[country]]\ncode = 'XA'\n",
    );
    for at in 0..12 {
        let asn = 64_500 + at;
        let prefix = format!("['20.{at}.0.0/16']");
        writeln!(
            text,
            "[[as]]\nasn = {asn}\ncountry = 'XA'\nprefixes = {prefix}"
        )?;
    }
    let world = Arc::new(World::new(&Scenario::parse(&text)?)?);
    let mut hosts = vec![HostSpec::new("collector", 64_511, COLLECTOR)];
    for number in 0..32u16 {
        let asn = 64_500 + u32::from(number % 12);
        hosts.push(HostSpec {
            delay_ms: 10,
            ..HostSpec::within(&world, &format!("probe {number}"), asn, 100 + number)?
        });
    }
    let wanted: Vec<IpAddr> = hosts
        .iter()
        .skip(1)
        .map(|host| host.address.into())
        .collect();
    let internet = Internet::start(&world, hosts)?;

    let (ready, listening) = mpsc::channel();
    let collector = internet.begin("collector", move || -> std::io::Result<Vec<IpAddr>> {
        let listener = TcpListener::bind((COLLECTOR, 8080))?;
        let _ = ready.send(());
        let mut seen = Vec::new();
        for _ in 0..32 {
            let (mut stream, from) = listener.accept()?;
            let mut octets = Vec::new();
            stream.read_to_end(&mut octets)?;
            stream.write_all(&octets)?;
            seen.push(from.ip());
        }
        Ok(seen)
    })?;
    listening.recv()?;
    // Larger than a segment, and than what a link takes at once.
    let upload = Arc::new((0..100_000).map(|at| at as u8).collect::<Vec<u8>>());
    let mut probes = Vec::new();
    for number in 0..32 {
        let upload = Arc::clone(&upload);
        probes.push(internet.begin(&format!("probe {number}"), move || {
            let mut stream = TcpStream::connect((COLLECTOR, 8080))?;
            stream.write_all(&upload)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            let mut echoed = Vec::new();
            stream.read_to_end(&mut echoed)?;
            std::io::Result::Ok(echoed == *upload)
        })?);
    }
    for probe in probes {
        assert!(probe.join().map_err(|_| "a probe panicked")??);
    }
    let mut seen = collector.join().map_err(|_| "the collector panicked")??;
    seen.sort();
    let mut wanted = wanted;
    wanted.sort();
    assert_eq!(seen, wanted, "each from its own address");
    Ok(())
}

fn children_die() -> Result<(), Failed> {
    let internet = start(FILTERED)?;
    let mut command = Command::new("cat");
    command.arg("/etc/resolv.conf").stdout(Stdio::piped());
    let output = internet.spawn("probe", command)?.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.starts_with("nameserver 20.1.0.53\n"), "{text}");
    let outside = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    assert_ne!(text, outside, "only the host sees its settings");

    let sleep = || {
        // A shell that waits for a child of its own.
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 600; true"])
            .stdout(Stdio::piped());
        command
    };
    let (first, second) = (
        internet.spawn("probe", sleep())?,
        internet.spawn("probe", sleep())?,
    );
    drop(internet);
    for child in [first, second] {
        // Its output ends when also the grandchild is gone.
        assert_eq!(child.wait_with_output()?.status.signal(), Some(9));
    }

    let internet = start(FILTERED)?;
    let missing = internet.spawn("probe", Command::new("no such program"));
    assert!(matches!(missing, Err(LiveError::Process { .. })));
    assert!(matches!(
        internet.spawn("nobody", Command::new("true")),
        Err(LiveError::NoHost(_))
    ));
    Ok(())
}

fn a_hop_limit_runs_out() -> Result<(), Failed> {
    let internet = start(FILTERED)?;
    let error = internet.on("probe", || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        socket.set_ttl(1)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.send_to(b"how far?", (SITE, 33_434))?;
        Ok::<_, std::io::Error>(socket.recv_from(&mut [0; 64]).map_err(|e| e.kind()))
    })??;
    // ICMP time exceeded (icmp(7)).
    assert_eq!(error, Err(ErrorKind::HostUnreachable));
    Ok(())
}

fn a_split_hello_is_read() -> Result<(), Failed> {
    let internet = start(FILTERED)?;
    let greet = |name: &'static str| {
        internet.on("probe", move || {
            let hello = hello(name);
            let (first, second) = hello.split_at(20);
            let mut stream = TcpStream::connect((SITE, 443))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(first)?;
            stream.write_all(second)?;
            stream.read(&mut [0; 4096])
        })
    };
    let reassemble = |whether: bool| {
        internet.boxes(|boxes| {
            for middlebox in boxes {
                middlebox.reassembles = whether;
            }
        });
    };
    reassemble(false);
    assert!(matches!(greet("news.example")?, Ok(1..)), "pieces pass");
    reassemble(true);
    let filtered = greet("news.example")?.map_err(|error| error.kind());
    assert_eq!(filtered, Err(ErrorKind::ConnectionReset));
    assert!(matches!(greet("other.example")?, Ok(1..)), "others pass");
    Ok(())
}

fn a_cut_link_carries_nothing() -> Result<(), Failed> {
    let internet = start(FILTERED)?;
    assert_eq!(ask(&internet, RESOLVER)?.datagrams.len(), 1);
    internet.connect("probe", false)?;
    assert!(ask(&internet, RESOLVER)?.datagrams.is_empty());
    internet.connect("probe", true)?;
    assert_eq!(ask(&internet, RESOLVER)?.datagrams.len(), 1);
    internet.degrade("probe", 1, 100)?;
    assert!(ask(&internet, RESOLVER)?.datagrams.is_empty());
    Ok(())
}

fn boxes_come_and_go() -> Result<(), Failed> {
    let internet = start(INJECTED)?;
    assert_eq!(
        ask(&internet, RESOLVER)?.datagrams.len(),
        2,
        "forged and true"
    );
    let box_of_before = {
        let mut before = Vec::new();
        internet.boxes(|boxes| std::mem::swap(boxes, &mut before));
        before
    };
    assert_eq!(ask(&internet, RESOLVER)?.datagrams.len(), 1, "true");
    internet.boxes(|boxes| *boxes = box_of_before);
    assert_eq!(
        ask(&internet, SITE)?.datagrams.len(),
        1,
        "forged for any address"
    );
    assert_eq!(internet.uncaptured(), 0);
    let file = internet.capture();
    let packets = records(&file)?;
    let questions = packets.iter().filter(|packet| {
        let words = packet.windows(13);
        words.into_iter().any(|word| word == b"\x04news\x07example")
    });
    // Three questions, two forged answers and two true ones, and the site's word that it
    // has no such port, which quotes the question (RFC 1122 section 3.2.2.1).
    assert_eq!(questions.count(), 8);
    Ok(())
}

fn given_once() -> Result<(), Failed> {
    let world = Arc::new(World::new(&Scenario::parse(FILTERED)?)?);
    let host = |name, number| HostSpec::within(&world, name, 64_500, number);
    for hosts in [
        vec![host("a", 7)?, host("a", 8)?],
        vec![host("a", 7)?, host("b", 7)?],
        vec![HostSpec::new("a", 64_500, SITE)],
    ] {
        assert!(matches!(
            Internet::start(&world, hosts),
            Err(LiveError::Taken(_))
        ));
    }
    assert!(matches!(
        HostSpec::within(&world, "a", 1, 7),
        Err(LiveError::NoAddress(1))
    ));
    Ok(())
}

/// One question from the probe for the address of `news.example`.
fn ask(internet: &Internet, to: Ipv4Addr) -> Result<Exchange, Failed> {
    let exchange = internet.on("probe", move || {
        let name: NameBuf = "news.example".parse().expect("a name");
        let mut query = vec![0; Query::MAX_LEN];
        let length = Query::new(1, name, RecordType::A).emit(&mut query);
        query.truncate(length.expect("it fits"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let patience = Patience {
            first: Duration::from_secs(2),
            further: Duration::from_millis(500),
        };
        let to = SocketAddr::new(to.into(), 53);
        let asking = async { OsNetwork::new().exchange(to, &query, patience).await };
        std::io::Result::Ok(runtime.block_on(asking))
    })?;
    Ok(exchange?)
}

/// A ClientHello that asks for a name.
fn hello(name: &'static str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls_pki_types::ServerName::try_from(name).expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a hello");
    hello
}

/// The packets of a pcap file, which must end where its last record does.
fn records(file: &[u8]) -> Result<Vec<&[u8]>, Failed> {
    assert_eq!(file.get(..4), Some(&[0xd4, 0xc3, 0xb2, 0xa1][..]));
    let mut rest = file.get(24..).ok_or("no header")?;
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let (head, tail) = rest.split_at_checked(16).ok_or("a torn record")?;
        let length = u32::from_le_bytes(head[8..12].try_into()?);
        let (packet, tail) = tail
            .split_at_checked(length as usize)
            .ok_or("a torn packet")?;
        packets.push(packet);
        rest = tail;
    }
    Ok(packets)
}
