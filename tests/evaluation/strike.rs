//! What does each class of event do to each probe? Isolation leaves the country's own hosts,
//! a mobile shutdown the fixed lines, power takes machines with it, at once or as batteries
//! end. Beats go to a collector abroad: none arrives from behind a cut.

use super::{
    chance::Chance,
    fleet::Member,
    history::{Cut, Story},
    score::Loss,
    timeline::{Trouble, Way},
};
use faultline_core::{
    id::{Asn, Country},
    measurement::NetworkKind,
};
use std::collections::BTreeMap;

/// Networks obey one after the other, within minutes: deaths of probes within a mean of a
/// minute (research page 2.3).
const OBEY: f64 = 45.0;
const SLOWEST: f64 = 240.0;
/// They come back less in step; not published.
const RESTORE: f64 = 150.0;
/// Iberia, April 2025: half at once, nine tenths in five hours.
const DARK_AT_ONCE: f64 = 0.5;
const BATTERIES: f64 = 3.1 * 3600.0;
/// The grid comes back area by area; not published.
const GRID: f64 = 1800.0;
/// Upstreams that a cable carries; the others lose nothing (14 March 2024: countries differed
/// between a dip and a total loss).
const ON_CABLE: f64 = 0.75;
/// Until the last country feels it: 05:00 to 10:30 on 14 March 2024.
const STAGGERED: i64 = 330 * 60;
/// Owners who turn everything off and on when nothing works; not published. A machine without
/// a clock then has none until the collector answers.
const REBOOTS: f64 = 0.3;

/// What a story does to a fleet: troubles by place in it, and the truth, a loss per country.
pub fn strike(
    story: &Story,
    fleet: &[Member],
    chance: &mut Chance,
) -> (Vec<(usize, Trouble)>, Vec<Loss>) {
    let mut troubles = Vec::new();
    let mut losses = Vec::new();
    for (nth, country) in story.countries.iter().enumerate() {
        let mut chance = chance.branch(nth as u64);
        // A cable is felt here and there at the same minute, elsewhere hours later.
        let later = match story.cut {
            Cut::Cable if nth > 0 && chance.happens(0.6) => chance.between(0, STAGGERED),
            Cut::Cable if nth > 0 => chance.between(0, 480),
            _ => 0,
        };
        let until = story.until.max(story.from + 3600);
        let span = (
            story.from + later.min(until - story.from - 1800),
            story.until,
        );
        let mut loss = Loss::of(story, *country, story.countries.len() > 1, span);
        let struck = Struck::of(story, *country, fleet, span, &mut chance);
        for (at, member) in fleet.iter().enumerate() {
            if member.country != *country || !struck.is_hit(member, &mut chance) {
                continue;
            }
            let mut found = struck.troubles(member, &mut chance);
            let from = found.iter().map(|t| t.from).min().unwrap_or(span.0);
            let until = found.iter().map(|t| t.until).max().unwrap_or(span.1);
            loss.notes(member);
            reboots(member, from, until, &mut chance, &mut found);
            troubles.extend(found.into_iter().map(|trouble| (at, trouble)));
        }
        losses.push(loss);
    }
    (troubles, losses)
}

/// An event in one country.
struct Struck<'a> {
    story: &'a Story,
    from: i64,
    until: i64,
    /// When each network obeys and lets go.
    networks: BTreeMap<Asn, (i64, i64)>,
    /// Of those, who hang on the cable.
    on_cable: Vec<Asn>,
    named: Vec<Asn>,
}

