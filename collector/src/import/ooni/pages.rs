//! Are two pages alike? The four measures of the HTTP diff.

use super::observation::{Container, Page};
use faultline_core::page::long_words;

/// The HTTP diff of the first final response with the control's; `None` is "cannot tell".
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Diff {
    pub(super) proportion: Option<f64>,
    pub(super) status: Option<bool>,
    pub(super) headers: Option<bool>,
    pub(super) title: Option<bool>,
}

impl Diff {
    pub(super) fn new(seen: &Container<'_>) -> Self {
        let ours = seen
            .endpoints
            .values()
            .filter_map(|e| e.page.as_ref())
            .find(|p| p.is_final());
        let control = seen
            .control
            .as_ref()
            .filter(|control| control.http.is_empty() && control.page.status > 0);
        let (Some(ours), Some(control)) = (ours, control) else {
            return Self::default();
        };
        Self::between(ours, &control.page)
    }

    fn between(ours: &Page<'_>, control: &Page<'_>) -> Self {
        let measurable = !ours.truncated && ours.length > 0 && control.length > 0;
        let (short, long) = (
            ours.length.min(control.length),
            ours.length.max(control.length),
        );
        let equal = ours.status == control.status;
        Self {
            proportion: measurable.then(|| short as f64 / long as f64),
            // A control that was turned away cannot say that another answer is wrong.
            status: (equal || control.status / 100 == 2).then_some(equal),
            headers: Some(
                !ours
                    .uncommon_headers()
                    .is_disjoint(&control.uncommon_headers()),
            ),
            title: Some(long_words(&ours.title()) == long_words(&control.title())),
        }
    }

    pub(super) fn length(&self) -> Option<bool> {
        self.proportion.map(|proportion| proportion > 0.7)
    }

    /// Whether the pages differ: in status, or in length, headers and title together.
    pub(super) fn differs(&self) -> bool {
        let yes = Some(true);
        let alike = self.length() == yes || self.headers == yes || self.title == yes;
        self.status != yes || !alike
    }
}
