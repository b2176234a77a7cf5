//! `faultline-probe once` and `run`: cycles of measuring and uploading.

use super::{Exit, args::Format, output::Output, say};
use crate::{
    agent::{Agent, AgentError, Target},
    experiment::Plan,
    net::{Clock, Network},
    spool::SpoolError,
    uplink::{UplinkError, backoff},
};
use faultline_core::{
    measurement::Measurement,
    protocol::TargetItem,
    verdict::{self, Outcome},
};
use std::{
    io::{IsTerminal as _, Write},
    net::SocketAddr,
    time::Duration,
};

/// One cycle over `targets`, or, where there are none, over those of the collector and the
/// settings. Every measurement is durable before the next one starts.
pub(super) async fn once<N: Network, C: Clock>(
    agent: &mut Agent<'_, N, C>,
    mut targets: Vec<String>,
    upload: bool,
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Fine;
    let mut offered = Vec::new();
    if upload {
        match agent.check_in().await {
            Ok(Some(reply)) => offered = reply.targets,
            Ok(None) => {}
            Err(e) => {
                say(&e);
                exit = Exit::Failed;
            }
        }
    }
    if targets.is_empty() {
        targets = agent
            .agreed(&offered)
            .map(|t: &TargetItem| t.url.clone())
            .collect();
        targets.extend(agent.own_targets.iter().cloned());
    }
    if targets.is_empty() {
        say(&"nothing to measure; name a URL, set `targets`, or set a collector");
        return Ok(Exit::Failed);
    }
    let mut output = Output::new(format, out);
    let progress = std::io::stderr().is_terminal();
    let mut stopped = None;
    for (done, target) in targets.iter().enumerate() {
        if progress {
            eprint!(
                "\r\x1b[K[{}/{}] {}",
                done + 1,
                targets.len(),
                crate::show::printable(target)
            );
        }
        let measured = match agent.measure(target).await {
            Ok(measured) => measured,
            Err(e @ AgentError::Target(_)) => {
                clear(progress);
                say(&e);
                exit = Exit::Failed;
                continue;
            }
            Err(e) => {
                clear(progress);
                stopped = Some(anyhow::Error::from(e));
                break;
            }
        };
        let kept = agent.keep(measured.clone());
        clear(progress);
        if let Err(e) = kept {
            stopped = Some(e.into());
            break;
        }
        for measurement in &measured {
            output.measurement(measurement)?;
            exit = exit.max(preview(agent, measurement, &mut output)?);
        }
    }
    // Also where measuring had to stop: uploading is what empties a full spool.
    if upload {
        exit = exit.max(hand_over(agent).await);
    }
    stopped.map_or(Ok(exit), Err)
}

/// Cycles until stopped, or `cycles` of them.
pub(super) async fn run<N: Network, C: Clock>(
    agent: &mut Agent<'_, N, C>,
    every: Duration,
    cycles: Option<u64>,
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Fine;
    let mut failures = 0;
    let mut done = 0;
    while cycles.is_none_or(|most| done < most) {
        let started = agent.world.clock.now();
        let ended = match once(agent, Vec::new(), true, format, out).await {
            Ok(ended) => ended,
            Err(e) if passes(&e) => {
                say(&e);
                Exit::Failed
            }
            Err(e) => return Err(e),
        };
        exit = exit.max(ended);
        done += 1;
        if cycles.is_some_and(|most| done >= most) {
            break;
        }
        failures = if ended == Exit::Failed {
            failures + 1
        } else {
            0
        };
        let spent = agent.world.clock.now().since(started);
        let mut wait = every.saturating_sub(spent);
        if failures > 0 {
            wait = wait.min(backoff(failures, agent.random_u32()));
        }
        agent.world.clock.sleep(wait).await;
    }
    Ok(exit)
}

/// Whether waiting helps: tomorrow has a budget, an uplink may empty the spool, and a disk
/// that is full now has room later.
fn passes(error: &anyhow::Error) -> bool {
    error.is::<SpoolError>()
        || matches!(
            error.downcast_ref::<AgentError>(),
            Some(AgentError::Budget | AgentError::Spool(_) | AgentError::Account(_))
        )
}

