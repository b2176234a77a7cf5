//! In which order are measurements looked at, and which are not looked at in vain? Oldest
//! first. Where the store has no index for what is wanted, the facts in memory tell on which
//! days, in which countries it stands, and only those are read.

use crate::store::{Facts, MeasurementRow, Query, StoreError};
use faultline_core::{
    id::{Country, MeasurementId},
    time::UnixTime,
};
use std::{collections::VecDeque, ops::Range};

/// Where a measurement stands in the order.
pub(super) type Place = (UnixTime, MeasurementId);

/// Measurements of one country, or of all.
struct Stream {
    country: Option<Country>,
    /// What is still to be read, in order.
    windows: VecDeque<Range<UnixTime>>,
    /// What was read.
    rows: VecDeque<MeasurementRow>,
    after: Option<Place>,
}

impl Stream {
    /// Nothing of it stands before this.
    fn begins(&self) -> Option<Place> {
        let read = self.rows.front().map(|row| (row.started, row.id));
        let next = || Some((self.windows.front()?.start, MeasurementId::default()));
        read.or_else(next)
    }

    fn read<S: Facts + ?Sized>(&mut self, store: &S, wanted: &Query) -> Result<(), StoreError> {
        let Some(window) = self.windows.front_mut() else {
            return Ok(());
        };
        let rows = store.select(&Query {
            window: window.clone(),
            country: self.country,
            after: self.after,
            ..wanted.clone()
        })?;
        let full = rows.len() >= wanted.limit;
        if let Some(last) = rows.last() {
            self.after = Some((last.started, last.id));
            window.start = window.start.max(last.started);
        }
        if !full {
            self.windows.pop_front();
        }
        self.rows.extend(rows);
        Ok(())
    }
}

/// Measurements of several streams in one order.
pub(super) struct Walk<'a, S: ?Sized> {
    store: &'a S,
    wanted: Query,
    streams: Vec<Stream>,
}

impl<'a, S: Facts + ?Sized> Walk<'a, S> {
    /// `wanted` without country and window; `streams` has those, windows in order. The limit
    /// is how many rows are read at a time.
    pub(super) fn new(
        store: &'a S,
        wanted: Query,
        streams: Vec<(Option<Country>, Vec<Range<UnixTime>>)>,
    ) -> Self {
        let after = wanted.after;
        let stream = |(country, windows): (_, Vec<_>)| Stream {
            country,
            windows: windows.into(),
            rows: VecDeque::new(),
            after,
        };
        Self {
            store,
            wanted,
            streams: streams.into_iter().map(stream).collect(),
        }
    }

    /// The next in order.
    pub(super) fn next(&mut self) -> Result<Option<MeasurementRow>, StoreError> {
        loop {
            let streams = self.streams.iter_mut();
            let ahead = streams.filter_map(|stream| Some((stream.begins()?, stream)));
            let Some((_, first)) = ahead.min_by_key(|(begins, _)| *begins) else {
                return Ok(None);
            };
            match first.rows.pop_front() {
                Some(row) => return Ok(Some(row)),
                None => first.read(self.store, &self.wanted)?,
            }
        }
    }
}
