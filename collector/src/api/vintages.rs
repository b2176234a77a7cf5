//! What was published of a country, and what would be computed today from all that has come
//! since? Windows are published for good fourteen days after their end, one line a country
//! and day in `vintages.jsonl`; a line is never changed.

use super::{
    Scores,
    ask::{Ask, of_all},
    pages::{date, parse_country, rounded},
    refused::Refused,
};
use crate::score::{
    indicator::Dimension,
    profile::METHOD,
    vintage::{Archive, ArchiveError, Vintage, due},
};
use axum::{extract::Path, response::Response};
use faultline_core::{time::UnixTime, verdict::RULES_VERSION};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Why vintages cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum VintagesError {
    /// The file fails.
    #[error(
        "cannot keep vintages in {path}: is there room, and may the collector write there?"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file does not read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Vintages in a reply.
const MOST: usize = 60;

/// Everything that was published, and the file that it is in.
pub struct Vintages {
    path: PathBuf,
    kept: Mutex<(Archive, File)>,
}

impl Vintages {
    /// Reads or makes the file. What a power cut left of a last line is cut off.
    pub fn open(path: PathBuf) -> Result<Self, VintagesError> {
        let failed = |source| VintagesError::File {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new();
        file.create(true).read(true).append(true);
        let file = file.open(&path).map_err(failed)?;
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let archive = Archive::read(&text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(failed)?;
        Ok(Self {
            path,
            kept: Mutex::new((archive, file)),
        })
    }

    /// Publishes what is due: of every country the window that ended fourteen days ago, and
    /// those that were missed since the last that was published. Gives how many.
    pub fn publish(
        &self,
        scores: &Scores,
        references: &BTreeMap<String, String>,
        now: UnixTime,
    ) -> Result<usize, VintagesError> {
        let last = due(scores.last(now));
        let countries: Vec<_> = scores.index().countries().collect();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (archive, file) = &mut *kept;
        let mut published = 0;
        for country in countries {
            if scores
                .index()
                .first_day(country)
                .is_none_or(|first| first > last)
            {
                continue;
            }
            let code = country.to_string();
            let before = archive.of(&code).map(|v| v.day).max();
            for day in before.map_or(last, |day| day + 1)..=last {
                if archive.has(&code, day) {
                    continue;
                }
                let profile = scores.profile(country, day);
                let computed = now.to_string();
                let vintage =
                    Vintage::new(&profile, RULES_VERSION, computed, references.clone());
                let line = archive.publish(vintage)?;
                file.write_all(line.as_bytes())
                    .and_then(|()| file.sync_data())
                    .map_err(|source| VintagesError::File {
                        path: self.path.clone(),
                        source,
                    })?;
                published += 1;
            }
        }
        Ok(published)
    }

    fn of(&self, country: &str) -> Vec<Vintage> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0.of(country).cloned().collect()
    }
}

pub(super) async fn vintages(ask: Ask, Path(code): Path<String>) -> Result<Response, Refused> {
    let country = parse_country(&code)?;
    // Publishing changes no evidence: the newest day belongs to the key.
    let published = ask
        .service
        .vintages
        .as_ref()
        .map(|v| v.of(country.as_str()));
    let mut published = published.unwrap_or_default();
    // The latest; the file has all.
    published.drain(..published.len().saturating_sub(MOST));
    let newest = published.last().map_or(0, |v| v.day);
    let key = format!("vintages {country} {newest}");
    ask.reply(key, "as_published", of_all, move |page| {
        page.known(country)?;
        let today = |vintage: &Vintage| {
            let profile = page.service.scores.profile(country, vintage.day);
            let of = |dimension: Dimension| {
                let estimate = &profile.dimension(dimension)?.estimate;
                let (low, high) = estimate.interval?;
                Some([estimate.point?, low, high].map(rounded))
            };
            let contested = |dimension: Dimension| {
                let range = profile.dimension(dimension)?.estimate.contested;
                range.map(|(low, high)| [low, high].map(rounded))
            };
            let values = Dimension::ALL.map(|d| (d.label(), of(d)));
            let ranges = Dimension::ALL.map(|d| (d.label(), contested(d)));
            json!({
                "day": date(vintage.day),
                "method": METHOD,
                "rules": RULES_VERSION,
                "dimensions": BTreeMap::from(values),
                "contested": BTreeMap::from(ranges),
            })
        };
        let shown = |vintage: &Vintage| {
            let mut value = json!(vintage);
            value["day"] = json!(date(vintage.day));
            value
        };
        Ok(json!({
            "simulated": page.simulated(),
            "country": country,
            "as_published": published.iter().map(shown).collect::<Vec<Value>>(),
            "as_recomputed": published.iter().map(today).collect::<Vec<Value>>(),
        }))
    })
    .await
}
