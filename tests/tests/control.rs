//! Does the control look once for all who ask, never where it must not, and no more often
//! than it may? In the simulated Internet and its time.

use faultline_collector::{
    config::Config,
    control::{Denied, Desk, Eyes, over},
    targets,
};
use faultline_core::{
    failure::Failure,
    id::ProbeId,
    observation::{DnsTransport, Step},
    protocol::ControlRequest,
    time::{ClockQuality, Duration},
    value::Ip,
};
use faultline_internet::{
    clock::SimClock, network::SimNetwork, path::SimStream, scenario::Scenario, world::World,
};
use faultline_probe::net::{Attachment, Exchange, Flow, Network, Patience};
use futures_util::future::join_all;
use std::{
    cell::RefCell,
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
};
use tokio::time::{Instant, sleep};

type Connects = Rc<RefCell<Vec<SocketAddr>>>;

/// The clean vantage point's network; every connection is noted.
struct Noted {
    inner: SimNetwork,
    connects: Connects,
}

impl Network for Noted {
    type Stream = SimStream;
    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange {
        self.inner.exchange(to, payload, patience).await
    }
    async fn flow(&self, to: SocketAddr) -> io::Result<Box<dyn Flow>> {
        self.inner.flow(to).await
    }
    async fn connect(&self, to: SocketAddr) -> io::Result<SimStream> {
        self.connects.borrow_mut().push(to);
        self.inner.connect(to).await
    }
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        self.inner.resolve(name).await
    }
    fn announced_resolvers(&self) -> Vec<SocketAddr> {
        self.inner.announced_resolvers()
    }
    fn attach(&self) -> Attachment {
        Attachment {
            own: vec!["24.255.0.9".parse().unwrap()],
            ..self.inner.attach()
        }
    }
}

/// Sites by name, address and what else there is to say of them; all of them are listed.
fn control(
    settings: &str,
    sites: &[(&str, &str, &str)],
    test: impl AsyncFnOnce(&Desk, &Connects),
) {
    let mut text = "name = 'x'\ncites = []\nseed = 7\n\
        country = [{ code = 'XA' }]\n\
        as = [{ asn = 64500, country = 'XA', prefixes = ['20.1.0.0/16'] }]\n\
        probe = { asn = 64500 }\nmeasure = []\nexpect = { outcome = 'ok' }\n"
        .to_owned();
    let mut list = "url,category_code\n".to_owned();
    for (name, address, more) in sites {
        text.extend([format!(
            "[[site]]\nnames = ['{name}']\naddresses = ['{address}']\n{more}\n"
        )]);
        list.extend([format!("https://{name}/,NEWS\nhttp://{name}/,NEWS\n")]);
    }
    let world = Arc::new(World::new(&Scenario::parse(&text).unwrap()).unwrap());
    let listed = format!("encrypted_resolvers = ['{RESOLVER}']");
    let config =
        Config::parse(&format!("{listed}\n[control]\nenabled = true\n{settings}")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let connects = Connects::default();
        let net = Noted {
            inner: SimNetwork::vantage(&world, 7),
            connects: Rc::clone(&connects),
        };
        let clock = SimClock::new(0, ClockQuality::Ntp);
        let eyes = Eyes::new(&config, net, clock, Arc::clone(&world.roots));
        let (desk, office) = over(&config, &targets::parse(&list), eyes);
        tokio::select! {
            () = test(&desk, &connects) => {}
            () = office.serve() => panic!("the office closed"),
        }
    });
}

fn request(target: &str, told: &[&str]) -> ControlRequest {
    ControlRequest {
        probe: ProbeId([0; 16]),
        target: target.into(),
        addresses: told.iter().map(|ip| Ip(ip.parse().unwrap())).collect(),
        brief: None,
        transports: None,
    }
}

const NEWS: &[(&str, &str, &str)] = &[("news.example", "21.1.0.80", "title = 'Evening news'")];
const PAGE: &str = "https://news.example/";
/// On the list of every control here; there, where a world has it.
const RESOLVER: &str = "dns.public.example@20.1.1.53";

