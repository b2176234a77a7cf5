//! `faultline-probe consent`: read, give, withdraw.

use super::args::Choice;
use crate::{
    consent::{Consent, ConsentError, TEXT, VERSION},
    state::State,
};
use faultline_core::time::UnixTime;
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
                Ok(given) => writeln!(
                    out,
                    "You agreed on {} to the groups {:?}, targets up to {:?} risk.",
                    given.given, given.groups, given.risk
                )?,
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
                groups,
                risk: risk.into(),
            };
            given.write(&state.consent())?;
            writeln!(
                out,
                "Noted: groups {:?}, targets up to {:?} risk.",
                given.groups, given.risk
            )?;
        }
        Some(Choice::Withdraw) => {
            Consent::withdraw(&state.consent())?;
            writeln!(out, "Withdrawn. The probe sends nothing any more.")?;
        }
    }
    Ok(())
}
