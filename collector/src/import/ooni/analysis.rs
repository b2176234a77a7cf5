//! What was expected, what was not, and what cannot be explained? Sets of transactions.

use super::observation::{Container, Endpoint, networks};
use std::{cell::OnceCell, collections::BTreeSet, net::IpAddr};

type Transactions = BTreeSet<i64>;

/// Transactions by what the control makes of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Analysis {
    pub(super) dns_success: Transactions,
    pub(super) dns_bogon: Transactions,
    pub(super) dns_invalid: Transactions,
    pub(super) dns_invalid_classic: Transactions,
    pub(super) dns_valid_classic: Transactions,
    pub(super) dns_unexpected: Transactions,
    pub(super) dns_expected: Transactions,
    pub(super) dns_unexplained: Transactions,
    pub(super) dns_experiment_failure: Option<String>,
    pub(super) tcp_unexpected: Transactions,
    pub(super) tcp_expected: Transactions,
    pub(super) tcp_unexplained: Transactions,
    pub(super) tls_unexpected: Transactions,
    pub(super) tls_expected: Transactions,
    pub(super) tls_unexplained: Transactions,
    pub(super) http_unexpected: Transactions,
    pub(super) final_tls_with_control: bool,
    pub(super) final_tls_without_control: bool,
    pub(super) final_response: bool,
}

impl Analysis {
    pub(super) fn new(seen: &Container<'_>, asn_of: &dyn Fn(IpAddr) -> Option<u32>) -> Self {
        let mut analysis = Self::default();
        analysis.lookups(seen, asn_of);
        analysis.failures(seen);
        for endpoint in seen.endpoints.values() {
            analysis.endpoint(seen, endpoint);
        }
        analysis
    }

    fn lookups(&mut self, seen: &Container<'_>, asn_of: &dyn Fn(IpAddr) -> Option<u32>) {
        let mut valid = Transactions::new();
        let mut judged = Transactions::new();
        let theirs = OnceCell::new(); // one control, however many lookups
        for lookup in &seen.successes {
            let transaction = lookup.transaction;
            // A transaction is judged by the first answer in it, and by its first address.
            if !judged.insert(transaction) || lookup.depth != Some(0) {
                continue;
            }
            self.dns_success.insert(transaction);
            if lookup.address.is_some_and(is_bogon) {
                self.dns_bogon.insert(transaction);
            }
            // A control that failed has no addresses to compare with.
            let Some((_, control)) =
                lookup.control.as_deref().filter(|(end, _)| end.is_empty())
            else {
                continue;
            };
            let same_network = || {
                let theirs = theirs.get_or_init(|| networks(control, asn_of));
                !networks(&lookup.answered, asn_of).is_disjoint(theirs)
            };
            if !lookup.answered.is_disjoint(control) || same_network() {
                valid.insert(transaction);
            } else {
                self.dns_invalid.insert(transaction);
            }
        }
        self.dns_invalid_classic.clone_from(&self.dns_invalid);
        self.dns_valid_classic = valid;
        // A handshake that came to its end proves the address, outside the classic sets.
        for endpoint in seen.endpoints.values().filter(|e| e.tls == Some("")) {
            if let Some(lookup) = endpoint.lookup {
                self.dns_invalid.remove(&lookup);
            }
        }
    }

    fn failures(&mut self, seen: &Container<'_>) {
        let mut judged = Transactions::new();
        for lookup in &seen.failures {
            let transaction = lookup.transaction;
            let ignored = lookup.engine == "doh"
                || (lookup.query_type == "AAAA" && lookup.end == "dns_no_answer");
            if !judged.insert(transaction) || ignored {
                continue;
            }
            if lookup.depth != Some(0) {
                self.dns_unexplained.insert(transaction);
                continue;
            }
            if self.dns_experiment_failure.is_none() {
                self.dns_experiment_failure = Some(lookup.end.to_owned());
            }
            let Some((end, addresses)) = lookup.control.as_deref() else {
                continue;
            };
            let nothing_there = lookup.end == "dns_no_answer" && addresses.is_empty();
            if !end.is_empty() || nothing_there {
                self.dns_expected.insert(transaction);
            } else {
                self.dns_unexpected.insert(transaction);
            }
        }
    }

    fn endpoint(&mut self, seen: &Container<'_>, endpoint: &Endpoint<'_>) {
        let transaction = endpoint.transaction;
        let first = endpoint.depth == Some(0);
        let failed = |end: &str| !end.is_empty();
        if failed(endpoint.tcp) {
            if !first {
                if !misconfigured_v6(endpoint) {
                    self.tcp_unexplained.insert(transaction);
                }
            } else if !misconfigured_v6(endpoint) {
                match endpoint.control_tcp {
                    Some("") => self.tcp_unexpected.insert(transaction),
                    Some(_) => self.tcp_expected.insert(transaction),
                    None => false,
                };
            } else if endpoint.control_tcp.is_some_and(failed) {
                self.tcp_expected.insert(transaction);
            }
        }
        if endpoint.tls.is_some_and(failed) {
            if first {
                match endpoint.control_tls {
                    Some("") => self.tls_unexpected.insert(transaction),
                    Some(_) => self.tls_expected.insert(transaction),
                    None => false,
                };
            } else {
                self.tls_unexplained.insert(transaction);
            }
        }
        let control_fine = seen.control.as_ref().is_some_and(|c| c.http.is_empty());
        if endpoint.http.is_some_and(failed) && control_fine {
            self.http_unexpected.insert(transaction);
        }
        if endpoint
            .page
            .as_ref()
            .is_some_and(super::observation::Page::is_final)
        {
            self.final_response = true;
            if endpoint.tls == Some("") {
                self.final_tls_with_control |= seen.control.is_some();
                self.final_tls_without_control |= seen.control.is_none();
            }
        }
    }
}

fn misconfigured_v6(endpoint: &Endpoint<'_>) -> bool {
    endpoint.address.is_some_and(|ip| ip.is_ipv6())
        && matches!(endpoint.tcp, "network_unreachable" | "host_unreachable")
}

fn is_bogon(ip: IpAddr) -> bool {
    faultline_core::dns::is_bogon(ip)
}
