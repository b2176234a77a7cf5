//! `faultline-probe once` and `run`: cycles of measuring and uploading.

use super::{Exit, args::Format, output::Output, say};
use crate::{
    agent::{Agent, AgentError},
    consent::Group,
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
    let (mut offered, mut traces) = (Vec::new(), None);
    agent.reconsider()?;
    match agent.check_in().await {
        Ok(Some(reply)) => (offered, traces) = (reply.targets, reply.traces),
        Ok(None) => {}
        Err(e) => {
            say(&e);
            exit = Exit::Failed;
        }
    }
    let mut output = Output::new(format, out);
    if targets.is_empty() {
        targets = agent
            .agreed(&offered)
            .map(|t: &TargetItem| t.url.clone())
            .collect();
        targets.extend(agent.own_targets.iter().cloned());
        if let Some(traces) = traces {
            let agreed = agent.agreed_traces(&traces);
            let asked = agent.consent.allows(Group::Infrastructure).is_ok();
            if asked && traces.transparency.is_empty() {
                output.remark(
                    "the way of the DNS is not checked: the collector names no test zone",
                )?;
            }
            targets.extend(agreed);
        }
    }
    if targets.is_empty() {
        say(&"nothing to measure; name a URL, set `targets`, or set a collector");
        return Ok(Exit::Failed);
    }
    let progress = std::io::stderr().is_terminal();
    let mut stopped = None;
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
        let kept = match &measured {
            Ok(measured) => agent.keep(measured.clone()).map(drop),
            Err(_) => Ok(()),
        };
        clear(progress);
        if let Err(e) = settled {
            say(&e);
            exit = Exit::Failed;
        }
        let measured = match measured {
            Ok(measured) => measured,
            Err(e @ (AgentError::Target(_) | AgentError::Secret | AgentError::Consent(_))) => {
                say(&e);
                exit = Exit::Failed;
                continue;
            }
            Err(e) => {
                stopped = Some(anyhow::Error::from(e));
                break;
            }
        };
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
    exit = exit.max(hand_over(agent).await);
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
        let ended = match once(agent, Vec::new(), format, out).await {
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
        rest(agent, wait).await;
    }
    Ok(exit)
}

/// Until the next cycle. When the collector is back after an outage, it hears at once what
/// happened meanwhile.
async fn rest<N: Network, C: Clock>(agent: &mut Agent<'_, N, C>, wait: Duration) {
    let clock = agent.world.clock;
    let until = clock.now() + wait;
    let Some(beats) = agent.beats.clone() else {
        return clock.sleep(wait).await;
    };
    loop {
        tokio::select! {
            biased;
            () = clock.sleep(until.since(clock.now())) => return,
            () = beats.back() => {
                if let Err(e) = Box::pin(agent.hand_in_ledger()).await {
                    say(&e);
                }
            }
        }
    }
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

async fn hand_over<N: Network, C: Clock>(agent: &mut Agent<'_, N, C>) -> Exit {
    let handed = Box::pin(agent.hand_in_ledger()).await;
    if let Err(e) = &handed {
        say(&e);
    }
    let exit = if handed.is_ok() {
        Exit::Fine
    } else {
        Exit::Failed
    };
    exit.max(upload(agent).await)
}

async fn upload<N: Network, C: Clock>(agent: &Agent<'_, N, C>) -> Exit {
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
