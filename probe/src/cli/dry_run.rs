//! `faultline-probe once --dry-run`: what would be sent and to whom? Sends nothing, needs no
//! consent and leaves no trace.

use super::{Exit, say};
use crate::{
    agent::{AgentError, Target},
    consent::{Consent, Group},
    experiment::Plan,
    uplink::Collector,
};
use faultline_core::{
    resolver::Service,
    trace::{self, Check},
};
use std::{io::Write, net::SocketAddr};

/// What is known before anything is sent.
pub(super) struct Intent<'a> {
    pub(super) plan: &'a Plan,
    /// Resolvers that the network announced.
    pub(super) announced: &'a [SocketAddr],
    pub(super) collector: Option<&'a Collector>,
    /// What was agreed to, if anything was.
    pub(super) consent: Option<&'a Consent>,
}

impl Intent<'_> {
    /// Tells of these targets.
    pub(super) fn tell(&self, targets: &[String], out: &mut dyn Write) -> anyhow::Result<Exit> {
        if self.consent.is_none() {
            say(
                &"nothing was agreed to yet, so nothing would be sent; after consent to all groups:",
            );
        }
        if let Some(collector) = self.collector {
            writeln!(
                out,
                "first to {}: this probe's key and the number of the text agreed to",
                collector.base()
            )?;
        }
        let mut exit = Exit::Fine;
        for target in targets {
            match Target::parse(target) {
                Ok(target) => self.target(&target, out)?,
                Err(e @ (AgentError::Target(_) | AgentError::Secret)) => {
                    say(&e);
                    exit = Exit::Failed;
                }
                Err(e) => return Err(e.into()),
            }
        }
        match (self.collector, targets.is_empty()) {
            (Some(_), true) => writeln!(
                out,
                "then what is said here of a URL that you name (or of tld:com, special:invalid, path:tcp.ZONE, resolver:dns.quad9.net@9.9.9.9), for each that it asks for"
            )?,
            (None, true) => {
                say(&"nothing to measure; name a URL, set `targets`, or set a collector");
                return Ok(Exit::Failed);
            }
            (_, false) => {}
        }
        match self.collector {
            Some(collector) => {
                writeln!(out, "then to {}: the results, signed", collector.base())?;
            }
            None => writeln!(out, "results stay on this machine (no collector is set)")?,
        }
        Ok(exit)
    }

    fn agreed(&self, group: Group) -> bool {
        self.consent.is_none_or(|given| given.allows(group).is_ok())
    }

    /// Every packet's purpose and destination, as far as they are known before any is sent.
    fn target(&self, target: &Target, out: &mut dyn Write) -> std::io::Result<()> {
        let (plan, name) = (self.plan, target.name());
        if target.is_trace() {
            return self.trace(target, out);
        }
        let names = target.is_named() && self.agreed(Group::Dns);
        let page = target.url().filter(|_| self.agreed(Group::Web));
        if !names && page.is_none() {
            let what = target.url().unwrap_or(name);
            return writeln!(out, "{what}: nothing, what was agreed to does not cover it");
        }
        if names {
            writeln!(
                out,
                "{name}: A and AAAA, up to {} tries each, of",
                plan.attempts
            )?;
            self.resolvers(out)?;
            for resolver in &plan.public_resolvers {
                writeln!(out, "  {resolver} (public), UDP, and TCP if cut short")?;
            }
            if let Some(nobody) = plan.non_resolver {
                writeln!(
                    out,
                    "  {nobody} (runs no resolver: any answer is an injection), UDP, once, and once of {}",
                    plan.neutral_name
                )?;
            }
            if self.collector.is_some() {
                writeln!(
                    out,
                    "  up to four addresses that the collector vouches for as running no resolver, likewise"
                )?;
            }
            writeln!(
                out,
                "one random label below {name}: A, once, of the first of these"
            )?;
        }
        if let Some(check) = &plan.captive {
            writeln!(out, "{}: fetched, to notice captive portals", check.url)?;
        }
        if let Some(collector) = self.collector {
            writeln!(
                out,
                "to {}: {} and its addresses, for the control's view",
                collector.base(),
                page.unwrap_or(name)
            )?;
        }
        let Some(url) = page else { return Ok(()) };
        if target.is_named() {
            writeln!(out, "{name}: again A and AAAA, of")?;
            self.resolvers(out)?;
        }
        writeln!(
            out,
            "{url}: connected to at up to {} addresses, up to {} tries each, and fetched",
            plan.max_addresses, plan.attempts
        )?;
        writeln!(
            out,
            "  up to {} redirects are followed, wherever they lead",
            plan.max_redirects
        )?;
        if url.starts_with("https:") {
            writeln!(
                out,
                "  a failed handshake is repeated with the name {} to the same address",
                plan.neutral_name
            )?;
            if self.agreed(Group::Transport) {
                self.transport(url, target.is_named().then_some(name), out)?;
            }
        }
        Ok(())
    }

    /// QUIC, and what follows where it fails.
    fn transport(
        &self,
        url: &str,
        name: Option<&str>,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let plan = self.plan;
        if let Some(name) = name {
            writeln!(out, "{name}: again A and AAAA, of")?;
            self.resolvers(out)?;
        }
        writeln!(
            out,
            "{url}: QUIC and HTTP/3 at up to two addresses where the control spoke it; where that fails:"
        )?;
        writeln!(
            out,
            "  the same with the name {}, once with a version of QUIC that nobody speaks, TLS over TCP, and the first again, twice",
            plan.neutral_name
        )?;
        for reference in &plan.quic_references {
            writeln!(
                out,
                "  QUIC to {} at {}, for comparison",
                reference.name, reference.addr
            )?;
        }
        writeln!(
            out,
            "{url}: where the name is cut off and {} is not: ClientHellos with either that may go 1 to 24 hops",
            plan.neutral_name
        )?;
        if let Some(name) = name {
            writeln!(out, "{name}: again A and AAAA, and HTTPS, of")?;
            self.resolvers(out)?;
        }
        writeln!(
            out,
            "{url}: TLS 1.3 in the clear, with an ECH extension that means nothing, and with ECH by the site's key, at up to two addresses; where that fails:"
        )?;
        writeln!(
            out,
            "  up to {} tries each, the name that ECH shows without ECH, short and long, and the first again",
            plan.attempts
        )?;
        Ok(())
    }

    /// The experiments on the DNS itself.
    fn trace(&self, target: &Target, out: &mut dyn Write) -> std::io::Result<()> {
        let (plan, name) = (self.plan, target.name());
        if let Target::Resolver(service) = target {
            return self.encrypted(service, out);
        }
        if !self.agreed(Group::Infrastructure) {
            return writeln!(out, "{name}: nothing, what was agreed to does not cover it");
        }
        let Some((what, beside)) = questions(target) else {
            say(&AgentError::Target(name.to_owned()));
            return Ok(());
        };
        writeln!(out, "{what}, up to eight tries each, of")?;
        for resolver in self.announced.iter().chain(&plan.network_resolvers) {
            writeln!(out, "  {resolver} (of the network), UDP or TCP")?;
        }
        for resolver in &plan.public_resolvers {
            writeln!(out, "  {resolver} (public), UDP or TCP")?;
        }
        for resolver in &plan.encrypted {
            writeln!(
                out,
                "  {} at {} (encrypted, for comparison)",
                resolver.name, resolver.addr
            )?;
        }
        writeln!(out, "{beside}, of those that are not encrypted")?;
        if let Some(check) = &plan.captive {
            writeln!(out, "{}: fetched, to notice captive portals", check.url)?;
        }
        Ok(())
    }

    /// A resolver over encrypted transports.
    fn encrypted(&self, service: &Service, out: &mut dyn Write) -> std::io::Result<()> {
        let plan = self.plan;
        if !self.agreed(Group::Dns) || !self.agreed(Group::Transport) {
            return writeln!(
                out,
                "{service}: nothing, what was agreed to does not cover it"
            );
        }
        if let Some(collector) = self.collector {
            let base = collector.base();
            writeln!(
                out,
                "to {base}: {}, for the control's view",
                service.target()
            )?;
        }
        let name = &plan.neutral_name;
        writeln!(
            out,
            "{service}: A of {name}, over UDP, TLS, HTTPS and QUIC; where one of the last three fails that the control could:"
        )?;
        writeln!(
            out,
            "  that again, up to three tries, and a handshake with the name {name}"
        )?;
        for other in &plan.encrypted_references {
            writeln!(out, "  {other} by the same, for comparison")?;
        }
        if let Some(check) = &plan.captive {
            writeln!(out, "{}: fetched, to notice captive portals", check.url)?;
        }
        Ok(())
    }

    /// Whom every measurement of a name asks.
    fn resolvers(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "  the operating system's resolver")?;
        for resolver in self.announced {
            writeln!(
                out,
                "  {resolver} (announced by the network), UDP, and TCP if cut short"
            )?;
        }
        for resolver in &self.plan.encrypted {
            writeln!(
                out,
                "  {} at {} (encrypted, for comparison)",
                resolver.name, resolver.addr
            )?;
        }
        Ok(())
    }
}

/// What an experiment on the DNS itself asks everybody, and what beside it.
fn questions(target: &Target) -> Option<(String, String)> {
    let name = target.name();
    let ordinary = format!("a random name below {}: A", trace::ORDINARY);
    Some(match target {
        Target::Special(_) if name == "localhost" => ("localhost.: A".to_owned(), ordinary),
        Target::Special(_) => (format!("a random name below {name}.: A"), ordinary),
        Target::Path(_) => {
            let (check, zone) = Check::of_target(name)?;
            let plain = trace::plain(&zone);
            (
                format!("{name}.: {}", check.rtype()),
                format!("{plain}.: TXT, in the plainest way"),
            )
        }
        _ => {
            let tld = trace::tld(name);
            let further = if name == tld {
                String::new()
            } else {
                format!(" and {name}.: A")
            };
            let reference = trace::reference(&tld);
            (
                format!("{tld}.: NS{further}"),
                format!("a random top-level domain and {reference}.: NS"),
            )
        }
    })
}
