//! Flat observations: one a failed lookup, one an answered address, one an endpoint, with
//! what the control saw of the same thing beside it. Texts stay where they are in the document.

use super::{
    document::{
        Document, answer_address, body, failure, header_names, hostname, number, tag_in, text,
    },
    tape::Value,
};
use faultline_core::page::{self, uncommon_headers};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

/// How an operation ended: the empty string is success.
pub(super) type End<'d> = &'d str;

/// A lookup, or one address of its answer.
#[derive(Clone, Debug)]
pub(super) struct Lookup<'d> {
    pub(super) transaction: i64,
    pub(super) domain: &'d str,
    pub(super) engine: &'d str,
    pub(super) query_type: &'d str,
    pub(super) end: End<'d>,
    pub(super) depth: Option<i64>,
    pub(super) address: Option<IpAddr>,
    /// All addresses of the same event.
    pub(super) answered: Rc<BTreeSet<IpAddr>>,
    /// Whether these are all loopback ones, and there are any.
    pub(super) loopback: bool,
    /// Present where the control looked up the same name.
    pub(super) control: Option<Resolved<'d>>,
}

/// How the control's lookup ended, and with which addresses.
pub(super) type Resolved<'d> = Rc<(End<'d>, BTreeSet<IpAddr>)>;

/// A TCP endpoint, and what was done over the connection.
#[derive(Clone, Debug)]
pub(super) struct Endpoint<'d> {
    pub(super) transaction: i64,
    pub(super) address: Option<IpAddr>,
    port: i64,
    /// The name that a handshake asked for.
    server_name: Option<&'d str>,
    /// The lookup that first answered the address.
    pub(super) lookup: Option<i64>,
    pub(super) depth: Option<i64>,
    pub(super) fetch_body: Option<bool>,
    pub(super) tcp: End<'d>,
    pub(super) tls: Option<End<'d>>,
    pub(super) http: Option<End<'d>>,
    pub(super) page: Option<Page<'d>>,
    pub(super) control_tcp: Option<End<'d>>,
    pub(super) control_tls: Option<End<'d>>,
}

/// A response. What only a comparison needs is looked for when there is one.
#[derive(Clone, Debug)]
pub(super) struct Page<'d> {
    pub(super) status: i64,
    pub(super) length: i64,
    pub(super) truncated: bool,
    headers: Value<'d>,
    title: Title<'d>,
}

/// Where the title is.
#[derive(Clone, Debug)]
enum Title<'d> {
    Said(&'d str),
    In(Rc<Cow<'d, [u8]>>),
}

impl Page<'_> {
    /// 2xx, 4xx or 5xx.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.status / 100, 2 | 4 | 5)
    }
    pub(super) fn title(&self) -> Cow<'_, str> {
        match &self.title {
            Title::Said(title) => Cow::Borrowed(title),
            Title::In(body) => Cow::Owned(page::title(body).unwrap_or_default()),
        }
    }
    /// The names of headers that say something about the page, in lower case.
    pub(super) fn uncommon_headers(&self) -> BTreeSet<String> {
        uncommon_headers(header_names(self.headers))
    }
}

/// What the control says of the whole.
#[derive(Clone, Debug)]
pub(super) struct Control<'d> {
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) http: End<'d>,
    pub(super) page: Page<'d>,
}

/// Everything observed.
#[derive(Clone, Debug, Default)]
pub(super) struct Container<'d> {
    pub(super) failures: Vec<Lookup<'d>>,
    pub(super) successes: Vec<Lookup<'d>>,
    pub(super) endpoints: BTreeMap<i64, Endpoint<'d>>,
    pub(super) control: Option<Control<'d>>,
}

/// The fields of an event that are asked for here; null where there are none.
#[derive(Default)]
struct Event<'d> {
    transaction: i64,
    failure: Value<'d>,
    depth: Option<i64>,
    fetch_body: Option<bool>,
    hostname: &'d str,
    engine: &'d str,
    query_type: &'d str,
    answers: Value<'d>,
    ip: &'d str,
    port: i64,
    status: Value<'d>,
    server_name: &'d str,
    request: Value<'d>,
    response: Value<'d>,
}

