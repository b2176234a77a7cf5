//! `faultline-probe consent`: read, give, check, withdraw.

use super::args::Choice;
use crate::{
    consent::{Consent, ConsentError, Group, TEXT, VERSION},
    state::State,
};
use clap::ValueEnum as _;
use faultline_core::{protocol::Risk, time::UnixTime};
use std::io::Write;

pub(super) fn consent(
    state: &State,
    choice: Option<Choice>,
    now: UnixTime,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match choice {
        None => {
            writeln!(out, "{TEXT}")?;
            match Consent::read(&state.consent()) {
                Ok(given) => {
                    writeln!(out, "You agreed on {} to {}.", given.given, terms(&given))?;
                }
                Err(ConsentError::Missing) => writeln!(
                    out,
                    "You have not agreed. To agree:\n  faultline-probe consent give --group dns --group web --i-agree"
                )?,
                Err(e) => return Err(e.into()),
            }
        }
        Some(Choice::Give {
            groups,
            risk,
            i_agree: _,
        }) => {
            let given = Consent {
                version: VERSION,
                given: now.to_string(),
                groups: dedup(groups),
                risk: risk.into(),
            };
            given.write(&state.consent())?;
            writeln!(out, "Noted: {}.", terms(&given))?;
        }
        Some(Choice::Check) => {
            let given = Consent::read(&state.consent())?;
            writeln!(out, "You agreed on {} to {}.", given.given, terms(&given))?;
        }
        Some(Choice::Withdraw) => {
            Consent::withdraw(&state.consent())?;
            writeln!(out, "Withdrawn. The probe sends nothing any more.")?;
        }
    }
    Ok(())
}

/// What was agreed to, in the words that are typed: `dns and web, targets of low risk`.
pub(super) fn terms(given: &Consent) -> String {
    let name = |group: &Group| {
        let value = group.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    };
    let groups: Vec<_> = given.groups.iter().map(name).collect();
    let risk = match given.risk {
        Risk::Low => "low risk",
        Risk::Medium => "up to medium risk",
        _ => "any risk",
    };
    format!("{}, targets of {risk}", groups.join(" and "))
}

fn dedup(groups: Vec<Group>) -> Vec<Group> {
    let mut once = Vec::new();
    for group in groups {
        if !once.contains(&group) {
            once.push(group);
        }
    }
    once
}