#[test]
fn listed_resolvers_are_asked_over_every_transport_and_others_are_not() {
    let resolver = "[[resolver]]\naddress = '20.1.1.53'\nasn = 64500\n\
        name = 'dns.public.example'\nspeaks = ['tls', 'https', 'quic']";
    let world = [("news.example", "21.1.0.80", resolver)];
    control("", &world, async |desk, connects| {
        let ask = |target: &str| {
            let request = ControlRequest {
                transports: Some(true),
                ..request(target, &[])
            };
            async move { desk.ask(ProbeId([1; 16]), &request).await }
        };
        let report = ask(&format!("resolver:{RESOLVER}")).await.unwrap();
        let answered = |wanted| {
            report.observations.iter().any(|seen| {
                matches!(&seen.step, Step::Lookup(lookup)
                    if lookup.transport == wanted && !lookup.replies.is_empty())
            })
        };
        for transport in [DnsTransport::Tls, DnsTransport::Https, DnsTransport::Quic] {
            assert!(answered(transport), "{transport:?}");
        }
        let ports: BTreeSet<u16> = connects.borrow().iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [443, 853].into());
        connects.borrow_mut().clear();
        let other = ask("resolver:dns.public.example@20.1.1.54").await;
        assert_eq!(other.unwrap_err(), Denied::UnknownTarget);
        assert!(connects.borrow().is_empty());
    });
}

#[test]
fn thirty_probes_at_once_cause_one_look_and_its_report_serves_for_a_while() {
    control("", NEWS, async |desk, connects| {
        let ask = request(PAGE, &["21.1.0.80"]);
        let asked = (0..30).map(|n| desk.ask(ProbeId([n; 16]), &ask));
        let reports: Vec<_> = join_all(asked)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let page: SocketAddr = "21.1.0.80:443".parse().unwrap();
        assert_eq!(*connects.borrow(), [page]);
        assert!(
            reports
                .iter()
                .all(|report| Arc::ptr_eq(report, &reports[0]))
        );
        let fetched = reports[0].observations.iter().any(
            |seen| matches!(&seen.step, Step::Fetch(f) if f.authenticated && f.status == Some(200)),
        );
        assert!(fetched, "{:?}", reports[0]);
        sleep(Duration::from_secs(598)).await;
        assert!(desk.ask(ProbeId([99; 16]), &ask).await.is_ok());
        assert_eq!(connects.borrow().len(), 1, "known still");
        sleep(Duration::from_secs(3)).await;
        assert!(desk.ask(ProbeId([99; 16]), &ask).await.is_ok());
        assert_eq!(connects.borrow().len(), 2, "looked again");
    });
}

#[test]
fn what_a_probe_was_told_is_greeted_but_never_taken_for_the_page() {
    control("", NEWS, async |desk, connects| {
        // Another site's address in the forged answer: its page must not become the control's.
        let asked = request(
            "http://news.example/",
            &["24.255.0.80", "10.1.1.1", "24.255.0.9"],
        );
        let report = desk.ask(ProbeId([1; 16]), &asked).await.unwrap();
        let mut to: Vec<String> = connects.borrow().iter().map(ToString::to_string).collect();
        to.sort();
        assert_eq!(
            to,
            ["21.1.0.80:80", "24.255.0.80:80"],
            "neither private nor own"
        );
        let pages = report
            .observations
            .iter()
            .filter_map(|seen| match &seen.step {
                Step::Fetch(fetch) => Some(fetch.ip.to_string()),
                _ => None,
            });
        assert_eq!(pages.collect::<Vec<_>>(), ["21.1.0.80"]);
    });
}

#[test]
fn names_and_redirects_lead_nowhere_they_should_not() {
    let sites = [
        ("inside.example", "10.0.0.5", ""),
        (
            "loop.example",
            "21.1.0.81",
            "redirect = 'http://127.0.0.1/'",
        ),
        (
            "home.example",
            "21.1.0.82",
            "redirect = 'http://inside.example/'",
        ),
        (
            "mail.example",
            "21.1.0.83",
            "redirect = 'http://news.example:25/'",
        ),
        (
            "odd.example",
            "21.1.0.84",
            "redirect = 'gopher://news.example/'",
        ),
        ("own.example", "24.255.0.9", ""),
        NEWS[0],
    ];
    control("", &sites, async |desk, connects| {
        for (name, address, _) in sites {
            let asked = request(&format!("http://{name}/"), &[]);
            let report = desk.ask(ProbeId([1; 16]), &asked).await.unwrap();
            assert!(!report.observations.is_empty());
            let connects = std::mem::take(&mut *connects.borrow_mut());
            let expected: Vec<SocketAddr> = match name {
                "inside.example" | "own.example" => vec![],
                _ => vec![format!("{address}:80").parse().unwrap()],
            };
            assert_eq!(connects, expected, "{name}");
        }
    });
}

