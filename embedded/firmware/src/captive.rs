//! Does the network answer in the Internet's place? (RFC 8952)
//!
//! A page whose answer is known is fetched in the clear, as every probe does. Only its
//! status is looked at.

use crate::{clock, http, line, measure::Run, measure::announced};
use alloc::format;
use core::net::SocketAddr;
use embassy_futures::select::{Either, select};
use faultline_core::{
    engine::lookup::{Question, addresses},
    observation::{DnsTransport, ResolverRole},
};

/// Whether a captive portal is in the way; `None` where no check is set or no page came,
/// which says nothing about portals.
pub(crate) async fn check(run: &mut Run<'_>) -> Option<bool> {
    let check = run.settings.captive.clone()?;
    let resolver = *announced(run.line).first()?;
    let question = Question {
        name: check.host.clone(),
        rtype: 1,
        role: ResolverRole::Network,
        transport: DnsTransport::Udp,
        resolver,
        resolver_name: None,
    };
    let seen = run.lookup(&question, 0).await;
    let to = SocketAddr::new(addresses(&seen).first()?.0, 80);
    let now = clock::now();
    let (opened_by, ended_by) = (
        now + run.settings.timeouts.tcp,
        now + run.settings.timeouts.http,
    );
    let head = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        check.path, check.host
    );
    let (parent, traffic) = (run.line, &mut run.traffic);
    let status = line::with_stream(parent, async |socket| {
        line::connect(parent, socket, to, opened_by).await.ok()?;
        traffic.sent += head.len() as u64;
        let got = http::status(socket, head.as_bytes());
        match select(got, clock::until(ended_by)).await {
            Either::First(status) => status.ok(),
            Either::Second(()) => None,
        }
    })
    .await?;
    Some(status != check.status)
}