impl<'d> Event<'d> {
    /// In one pass over the fields: documents are mostly events.
    fn new(event: Value<'d>) -> Self {
        let mut all = Self::default();
        for (name, value) in event.entries() {
            match name {
                "transaction_id" => all.transaction = number(value),
                "failure" => all.failure = value,
                "tags" => {
                    all.depth = tag_in(value, "depth").and_then(|depth| depth.parse().ok());
                    all.fetch_body = tag_in(value, "fetch_body").map(|is| is == "true");
                }
                "hostname" => all.hostname = text(value),
                "engine" => all.engine = text(value),
                "query_type" => all.query_type = text(value),
                "answers" => all.answers = value,
                "ip" => all.ip = text(value),
                "port" => all.port = number(value),
                "status" => all.status = value,
                "server_name" => all.server_name = text(value),
                "request" => all.request = value,
                "response" => all.response = value,
                _ => {}
            }
        }
        all
    }
}

impl<'d> Container<'d> {
    pub(super) fn new(document: &'d Document<'_>) -> Self {
        let mut all = Self::default();
        let mut resolved = BTreeMap::new();
        let events = |name| document.list(name).map(Event::new);
        for event in events("queries") {
            all.lookup(&event, &mut resolved);
        }
        for event in events("tcp_connect") {
            all.connect(&event, &resolved);
        }
        for event in events("tls_handshakes") {
            if let Some(endpoint) = all.endpoints.get_mut(&event.transaction) {
                endpoint.tls = Some(text(event.failure));
                endpoint.server_name = Some(event.server_name);
            }
        }
        for event in events("requests") {
            all.fetch(&event);
        }
        all.join(document);
        all
    }

    fn lookup(&mut self, event: &Event<'d>, resolved: &mut BTreeMap<IpAddr, i64>) {
        let one = Lookup {
            transaction: event.transaction,
            domain: event.hostname,
            engine: event.engine,
            query_type: event.query_type,
            end: text(event.failure),
            depth: event.depth,
            address: None,
            answered: Rc::default(),
            loopback: false,
            control: None,
        };
        if !one.end.is_empty() {
            self.failures.push(one);
            return;
        }
        let addresses = event.answers.items().filter_map(answer_address);
        let answered = Rc::new(addresses.collect::<BTreeSet<_>>());
        // Told once: a hostile answer of thousands must not be walked for each.
        let loopback = !answered.is_empty() && answered.iter().all(IpAddr::is_loopback);
        // As texts sort, because the first of them stands for all in one of the rules.
        let mut sorted: Vec<IpAddr> = answered.iter().copied().collect();
        sorted.sort_by_cached_key(IpAddr::to_string);
        for address in sorted {
            resolved.entry(address).or_insert(one.transaction);
            self.successes.push(Lookup {
                address: Some(address),
                answered: Rc::clone(&answered),
                loopback,
                ..one.clone()
            });
        }
    }

    fn connect(&mut self, event: &Event<'d>, resolved: &BTreeMap<IpAddr, i64>) {
        let address: Option<IpAddr> = event.ip.parse().ok();
        let endpoint = Endpoint {
            transaction: event.transaction,
            address,
            port: event.port,
            server_name: None,
            lookup: address.and_then(|ip| resolved.get(&ip).copied()),
            depth: event.depth,
            fetch_body: event.fetch_body,
            tcp: text(event.status.field("failure")),
            tls: None,
            http: None,
            page: None,
            control_tcp: None,
            control_tls: None,
        };
        self.endpoints.insert(event.transaction, endpoint);
    }

    fn fetch(&mut self, event: &Event<'d>) {
        let Some(endpoint) = self.endpoints.get_mut(&event.transaction) else {
            return;
        };
        endpoint.http = Some(text(event.failure));
        if failure(event.failure).is_none() {
            let body = body(event.response.field("body"));
            endpoint.page = Some(Page {
                status: number(event.response.field("code")),
                length: body.len() as i64,
                // The code reads the request's flag, where the response's is meant; so a body
                // that was cut off is compared as if it were whole.
                truncated: event.request.field("body_is_truncated").is_true(),
                headers: event.response.field("headers"),
                title: Title::In(Rc::new(body)),
            });
        }
    }

