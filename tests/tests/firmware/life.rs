//! Does a board enrol, measure, keep and upload, whatever is done to it?

use crate::Entered;
use libtest_mimic::Trial;

pub(crate) fn trials(_: &Entered) -> Vec<Trial> {
    Vec::new()
}