#[test]
fn one_probe_may_not_have_many_looks() {
    let sites = [
        ("a.example", "21.1.0.1", ""),
        ("b.example", "21.1.0.2", ""),
        NEWS[0],
    ];
    // Ten an hour, a tenth of them at once.
    control("per_probe = 10", &sites, async |desk, _| {
        let probe = ProbeId([1; 16]);
        let ask = async |target: &str| desk.ask(probe, &request(target, &[])).await.err();
        assert_eq!(ask("https://a.example/").await, None);
        assert_eq!(
            ask("https://a.example/").await,
            None,
            "known: costs nothing"
        );
        assert_eq!(ask("https://b.example/").await, Some(Denied::ProbeRate));
        let other = desk
            .ask(ProbeId([2; 16]), &request("https://b.example/", &[]))
            .await;
        assert!(other.is_ok(), "the other probe has its own");
        sleep(Duration::from_mins(6)).await;
        assert_eq!(ask(PAGE).await, None);
    });
}

#[test]
fn many_probes_may_not_have_many_looks_at_one_host() {
    control("per_target = 20", NEWS, async |desk, _| {
        let mut granted = 0;
        for n in 0..50 {
            // Each with a question of its own, which no cache answers.
            let asked = request(PAGE, &[&format!("21.1.1.{n}")]);
            match desk.ask(ProbeId([n; 16]), &asked).await {
                Ok(_) => granted += 1,
                Err(denied) => assert_eq!(denied, Denied::TargetRate),
            }
        }
        // Each look takes its time, in which the rate grants more.
        assert!((2..10).contains(&granted), "{granted}");
    });
}

#[test]
fn looks_at_once_and_in_the_queue_are_bounded() {
    let names: Vec<String> = (0..10).map(|n| format!("s{n}.example")).collect();
    let places: Vec<String> = (0..10).map(|n| format!("21.1.0.{n}")).collect();
    let site = |(name, place)| -> (&str, &str, &str) { (name, place, "thinks_ms = 1000") };
    let pairs = names
        .iter()
        .map(String::as_str)
        .zip(places.iter().map(String::as_str));
    let sites: Vec<_> = pairs.map(site).collect();
    control("at_once = 1", &sites, async |desk, _| {
        let asks: Vec<_> = (0u8..10)
            .map(|n| request(&format!("https://s{n}.example/"), &[]))
            .collect();
        let of_each = asks.iter().enumerate();
        let of_each = of_each.map(|(n, ask)| desk.ask(ProbeId([n as u8; 16]), ask));
        let answers = join_all(of_each).await;
        let busy = answers.iter().filter(|a| **a == Err(Denied::Busy)).count();
        let done = answers.iter().filter(|a| a.is_ok()).count();
        assert_eq!((done, busy), (5, 5), "one looks, four wait");
        assert!(Denied::Busy.retry() && Denied::Busy.code() == "control_busy");
        assert!(
            desk.ask(ProbeId([9; 16]), &asks[9]).await.is_ok(),
            "later it is"
        );
    });
    control("", &sites, async |desk, _| {
        let asks: Vec<_> = (0u8..6)
            .map(|n| request(&format!("https://s{n}.example/"), &[]))
            .collect();
        let answers = join_all(asks.iter().map(|ask| desk.ask(ProbeId([1; 16]), ask))).await;
        let busy = answers.iter().filter(|a| **a == Err(Denied::Busy)).count();
        assert_eq!(busy, 2, "four of one probe");
    });
}

#[test]
fn silence_and_dawdling_end_in_time() {
    let sites = [
        ("silent.example", "21.1.0.1", "state = 'silent'"),
        (
            "slow.example",
            "21.1.0.2",
            "thinks_ms = 9000\nredirect = 'http://slow.example/'",
        ),
    ];
    control("", &sites, async |desk, _| {
        let probe = ProbeId([1; 16]);
        let started = Instant::now();
        let report = desk
            .ask(probe, &request("https://silent.example/", &[]))
            .await
            .unwrap();
        assert!(started.elapsed() < Duration::from_secs(30));
        let timeouts = report
            .observations
            .iter()
            .filter(|seen| seen.failure == Some(Failure::TcpTimeout));
        assert_eq!(timeouts.count(), 2);
        let started = Instant::now();
        let denied = desk
            .ask(probe, &request("http://slow.example/", &[]))
            .await
            .unwrap_err();
        assert_eq!(denied, Denied::Unfinished);
        assert!(
            started.elapsed() < Duration::from_secs(55),
            "before the probe gives up"
        );
    });
}
