//! Who is here, minute by minute? Every probe that was ever heard, the sites that they vote
//! for, and the groups that these belong to. Only who changes is looked at.

use super::{
    event::Location,
    group::{Group, Vote},
    moment::{later, micros, midnight, minute_after, since},
    probe::Probe,
    settings::Settings,
    site::{Key, Site, key},
};
use crate::store::beats::Presence;
use faultline_core::{id::ProbeId, time::UnixTime};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    ops::Range,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Probe(usize),
    Site(usize),
}

#[derive(Default)]
pub(super) struct Fleet {
    pub probes: Vec<Probe>,
    by_id: BTreeMap<ProbeId, usize>,
    pub sites: Vec<Site>,
    by_key: BTreeMap<Key, usize>,
    pub groups: Vec<Group>,
    pub by_location: BTreeMap<Location, usize>,
    /// Who has to be looked at when.
    agenda: BinaryHeap<Reverse<(UnixTime, Look)>>,
    /// Groups that have to be looked at every minute.
    pub awake: BTreeSet<usize>,
    /// Times in which the collector was deaf, oldest first, disjoint.
    pub deaf: Vec<Range<UnixTime>>,
    /// Times in which it heard nobody, of those that it should have.
    pub unheard: Vec<Range<UnixTime>>,
    unheard_since: Option<UnixTime>,
}

impl Fleet {
    /// A presence, which may begin later than `now`, the last step.
    pub(super) fn take(&mut self, presence: Presence, now: UnixTime) {
        let next = self.probes.len();
        let at = *self.by_id.entry(presence.probe).or_insert(next);
        if at == next {
            self.probes.push(Probe::new(presence.probe));
        }
        let Some(probe) = self.probes.get_mut(at) else {
            return;
        };
        if let Some(look) = probe.take(presence, now)
            && look < probe.next_look
        {
            probe.next_look = look;
            self.agenda.push(Reverse((look, Look::Probe(at))));
        }
    }

    /// The collector was deaf.
    pub(super) fn deafen(&mut self, span: Range<UnixTime>) {
        // Who was deaf for longer was not there.
        let most = later(span.start, 31 * super::moment::DAY);
        let span = span.start..span.end.min(most);
        if span.start >= span.end {
            return;
        }
        self.deaf.push(span);
        self.deaf = union(std::mem::take(&mut self.deaf));
    }

    /// Whether nobody is known any more.
    pub(super) fn is_forgotten(&self) -> bool {
        self.probes.iter().all(Probe::is_forgotten)
    }

    pub(super) fn group(&self, location: &Location) -> Option<&Group> {
        self.by_location
            .get(location)
            .and_then(|at| self.groups.get(*at))
    }

    /// The first minute at which anything may happen.
    pub(super) fn next(&self, now: UnixTime) -> UnixTime {
        if !self.awake.is_empty() {
            return later(now, super::moment::MINUTE);
        }
        self.agenda
            .peek()
            .map_or(UnixTime(i64::MAX), |Reverse((at, _))| minute_after(*at))
    }

    /// One minute.
    pub(super) fn step(&mut self, now: UnixTime, settings: &Settings) {
        let mut touched: BTreeSet<usize> = BTreeSet::new();
        while let Some(Reverse((at, look))) = self.agenda.peek().copied()
            && at <= now
        {
            self.agenda.pop();
            match look {
                Look::Probe(index) => self.look(index, at, now, &mut touched),
                Look::Site(index) => {
                    touched.extend(
                        self.sites
                            .get(index)
                            .filter(|site| site.next_look == at)
                            .map(|_| index),
                    );
                }
            }
        }
        for site in touched {
            self.revote(site, now, settings);
        }
        self.listen(now);
        let window = micros(settings.window);
        let awake = std::mem::take(&mut self.awake);
        for at in awake {
            if let Some(group) = self.groups.get_mut(at) {
                group.end(now, window);
                if group.awake {
                    self.awake.insert(at);
                }
            }
        }
    }

    /// Whether anybody at all is heard.
    fn listen(&mut self, now: UnixTime) {
        let world = self.group(&Location::World);
        let silent = world.is_some_and(|world| world.eligible > 0 && world.heard == 0);
        match (silent, self.unheard_since) {
            (true, None) => self.unheard_since = Some(now),
            (false, Some(since)) => {
                self.unheard.push(since..now);
                self.unheard_since = None;
            }
            _ => {}
        }
    }

