//! `faultline-probe show`: everything this probe saw, without a network.

use super::{args, output::Output, say};
use crate::{identity, ledger, show as writing, state::State};
use anyhow::Context as _;
use faultline_core::{
    codec::{Envelope, Purpose},
    measurement::Batch,
};
use std::io::Write;

pub(super) fn show(
    state: &State,
    format: args::Format,
    filter: Option<&str>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut output = Output::new(format, out);
    let kept = state.look()?.kept()?;
    if kept.is_empty() {
        say(&"nothing was measured yet; start with: faultline-probe once");
        return Ok(());
    }
    // Without the key nothing could have been kept, so none is drawn here.
    let key = identity::load(&state.key())?.public();
    let mut shown = false;
    for (sequence, sealed) in kept {
        let batch: Batch = match Envelope::parse(&sealed)
            .and_then(|envelope| envelope.open(Purpose::Batch, &key))
        {
            Ok(batch) => batch,
            Err(e) => {
                say(&format_args!("batch {sequence} cannot be read: {e}"));
                continue;
            }
        };
        for measurement in &batch.measurements {
            if filter.is_none_or(|part| measurement.target.contains(part)) {
                output.measurement(measurement)?;
                shown = true;
            }
        }
    }
    if let (false, Some(part)) = (shown, filter) {
        say(&format_args!("no target that was measured contains {part}"));
    }
    Ok(())
}

/// `faultline-probe show ledger`: the story of this machine's connection.
pub(super) fn ledger(
    state: &State,
    format: args::Format,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let path = state.ledger();
    let read = ledger::look(&path)
        .with_context(|| format!("cannot read the ledger {}", path.display()))?;
    if read.book.epochs().next().is_none() {
        say(
            &"the ledger is empty; it is kept by `faultline-probe run` with consent to the group \
              beat",
        );
        return Ok(());
    }
    match format {
        args::Format::Human => writing::story(out, &read.book, read.damaged)?,
        args::Format::Json => writing::story_json(out, &read.book)?,
        args::Format::Csv => writing::story_csv(out, &read.book)?,
    }
    Ok(())
}
