//! Does the network answer in the Internet's place?
//!
//! RFC 8952's problem, met as browsers do: a page whose answer is known is fetched in the
//! clear. Known false positives: a box that rewrites all plain pages; results are then
//! labelled and not scored, which errs on the right side.

use super::addresses::port;
use super::fetch::{Page, fetch};
use super::run::Run;
use crate::net::{Clock, Network};
use faultline_core::observation::Step;
use std::net::SocketAddr;
use url::Url;

/// Whether a captive portal is in the way; `None` where no check is configured or the page
/// could not be fetched at all, which says nothing about portals.
pub async fn behind_captive_portal<N: Network, C: Clock>(
    world: &super::World<'_, N, C>,
    plan: &super::Plan,
) -> Option<bool> {
    check(&Run::new(world, plan)).await
}

pub(super) async fn check<N: Network, C: Clock>(run: &Run<'_, N, C>) -> Option<bool> {
    let check = run.plan.captive.as_ref()?;
    let url = Url::parse(&check.url).ok()?;
    let timeouts = run.plan.timeouts;
    let resolving = run.world.net.resolve(url.host_str()?);
    let addresses = run.within(timeouts.dns, resolving).await?.ok()?;
    let to = SocketAddr::new(*addresses.first()?, port(&url));
    let stream = run.within(timeouts.tcp, run.connect(to)).await?.ok()?;
    let page = Page {
        url: &url,
        to,
        depth: 0,
        authenticated: false,
    };
    let Step::Fetch(seen) = fetch(run, stream, &page).await.step else {
        return None;
    };
    let status = seen.status?;
    let body = seen.body.map(|body| body.0).unwrap_or_default();
    let genuine = status == check.status && check.body.as_ref().is_none_or(|b| *b == body);
    Some(!genuine)
}