    /// Puts the control's view beside what the probe saw of the same thing.
    fn join(&mut self, document: &'d Document<'_>) {
        let (request, control) = (document.key("x_control_request"), document.key("control"));
        if !request.is_map() || !control.is_map() {
            return;
        }
        let Some(host) = hostname(text(request.field("http_request"))) else {
            return;
        };
        let dns = control.field("dns");
        let addresses: BTreeSet<IpAddr> = dns
            .field("addrs")
            .items()
            .filter_map(|ip| text(ip).parse().ok())
            .collect();
        let shared = Rc::new((text(dns.field("failure")), addresses.clone()));
        for lookup in self.failures.iter_mut().chain(&mut self.successes) {
            if lookup.domain == host {
                lookup.control = Some(Rc::clone(&shared));
            }
        }
        // By name: hostile documents have many of both.
        let [dials, shakes] =
            ["tcp_connect", "tls_handshake"].map(|name| control.field(name).sorted());
        let of = |known: &BTreeMap<&str, Value<'d>>, at: &str| {
            known.get(at).copied().unwrap_or_default()
        };
        for endpoint in self.endpoints.values_mut() {
            let Some(ip) = endpoint.address else {
                continue;
            };
            let port = u16::try_from(endpoint.port).unwrap_or_default();
            let at = SocketAddr::new(ip, port).to_string();
            let ended = |value: Value<'d>| value.is_map().then(|| text(value.field("failure")));
            endpoint.control_tcp = ended(of(&dials, &at));
            let shake = of(&shakes, &at);
            if endpoint.server_name == shake.field("server_name").as_str() {
                endpoint.control_tls = ended(shake);
            }
        }
        let fetched = control.field("http_request");
        self.control = Some(Control {
            addresses,
            http: text(fetched.field("failure")),
            page: Page {
                status: number(fetched.field("status_code")),
                length: number(fetched.field("body_length")),
                truncated: false,
                headers: fetched.field("headers"),
                title: Title::Said(text(fetched.field("title"))),
            },
        });
    }

    /// What version 0.4 would have seen: the system's resolver, the addresses it gave, those
    /// that nobody gave (of the URL itself), and the endpoints at these from which the page
    /// was fetched.
    pub(super) fn classic(&self) -> Self {
        let system = |lookup: &&Lookup<'_>| is_system(lookup.engine);
        let successes: Vec<_> = self.successes.iter().filter(system).cloned().collect();
        let known: BTreeSet<_> = successes.iter().filter_map(|l| l.address).collect();
        let kept = |endpoint: &Endpoint<'_>| {
            let address = |ip: IpAddr| match endpoint.lookup {
                Some(_) => known.contains(&ip),
                None => !self
                    .control
                    .as_ref()
                    .is_some_and(|c| c.addresses.contains(&ip)),
            };
            endpoint.fetch_body == Some(true) && endpoint.address.is_some_and(address)
        };
        Self {
            failures: self.failures.iter().filter(system).cloned().collect(),
            endpoints: self
                .endpoints
                .iter()
                .filter(|(_, endpoint)| kept(endpoint))
                .map(|(at, endpoint)| (*at, endpoint.clone()))
                .collect(),
            control: self.control.clone(),
            successes,
        }
    }
}

/// The networks of addresses, where they are known.
pub(super) fn networks(
    addresses: &BTreeSet<IpAddr>,
    asn_of: &dyn Fn(IpAddr) -> Option<u32>,
) -> BTreeSet<u32> {
    let known = addresses.iter().filter_map(|ip| asn_of(*ip));
    known.filter(|asn| *asn != 0).collect()
}

/// Whether an engine is the system's resolver.
pub(super) fn is_system(engine: &str) -> bool {
    matches!(engine, "getaddrinfo" | "golang_net_resolver" | "system")
}
