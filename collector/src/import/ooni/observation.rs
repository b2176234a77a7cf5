//! Flat observations: one a failed lookup, one an answered address, one an endpoint, with
//! what the control saw of the same thing beside it.

use super::document::{
    Document, answer_address, body, failure, header_names, hostname, list, number, tag, text,
};
use faultline_core::page::title;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

/// How an operation ended: the empty string is success.
pub(super) type End = String;

/// A lookup, or one address of its answer.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    pub(super) transaction: i64,
    pub(super) domain: String,
    pub(super) engine: String,
    pub(super) query_type: String,
    pub(super) end: End,
    pub(super) depth: Option<i64>,
    pub(super) address: Option<IpAddr>,
    /// All addresses of the same event.
    pub(super) answered: Rc<BTreeSet<IpAddr>>,
    /// Whether these are all loopback ones, and there are any.
    pub(super) loopback: bool,
    /// Present where the control looked up the same name.
    pub(super) control: Option<Rc<(End, BTreeSet<IpAddr>)>>,
}

/// A TCP endpoint, and what was done over the connection.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) transaction: i64,
    pub(super) address: Option<IpAddr>,
    /// The lookup that first answered the address.
    pub(super) lookup: Option<i64>,
    pub(super) depth: Option<i64>,
    pub(super) fetch_body: Option<bool>,
    pub(super) tcp: End,
    pub(super) tls: Option<End>,
    pub(super) http: Option<End>,
    pub(super) page: Option<Page>,
    pub(super) control_tcp: Option<End>,
    pub(super) control_tls: Option<End>,
}

/// A response.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) status: i64,
    pub(super) length: i64,
    pub(super) truncated: bool,
    pub(super) headers: BTreeSet<String>,
    pub(super) title: String,
}

impl Page {
    /// 2xx, 4xx or 5xx.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.status / 100, 2 | 4 | 5)
    }
}

/// What the control says of the whole.
#[derive(Clone, Debug)]
pub(super) struct Control {
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) http: End,
    pub(super) page: Page,
}

/// Everything observed.
#[derive(Clone, Debug, Default)]
pub(super) struct Container {
    pub(super) failures: Vec<Lookup>,
    pub(super) successes: Vec<Lookup>,
    pub(super) endpoints: BTreeMap<i64, Endpoint>,
    pub(super) control: Option<Control>,
}

impl Container {
    pub(super) fn new(document: &Document) -> Self {
        let mut all = Self::default();
        let mut resolved = BTreeMap::new();
        for event in document.list("queries") {
            all.lookup(event, &mut resolved);
        }
        for event in document.list("tcp_connect") {
            all.connect(event, &resolved);
        }
        let mut names = BTreeMap::new();
        for event in document.list("tls_handshakes") {
            let transaction = number(&event["transaction_id"]);
            if let Some(endpoint) = all.endpoints.get_mut(&transaction) {
                endpoint.tls = Some(failure(&event["failure"]).unwrap_or_default().into());
                names.insert(transaction, text(&event["server_name"]).to_owned());
            }
        }
        for event in document.list("requests") {
            all.fetch(event);
        }
        all.join(document, &names);
        all
    }

    fn lookup(&mut self, event: &Value, resolved: &mut BTreeMap<IpAddr, i64>) {
        let one = Lookup {
            transaction: number(&event["transaction_id"]),
            domain: text(&event["hostname"]).into(),
            engine: text(&event["engine"]).into(),
            query_type: text(&event["query_type"]).into(),
            end: failure(&event["failure"]).unwrap_or_default().into(),
            depth: depth(event),
            address: None,
            answered: Rc::default(),
            loopback: false,
            control: None,
        };
        if !one.end.is_empty() {
            self.failures.push(one);
            return;
        }
        let addresses = list(&event["answers"]).iter().filter_map(answer_address);
        let answered = Rc::new(addresses.collect::<BTreeSet<_>>());
        // Told once: a hostile answer of thousands must not be walked for each.
        let loopback = !answered.is_empty() && answered.iter().all(IpAddr::is_loopback);
        // As texts sort, because the first of them stands for all in one of the rules.
        let mut sorted: Vec<_> = answered.iter().map(|ip| (ip.to_string(), *ip)).collect();
        sorted.sort();
        for (_, address) in sorted {
            resolved.entry(address).or_insert(one.transaction);
            self.successes.push(Lookup {
                address: Some(address),
                answered: Rc::clone(&answered),
                loopback,
                ..one.clone()
            });
        }
    }

