//! One writer for every subcommand that prints measurements.

use super::args::Format;
use crate::show;
use faultline_core::measurement::Measurement;
use std::io::{self, Write};

pub(super) struct Output<'a> {
    format: Format,
    out: &'a mut dyn Write,
    lines: u64,
}

impl<'a> Output<'a> {
    pub(super) fn new(format: Format, out: &'a mut dyn Write) -> Self {
        Self {
            format,
            out,
            lines: 0,
        }
    }

    pub(super) fn measurement(&mut self, measurement: &Measurement) -> io::Result<()> {
        self.lines += 1;
        match self.format {
            Format::Human => show::human(self.out, measurement),
            Format::Json => show::json(self.out, measurement),
            Format::Csv => {
                if self.lines == 1 {
                    writeln!(self.out, "{}", show::CSV_HEADER)?;
                }
                show::csv(self.out, measurement)
            }
        }
    }

    /// A remark that only people read.
    pub(super) fn remark(&mut self, text: &str) -> io::Result<()> {
        if self.format == Format::Human {
            writeln!(self.out, "{text}")
        } else {
            Ok(())
        }
    }
}