impl<'a> Struck<'a> {
    fn of(
        story: &'a Story,
        country: Country,
        fleet: &[Member],
        (from, until): (i64, i64),
        chance: &mut Chance,
    ) -> Self {
        let mut networks = BTreeMap::new();
        let mut sizes: BTreeMap<Asn, usize> = BTreeMap::new();
        for member in fleet.iter().filter(|member| member.country == country) {
            *sizes.entry(member.asn).or_default() += 1;
        }
        for asn in sizes.keys() {
            let obeys = from + chance.exponential(OBEY).min(SLOWEST) as i64;
            let lets_go = until + chance.exponential(RESTORE).min(900.0) as i64;
            networks.insert(*asn, (obeys, lets_go));
        }
        let largest = sizes.iter().max_by_key(|(_, size)| **size);
        let on_cable = sizes.keys().filter(|asn| {
            Some(*asn) == largest.map(|(asn, _)| asn) || chance.happens(ON_CABLE)
        });
        let on_cable = on_cable.copied().collect();
        let here = |asn: &&Asn| sizes.contains_key(*asn);
        let mut named: Vec<Asn> = story.asns.iter().filter(here).copied().collect();
        if named.is_empty() {
            named.extend(largest.map(|(asn, _)| *asn));
        }
        Self {
            story,
            from,
            until,
            networks,
            on_cable,
            named,
        }
    }

    fn is_hit(&self, member: &Member, chance: &mut Chance) -> bool {
        let mobile = member.access == NetworkKind::Mobile;
        let share = |percent: u8| f64::from(percent) / 100.0;
        match self.story.cut {
            Cut::Everything { percent } => chance.happens(share(percent)),
            Cut::Abroad => true,
            Cut::Mobile { percent } => mobile && chance.happens(share(percent)),
            Cut::Fixed { percent } => !mobile && chance.happens(share(percent)),
            Cut::Network => self.named.contains(&member.asn),
            Cut::Region => member.region == 0,
            Cut::Services { mobile_only } => mobile || !mobile_only,
            // Some have power of their own, or live where it stays.
            Cut::Power => chance.happens(0.95),
            Cut::Cable => {
                member.access != NetworkKind::Satellite && self.on_cable.contains(&member.asn)
            }
        }
    }

    fn troubles(&self, member: &Member, chance: &mut Chance) -> Vec<Trouble> {
        let (obeys, lets_go) = self.networks[&member.asn];
        let from = obeys + chance.between(0, 20);
        let until = lets_go.max(from + 60) + chance.exponential(40.0) as i64;
        let one = |way| vec![Trouble { from, until, way }];
        match self.story.cut {
            // Behind a cut cable the country's own hosts still answer.
            Cut::Abroad | Cut::Cable => one(Way::Domestic),
            Cut::Services { .. } => one(Way::NoCanary),
            Cut::Power => self.dark(member, chance),
            _ => one(Way::NoUpstream),
        }
    }

    /// Power: the line dies at once or when the provider's batteries do, the machine with its
    /// mains or when its own battery does.
    fn dark(&self, member: &Member, chance: &mut Chance) -> Vec<Trouble> {
        let light = self.until + chance.exponential(GRID) as i64;
        let mut from = self.from + chance.between(0, 60);
        if !chance.happens(DARK_AT_ONCE) {
            from += chance.exponential(BATTERIES) as i64;
        }
        let from = from.min(light - 120);
        let off = (from + member.battery).min(light);
        let all = [(from, off, Way::NoLink), (off, light, Way::Off)];
        all.into_iter()
            .filter(|(from, until, _)| from < until)
            .map(|(from, until, way)| Trouble { from, until, way })
            .collect()
    }
}