    fn look(
        &mut self,
        index: usize,
        at: UnixTime,
        now: UnixTime,
        touched: &mut BTreeSet<usize>,
    ) {
        let Some(probe) = self.probes.get_mut(index) else {
            return;
        };
        if probe.next_look != at {
            return; // It was put off, or done already.
        }
        let before = (probe.condition, probe.counts);
        let began = probe.current().map(|current| current.from);
        probe.look(now, &self.deaf);
        if probe.next_look < UnixTime(i64::MAX) {
            self.agenda
                .push(Reverse((probe.next_look, Look::Probe(index))));
        }
        let moved = began != probe.current().map(|current| current.from);
        if !moved {
            if before != (probe.condition, probe.counts) {
                touched.extend(probe.site);
            }
            return;
        }
        let Some(current) = probe.current().cloned() else {
            return;
        };
        let key = key(&current);
        let next = self.sites.len();
        let site = *self.by_key.entry(key).or_insert(next);
        if site == next {
            self.sites.push(Site::new(key));
        }
        let old = probe.site.replace(site);
        if let Some(here) = self.sites.get_mut(site) {
            here.members.insert(index);
            if here.place(&current) {
                self.join(site, now);
            }
        }
        touched.insert(site);
        if let Some(old) = old.filter(|old| *old != site) {
            if let Some(there) = self.sites.get_mut(old) {
                there.members.remove(&index);
            }
            touched.insert(old);
        }
    }

    /// A site is in other groups than before.
    fn join(&mut self, at: usize, now: UnixTime) {
        let Some(site) = self.sites.get_mut(at) else {
            return;
        };
        let none = Vote::default();
        for group in site.groups.drain(..) {
            if let Some(group) = self.groups.get_mut(group) {
                group.revote(at, &site.vote, &none, now, true);
                group.sites.remove(&at);
            }
        }
        for location in site.locations() {
            let next = self.groups.len();
            let number = *self.by_location.entry(location.clone()).or_insert(next);
            if number == next {
                self.groups.push(Group::new(location, now));
            }
            site.groups.push(number);
            if let Some(group) = self.groups.get_mut(number) {
                group.sites.insert(at);
                group.revote(at, &none, &site.vote, now, true);
            }
        }
    }

    fn revote(&mut self, at: usize, now: UnixTime, settings: &Settings) {
        let Some(site) = self.sites.get_mut(at) else {
            return;
        };
        let old = site.vote;
        let prior = settings.prior(site.access);
        let new = site.recount(&self.probes, prior, now);
        if site.next_look < UnixTime(i64::MAX) {
            self.agenda.push(Reverse((site.next_look, Look::Site(at))));
        }
        if old == new {
            return;
        }
        site.vote = new;
        for number in &site.groups {
            if let Some(group) = self.groups.get_mut(*number) {
                group.revote(at, &old, &new, now, false);
                self.awake.insert(*number);
            }
        }
    }

    /// Everybody's habits anew, of finished days. `frozen`: what events cover, by probe.
    pub(super) fn learn(
        &mut self,
        now: UnixTime,
        settings: &Settings,
        frozen: &BTreeMap<usize, Vec<Range<UnixTime>>>,
    ) {
        let midnight = midnight(now);
        let deaf = self.deaf.clone();
        for (at, probe) in self.probes.iter_mut().enumerate() {
            if probe.is_forgotten() {
                continue;
            }
            let access = probe.site.and_then(|site| self.sites.get(site));
            let prior = access.map_or(settings.prior, |site| settings.prior(site.access));
            let mut spans = deaf.clone();
            if let Some(own) = frozen.get(&at) {
                spans.extend(own.iter().cloned());
            }
            let rested = probe.rests();
            probe.learn(midnight, prior, &spans);
            // Whether it votes changes with the hour from now on.
            let look = later(now, 1);
            if rested != probe.rests() && look < probe.next_look {
                probe.next_look = look;
                self.agenda.push(Reverse((look, Look::Probe(at))));
            }
        }
        for site in 0..self.sites.len() {
            self.revote(site, now, settings);
        }
        self.unheard
            .retain(|span| since(span.end, now) < 2 * super::moment::DAY);
        self.deaf
            .retain(|span| since(span.end, now) < 30 * super::moment::DAY);
    }

    /// Sites that have a vote.
    pub(super) fn eligible(&self) -> impl Iterator<Item = (usize, &Site)> {
        self.sites
            .iter()
            .enumerate()
            .filter(|(_, site)| site.vote.counts)
    }
}

/// Spans, oldest first, those that touch as one.
pub(super) fn union(mut spans: Vec<Range<UnixTime>>) -> Vec<Range<UnixTime>> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut joined: Vec<Range<UnixTime>> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}
