//! How is a release cited, and under which licence may it be used? DataCite 4.6 metadata,
//! `CITATION.cff` (Citation File Format 1.2.0), the licence's text, a page that says what it is.

use super::{
    Licence, Release,
    describe::{SIMULATED, mark, marked, pretty},
    moment,
    package::{File, hex},
    table::{Scene, Table},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The title, with what must not be overlooked.
pub(super) fn title(release: &Release) -> String {
    if release.simulated {
        format!("SIMULATED: {}", release.title)
    } else {
        release.title.clone()
    }
}

/// The name under which it can be found: a DOI where it has one, else a digest of its data.
pub(super) fn identifier(release: &Release, data: &[File]) -> String {
    release
        .doi
        .as_ref()
        .map_or_else(|| digest(data), |doi| format!("https://doi.org/{doi}"))
}

/// Of all files of data, in order of their paths.
fn digest(data: &[File]) -> String {
    let mut sums: Vec<_> = data
        .iter()
        .map(|file| (&file.path, file.sha256()))
        .collect();
    sums.sort();
    let mut hash = Sha256::new();
    for (path, sum) in sums {
        hash.update(format!("{sum}  {path}\n"));
    }
    format!("sha256:{}", hex(&hash.finalize()))
}

pub(super) fn abstract_of(release: &Release) -> String {
    format!(
        "Internet shutdowns and outages as probes of volunteers saw them from inside, with every revision of what was said of each, its evidence, time series, and where an event could have been seen at all. What was known at {}. Numbers of sites are multiples of three; nothing is said of fewer.",
        moment::iso(release.as_of)
    )
}

pub(super) fn files(tables: &[Table], scene: &Scene<'_>, data: &[File]) -> Vec<File> {
    let release = scene.release;
    vec![
        File::new("datacite.json", pretty(&datacite(release, data))),
        File::new("CITATION.cff", citation(release, data)),
        licence(scene),
        File::new("README.md", marked(scene, readme(tables, scene))),
    ]
}

/// The licence's text.
pub(super) fn licence(scene: &Scene<'_>) -> File {
    let Licence { text, title, .. } = &scene.release.licence;
    let text = if text.is_empty() { title } else { text };
    File::new("LICENSE.txt", marked(scene, text.clone()))
}

fn datacite(release: &Release, data: &[File]) -> Value {
    let licence = &release.licence;
    let identifier = match &release.doi {
        Some(doi) => json!({ "identifier": doi, "identifierType": "DOI" }),
        None => json!({ "identifier": digest(data), "identifierType": "Other" }),
    };
    let creators: Vec<Value> = release
        .creators
        .iter()
        .map(|name| json!({ "name": name, "nameType": "Organizational" }))
        .collect();
    let day = moment::day(release.as_of);
    let mut rights = json!({
        "rights": licence.title,
        "rightsIdentifier": licence.id,
        "rightsIdentifierScheme": "SPDX",
    });
    if !licence.url.is_empty() {
        rights["rightsUri"] = licence.url.as_str().into();
    }
    let mut value = json!({
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "identifiers": [identifier],
        "creators": creators,
        "titles": [{ "title": title(release), "lang": "en" }],
        "publisher": { "name": release.publisher },
        "publicationYear": moment::year(release.as_of).to_string(),
        "types": { "resourceTypeGeneral": "Dataset", "resourceType": "Events and time series" },
        "subjects": [{ "subject": "internet shutdowns" }, { "subject": "internet measurement" }],
        "dates": [{ "date": day, "dateType": "Issued" }],
        "language": "en",
        "version": release.version,
        "rightsList": [rights],
        "formats": ["text/csv", "application/x-ndjson", "application/vnd.apache.parquet"],
        "sizes": [format!("{} bytes", data.iter().map(|f| f.bytes.len()).sum::<usize>())],
        "descriptions": [{
            "description": if release.simulated { format!("{SIMULATED} {}", abstract_of(release)) } else { abstract_of(release) },
            "descriptionType": "Abstract",
        }],
    });
    if let Some(doi) = &release.doi {
        value["doi"] = doi.as_str().into();
    }
    if let Some(home) = &release.homepage {
        value["url"] = home.as_str().into();
    }
    value
}

/// A text of YAML in which nothing needs another kind of quotes.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn citation(release: &Release, data: &[File]) -> String {
    let mut out = String::new();
    if release.simulated {
        let _ = writeln!(out, "# {SIMULATED}");
    }
    out.push_str("cff-version: 1.2.0\ntype: dataset\n");
    out.push_str("message: \"If you use this data, please cite it as below.\"\n");
    let _ = writeln!(out, "title: {}", quoted(&title(release)));
    out.push_str("authors:\n");
    for name in &release.creators {
        let _ = writeln!(out, "  - name: {}", quoted(name));
    }
    let _ = writeln!(out, "version: {}", quoted(&release.version));
    let _ = writeln!(out, "date-released: \"{}\"", moment::day(release.as_of));
    if Licence::known(&release.licence.id).is_some() {
        let _ = writeln!(out, "license: {}", release.licence.id);
    }
    match &release.doi {
        Some(doi) => {
            let _ = writeln!(out, "doi: {}", quoted(doi));
        }
        None => {
            let _ = write!(
                out,
                "identifiers:\n  - type: other\n    value: {}\n    description: \"Digest of the data\"\n",
                quoted(&digest(data))
            );
        }
    }
    if let Some(home) = &release.homepage {
        let _ = writeln!(out, "url: {}", quoted(home));
    }
    out
}

fn readme(tables: &[Table], scene: &Scene<'_>) -> String {
    let release = scene.release;
    let mark = mark(scene);
    let counts = tables.iter().map(|table| {
        let Table {
            name, rows, about, ..
        } = table;
        format!("| {name} | {} | {about} |\n", rows.len())
    });
    let counts = counts.collect::<Vec<_>>().concat();
    format!(
        "# {title}\n\n{about}\n\nVersion {version}. Published by {publisher} under {licence}: LICENSE.txt.\n\n\
| table | rows | what |\n|---|---|---|\n{counts}\n\
Each table is in `csv/`, `ndjson/` and `parquet/` with the same rows; DICTIONARY.md says what the\n\
columns mean, CHANGELOG.md what changed since the release before, datapackage.json both for\n\
machines.\n\n## To open it\n\n```text\n\
pip install 'frictionless[json]' && frictionless validate datapackage.json\n\
sha256sum -c SHA256SUMS\n\
duckdb -c \"FROM read_parquet('parquet/{mark}events/**/*.parquet', hive_partitioning = true)\"\n\
python3 -c \"import pandas; print(pandas.read_csv('csv/{mark}events.csv', parse_dates=['start_utc', 'end_utc']))\"\n\
```\n\n## What it does not say\n\n\
An event says that and how connectivity was lost, never why: `cause` is what a named document\n\
says, where `cause_status` is documented. No event where `coverage` has no row means nothing.\n\
Counts of sites are multiples of three, and groups of fewer than three are left out: sums over\n\
networks are not those of their country. A revision, once published, is published again with\n\
the same number; names of networks may be added to it after a day.\n\n## To cite it\n\n\
{creators}: {title}, version {version}. {publisher}, {year}.{doi}\n",
        title = title(release),
        about = abstract_of(release),
        version = release.version,
        publisher = release.publisher,
        licence = release.licence.title,
        creators = release.creators.join(", "),
        year = moment::year(release.as_of),
        doi = release
            .doi
            .as_ref()
            .map_or_else(String::new, |doi| format!(" https://doi.org/{doi}")),
    )
}