    fn connect(&mut self, event: &Value, resolved: &BTreeMap<IpAddr, i64>) {
        let transaction = number(&event["transaction_id"]);
        let address: Option<IpAddr> = text(&event["ip"]).parse().ok();
        let endpoint = Endpoint {
            transaction,
            address,
            lookup: address.and_then(|ip| resolved.get(&ip).copied()),
            depth: depth(event),
            fetch_body: tag(event, "fetch_body").map(|value| value == "true"),
            tcp: failure(&event["status"]["failure"])
                .unwrap_or_default()
                .into(),
            tls: None,
            http: None,
            page: None,
            control_tcp: None,
            control_tls: None,
        };
        self.endpoints.insert(transaction, endpoint);
    }

    fn fetch(&mut self, event: &Value) {
        let transaction = number(&event["transaction_id"]);
        let Some(endpoint) = self.endpoints.get_mut(&transaction) else {
            return;
        };
        endpoint.http = Some(failure(&event["failure"]).unwrap_or_default().into());
        if failure(&event["failure"]).is_none() {
            let response = &event["response"];
            let body = body(&response["body"]);
            endpoint.page = Some(Page {
                status: number(&response["code"]),
                length: body.len() as i64,
                // The code reads the request's flag, where the response's is meant; so a body
                // that was cut off is compared as if it were whole.
                truncated: event["request"]["body_is_truncated"] == true,
                headers: header_names(&response["headers"]),
                title: title(&body).unwrap_or_default(),
            });
        }
    }

    /// Puts the control's view beside what the probe saw of the same thing.
    fn join(&mut self, document: &Document, names: &BTreeMap<i64, String>) {
        let (request, control) = (document.key("x_control_request"), document.key("control"));
        if !request.is_object() || !control.is_object() {
            return;
        }
        let Some(host) = hostname(text(&request["http_request"])) else {
            return;
        };
        let addresses: BTreeSet<IpAddr> = list(&control["dns"]["addrs"])
            .iter()
            .filter_map(|ip| text(ip).parse().ok())
            .collect();
        let end: End = failure(&control["dns"]["failure"])
            .unwrap_or_default()
            .into();
        let shared = Rc::new((end, addresses.clone()));
        for lookup in self.failures.iter_mut().chain(&mut self.successes) {
            if lookup.domain == host {
                lookup.control = Some(Rc::clone(&shared));
            }
        }
        let ports: BTreeMap<i64, i64> = document
            .list("tcp_connect")
            .iter()
            .map(|event| (number(&event["transaction_id"]), number(&event["port"])))
            .collect();
        for endpoint in self.endpoints.values_mut() {
            let (Some(ip), Some(port)) = (endpoint.address, ports.get(&endpoint.transaction))
            else {
                continue;
            };
            let at = SocketAddr::new(ip, u16::try_from(*port).unwrap_or_default()).to_string();
            let ended = |value: &Value| -> Option<End> {
                value
                    .is_object()
                    .then(|| failure(&value["failure"]).unwrap_or_default().into())
            };
            endpoint.control_tcp = ended(&control["tcp_connect"][&at]);
            let shake = &control["tls_handshake"][&at];
            if names.get(&endpoint.transaction).map(String::as_str)
                == shake["server_name"].as_str()
            {
                endpoint.control_tls = ended(shake);
            }
        }
        let fetched = &control["http_request"];
        self.control = Some(Control {
            addresses,
            http: failure(&fetched["failure"]).unwrap_or_default().into(),
            page: Page {
                status: number(&fetched["status_code"]),
                length: number(&fetched["body_length"]),
                truncated: false,
                headers: header_names(&fetched["headers"]),
                title: text(&fetched["title"]).into(),
            },
        });
    }

    /// What version 0.4 would have seen: the system's resolver, the addresses it gave, those
    /// that nobody gave (of the URL itself), and the endpoints at these from which the page
    /// was fetched.
    pub(super) fn classic(&self) -> Self {
        let system = |lookup: &&Lookup| is_system(&lookup.engine);
        let successes: Vec<_> = self.successes.iter().filter(system).cloned().collect();
        let known: BTreeSet<_> = successes.iter().filter_map(|l| l.address).collect();
        let kept = |endpoint: &Endpoint| {
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

/// Whether an engine is the system's resolver.
pub(super) fn is_system(engine: &str) -> bool {
    matches!(engine, "getaddrinfo" | "golang_net_resolver" | "system")
}

fn depth(event: &Value) -> Option<i64> {
    tag(event, "depth")?.parse().ok()
}