/// What `once` would send, and to whom.
pub(super) fn dry_run<N: Network, C: Clock>(
    agent: &Agent<'_, N, C>,
    targets: &[String],
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Fine;
    for target in targets.iter().chain(&agent.own_targets) {
        match Target::parse(target) {
            Ok(target) => {
                describe(
                    &agent.plan,
                    &agent.world.net.announced_resolvers(),
                    &target,
                    out,
                )?;
            }
            Err(e) => {
                say(&e);
                exit = Exit::Failed;
            }
        }
    }
    match &agent.collector {
        Some(collector) => writeln!(out, "then the results, signed, to {}", collector.base())?,
        None => writeln!(out, "results stay on this machine (no collector is set)")?,
    }
    Ok(exit)
}

/// Every packet's purpose and destination, as far as they are known before any is sent.
fn describe(
    plan: &Plan,
    announced: &[SocketAddr],
    target: &Target,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let name = target.name();
    writeln!(
        out,
        "{name}: A and AAAA, up to {} tries each, of",
        plan.attempts
    )?;
    writeln!(out, "  the operating system's resolver")?;
    for resolver in announced {
        writeln!(
            out,
            "  {resolver} (announced by the network), UDP, and TCP if cut short"
        )?;
    }
    for resolver in &plan.public_resolvers {
        writeln!(out, "  {resolver} (public), UDP")?;
    }
    for resolver in &plan.encrypted {
        writeln!(
            out,
            "  {} at {} (encrypted, control)",
            resolver.name, resolver.addr
        )?;
    }
    if let Some(nobody) = plan.non_resolver {
        writeln!(
            out,
            "  {nobody} (runs no resolver: any answer is an injection), UDP"
        )?;
    }
    writeln!(
        out,
        "{name}: one random label below it, of the same resolvers"
    )?;
    if let Some(check) = &plan.captive {
        writeln!(out, "{}: fetched, to notice captive portals", check.url)?;
    }
    if let Some(url) = target.url() {
        writeln!(
            out,
            "{url}: connected to and fetched at up to {} addresses",
            plan.max_addresses
        )?;
        writeln!(
            out,
            "  a failed handshake is repeated with the name {} to the same address",
            plan.neutral_name
        )?;
    }
    Ok(())
}

/// A preview for the owner by the collector's own rules; the collector judges anew, with
/// its own knowledge of networks.
fn preview<N: Network, C: Clock>(
    agent: &Agent<'_, N, C>,
    measurement: &Measurement,
    output: &mut Output<'_>,
) -> anyhow::Result<Exit> {
    let control = measurement
        .control
        .as_ref()
        .and_then(|sealed| agent.open_control(sealed));
    let verdict = verdict::judge(measurement, control.as_ref(), &verdict::NoContext);
    let mechanism = verdict
        .mechanism
        .map(|m| format!(" {}", m.label()))
        .unwrap_or_default();
    output.remark(&format!("  preview: {:?}{mechanism}", verdict.outcome))?;
    for reason in &verdict.reasons {
        output.remark(&format!("    {}", reason.rule.sentence()))?;
    }
    Ok(if verdict.outcome == Outcome::Anomaly {
        Exit::Anomaly
    } else {
        Exit::Fine
    })
}

async fn hand_over<N: Network, C: Clock>(agent: &Agent<'_, N, C>) -> Exit {
    match agent.upload().await {
        Ok(done) if done.set_aside > 0 => {
            say(&format_args!(
                "{} batches were refused and set aside, see spool/refused",
                done.set_aside
            ));
            Exit::Failed
        }
        Ok(_) => Exit::Fine,
        Err((_, e @ UplinkError::Refused { .. })) => {
            say(&format_args!("{e}; results wait in the spool"));
            Exit::Failed
        }
        Err((_, e)) => {
            say(&e);
            Exit::Failed
        }
    }
}

fn clear(progress: bool) {
    if progress {
        eprint!("\r\x1b[K");
    }
}
