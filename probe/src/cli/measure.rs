//! `faultline-probe once` and `run`: cycles of measuring and uploading.

use super::{Exit, args::Format, output::Output};
use crate::{
    agent::{Agent, AgentError, Target},
    experiment::Plan,
    net::{Clock, Network},
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
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Fine;
    let mut offered = Vec::new();
    agent.reconsider()?;
    match agent.check_in().await {
        Ok(Some(reply)) => offered = reply.targets,
        Ok(None) => {}
        Err(e) => exit = failed(&e),
    }
    if targets.is_empty() {
        targets = agent
            .agreed(&offered)
            .map(|t: &TargetItem| t.url.clone())
            .collect();
        targets.extend(agent.own_targets.iter().cloned());
    }
    if targets.is_empty() {
        eprintln!(
            "faultline-probe: nothing to measure; name a URL, set `targets`, or set a collector"
        );
        return Ok(Exit::Failed);
    }
    let mut output = Output::new(format, out);
    let progress = std::io::stderr().is_terminal();
    for (done, target) in targets.iter().enumerate() {
        // Withdrawing works at once, also on a probe that is running.
        agent.reconsider()?;
        if progress {
            eprint!(
                "\r\x1b[K[{}/{}] {}",
                done + 1,
                targets.len(),
                crate::show::printable(target)
            );
        }
        let settled = agent.settle().await;
        let measured = agent.measure(target).await;
        let kept = measured.and_then(|measured| {
            agent.keep(measured.clone())?;
            Ok(measured)
        });
        clear(progress);
        if let Err(e) = settled {
            exit = failed(&e);
        }
        let measured = match kept {
            Ok(measured) => measured,
            Err(e @ (AgentError::Target(_) | AgentError::Secret | AgentError::Consent(_))) => {
                exit = failed(&e);
                continue;
            }
            // Without room or budget the other targets must wait, too.
            Err(e) => {
                exit = failed(&e);
                break;
            }
        };
        for measurement in &measured {
            output.measurement(measurement)?;
            exit = exit.max(preview(agent, measurement, &mut output)?);
        }
    }
    Ok(exit.max(hand_over(agent).await))
}

fn failed(error: &AgentError) -> Exit {
    eprintln!("faultline-probe: {error}");
    Exit::Failed
}

/// Cycles until stopped, or `cycles` of them. What passes by itself (no collector, no room,
/// no budget left today) does not end it.
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
        let ended = once(agent, Vec::new(), format, out).await?;
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
                eprintln!("faultline-probe: {e}");
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
            eprintln!(
                "faultline-probe: {} batches were refused and set aside, see spool/refused",
                done.set_aside
            );
            Exit::Failed
        }
        Ok(_) => Exit::Fine,
        Err((_, e @ UplinkError::Refused { .. })) => {
            eprintln!("faultline-probe: {e}; results wait in the spool");
            Exit::Failed
        }
        Err((_, e)) => {
            eprintln!("faultline-probe: {e}");
            Exit::Failed
        }
    }
}

fn clear(progress: bool) {
    if progress {
        eprint!("\r\x1b[K");
    }
}