/// Some turn it off and on, twice, while nothing works.
fn reboots(
    member: &Member,
    from: i64,
    until: i64,
    chance: &mut Chance,
    troubles: &mut Vec<Trouble>,
) {
    let silent = troubles.iter().any(|trouble| !trouble.way.is_heard());
    if !member.clockless || !silent || until - from < 3600 || !chance.happens(REBOOTS) {
        return;
    }
    for third in [1, 2] {
        let at = from + (until - from) * third / 3;
        troubles.push(Trouble {
            from: at,
            until: at + 40,
            way: Way::Off,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            fleet::{Wish, draw},
            history::History,
        },
        *,
    };

    fn story(class: &str, country: &str) -> Story {
        let text = format!(
            "id,country_code,scope,area,asns,class,cause,start_utc,end_utc,pattern\n\
             T,{country},national,,,{class},unknown,2021-01-01T00:00Z,2021-01-01T12:00Z,\n"
        );
        History::read(&text, "t").unwrap().stories.remove(0)
    }

    fn struck(class: &str) -> (Vec<Member>, Vec<(usize, Trouble)>, Vec<Loss>) {
        let country = Country::new("XA").unwrap();
        let fleet = draw(&Wish::plain(country, 50), 0, &mut Chance::new(3, 1));
        let (troubles, losses) = strike(&story(class, "XA"), &fleet, &mut Chance::new(3, 2));
        (fleet, troubles, losses)
    }

    #[test]
    fn each_class_cuts_whom_and_what_it_is_named_after() {
        let (fleet, troubles, _) = struck("total");
        assert!((0..fleet.len()).all(|at| troubles.iter().any(|(who, _)| *who == at)));
        let (fleet, troubles, losses) = struck("mobile");
        let mobile = |at: &usize| fleet[*at].access == NetworkKind::Mobile;
        assert!(troubles.iter().all(|(at, _)| mobile(at)));
        assert!(!losses[0].sites.is_empty());
        let (_, troubles, _) = struck("international_isolation");
        let ways = troubles.iter().map(|(_, trouble)| trouble.way);
        assert!(
            ways.clone()
                .all(|way| matches!(way, Way::Domestic | Way::Off))
        );
        let (fleet, troubles, losses) = struck("operator");
        assert_eq!(losses[0].asns.len(), 1);
        assert!(
            troubles
                .iter()
                .all(|(at, _)| losses[0].asns.contains(&fleet[*at].asn))
        );
        let (_, troubles, _) = struck("service");
        assert!(
            troubles
                .iter()
                .all(|(_, trouble)| trouble.way == Way::NoCanary)
        );
    }

    #[test]
    fn half_are_dark_at_once_and_nine_tenths_after_five_hours() {
        let mut early = 0;
        let mut late = 0;
        let mut all = 0;
        for seed in 0..20 {
            let country = Country::new("XA").unwrap();
            let fleet = draw(&Wish::plain(country, 50), 0, &mut Chance::new(seed, 1));
            let story = story("power", "XA");
            let (troubles, _) = strike(&story, &fleet, &mut Chance::new(seed, 2));
            let mut begins: BTreeMap<usize, i64> = BTreeMap::new();
            for (at, trouble) in troubles {
                let first = begins.entry(at).or_insert(i64::MAX);
                *first = trouble.from.min(*first);
            }
            let within = |seconds| {
                let dark = begins.values().filter(|at| **at <= story.from + seconds);
                dark.count()
            };
            early += within(60);
            late += within(5 * 3600);
            all += begins.len();
        }
        let share = |part: usize| part as f64 / all as f64;
        assert!((share(early) - 0.5).abs() < 0.05, "{}", share(early));
        assert!((share(late) - 0.9).abs() < 0.04, "{}", share(late));
    }

    #[test]
    fn a_cable_is_felt_in_each_country_at_its_own_time() {
        let countries = ["XA", "XB", "XC"];
        let mut fleet = Vec::new();
        for (nth, country) in countries.iter().enumerate() {
            let wish = Wish::plain(Country::new(country).unwrap(), 20);
            fleet.extend(draw(&wish, nth * 100, &mut Chance::new(9, nth as u64)));
        }
        let story = story("cable", "XA;XB;XC");
        let (troubles, losses) = strike(&story, &fleet, &mut Chance::new(9, 9));
        assert_eq!(losses.len(), 3);
        assert!(losses.iter().all(|loss| loss.from >= story.from));
        let hit = |country: &str| {
            let of = |at: usize| fleet[at].country.as_str() == country;
            troubles.iter().filter(|(at, _)| of(*at)).count()
        };
        assert!(countries.iter().all(|country| hit(country) > 0));
        assert!(
            troubles.len() < fleet.len() + 20,
            "not everybody hangs on it"
        );
    }
}
