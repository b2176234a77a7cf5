//! Is a release what it says it is? A fleet's rows are exported by the command, read back, held
//! against each other, and opened by the official validator, DuckDB and pandas where they are
//! installed (tests/run does that).

mod fleet;

use faultline_collector::{
    config::Dataset,
    export::{Hold, Material, archive, dictionary, gather, publish},
    names::Names,
    store::{
        events::{Events as _, Moment, Step},
        sqlite::SqliteEvents,
    },
};
use faultline_core::time::UnixTime;
use fleet::{Site, document, material};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn world() -> Material {
    let site = |n: u32| Site {
        country: if n < 22 { "XA" } else { "XB" },
        asn: 64_500 + n % 3,
        region: (n % 2) as u8,
        mobile: n.is_multiple_of(4),
        affected: n != 5,
        back: i64::from(n % 7),
        ledger: (!n.is_multiple_of(3)).then_some(i64::from(n)),
    };
    let sites: Vec<Site> = (0..27).map(site).collect();
    let mut all = material(&sites);
    document(&mut all, "XA");
    all
}

fn lay(folder: &Path, all: &Material) {
    fn file<T: Serialize>(path: PathBuf, rows: &[T]) {
        let lines = rows
            .iter()
            .map(|row| serde_json::to_string(row).unwrap() + "\n");
        fs::write(path, lines.collect::<String>()).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    file(folder.join("revisions.ndjson"), &all.revisions);
    file(folder.join("evidence.ndjson"), &all.evidence);
    file(folder.join("bins.ndjson"), &all.bins);
    file(folder.join("coverage.ndjson"), &all.coverage);
}

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_faultline-collector"))
        .args(["export", "shutdowns", "--simulated", "--from-rows"])
        .arg(folder.join("rows"))
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn export(folder: &Path, words: &[&str]) {
    let done = run(folder, words);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Every file with its digest.
fn sums(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut sums = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                sums.insert(name, Sha256::digest(fs::read(&path).unwrap()).to_vec());
            }
        }
    }
    sums
}

const WHEN: &str = "--as-of=2026-03-04";

#[test]
fn equal_rows_give_equal_bytes_as_a_folder_and_as_an_archive() {
    let place = tempfile::tempdir().unwrap();
    let all = world();
    lay(&place.path().join("rows"), &all);
    export(place.path(), &[WHEN, "--out", "one"]);
    export(place.path(), &[WHEN, "--out", "two"]);
    let one = sums(&place.path().join("one"));
    assert_eq!(one, sums(&place.path().join("two")));
    // The order in which rows came does not matter.
    let mut turned = all;
    turned.evidence.reverse();
    turned.bins.reverse();
    turned.revisions.reverse();
    turned.coverage.reverse();
    lay(&place.path().join("rows"), &turned);
    export(place.path(), &[WHEN, "--out", "three"]);
    assert_eq!(one, sums(&place.path().join("three")));
    for name in [
        "datapackage.json",
        "datacite.json",
        "CITATION.cff",
        "LICENSE.txt",
        "README.md",
        "DICTIONARY.md",
        "CHANGELOG.md",
        "SHA256SUMS",
        "csv/simulated-events.csv",
        "ndjson/simulated-coverage.ndjson",
        "parquet/simulated-events/year=2026/country=XA/part-0.parquet",
    ] {
        assert!(
            one.contains_key(name),
            "{name} is missing: {:?}",
            one.keys()
        );
    }
    export(place.path(), &[WHEN, "--out", "a.zip"]);
    let bytes = fs::read(place.path().join("a.zip")).unwrap();
    export(place.path(), &[WHEN, "--out", "b.zip"]);
    assert_eq!(bytes, fs::read(place.path().join("b.zip")).unwrap());
    let archive = rawzip::ZipArchive::from_slice(&bytes).unwrap();
    let mut entries = archive.entries();
    let mut found = BTreeMap::new();
    while let Some(entry) = entries.next_entry().unwrap() {
        let path = String::from_utf8(entry.file_path().as_ref().to_vec()).unwrap();
        let stored = entry.compression_method() == rawzip::CompressionMethod::STORE;
        let local = archive.get_entry(entry.wayfinder()).unwrap();
        let mut content = Vec::new();
        if stored {
            content.extend_from_slice(local.data());
        } else {
            let mut inflate = flate2::read::DeflateDecoder::new(local.data());
            std::io::Read::read_to_end(&mut inflate, &mut content).unwrap();
        }
        let (top, name) = path.split_once('/').unwrap();
        assert_eq!(top, "simulated-shutdown-events-2026.03.04");
        found.insert(name.to_owned(), Sha256::digest(&content).to_vec());
    }
    assert_eq!(found, one);
}

#[test]
fn a_release_is_never_changed_and_nothing_half_is_left() {
    let place = tempfile::tempdir().unwrap();
    lay(&place.path().join("rows"), &world());
    export(place.path(), &[WHEN, "--out", "one"]);
    for (words, said) in [
        (vec![WHEN, "--out", "one"], "is there already"),
        (
            vec![WHEN, "--out", "rows/revisions.ndjson/x"],
            "cannot write",
        ),
        (
            vec![WHEN, "--out", "two", "--since", "rows"],
            "earlier release",
        ),
        (
            vec![
                WHEN,
                "--out",
                "two",
                "--from",
                "2026-03-05",
                "--until",
                "2026-03-01",
            ],
            "not before",
        ),
        (vec!["--as-of", "yesterday", "--out", "two"], "no time"),
    ] {
        let done = run(place.path(), &words);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            !done.status.success() && told.contains(said),
            "{words:?}: {told}"
        );
        assert!(!told.contains("panicked"), "{told}");
    }
    let left: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let path = place.path().join("one/ndjson/simulated-revisions.ndjson");
    fs::write(&path, "{}\n").unwrap();
    let done = run(place.path(), &[WHEN, "--out", "two", "--since", "one"]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("not as it was published"));
    fs::write(place.path().join("rows/revisions.ndjson"), "{}\n").unwrap();
    let done = run(place.path(), &[WHEN, "--out", "two"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains("revisions.ndjson, line 1"), "{told}");
}

#[test]
fn a_later_release_tells_what_changed() {
    let place = tempfile::tempdir().unwrap();
    lay(&place.path().join("rows"), &world());
    // Before the ledgers came, and before the analyst.
    export(
        place.path(),
        &[
            "--as-of",
            "2026-03-01T13:25:00Z",
            "--out",
            "one",
            "--release",
            "1",
        ],
    );
    export(
        place.path(),
        &[WHEN, "--out", "two", "--release", "2", "--since", "one"],
    );
    let told = fs::read_to_string(place.path().join("two/CHANGELOG.md")).unwrap();
    assert!(
        told.contains("Since 1 (simulated), as of 2026-03-01T13:25:00Z"),
        "{told}"
    );
    let count = |what: &str| -> usize {
        let line = told.lines().find(|line| line.contains(what)).unwrap();
        let number = line.split(": ").nth(1).unwrap();
        number.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(count("events added"), 0, "{told}");
    assert!(count("events revised") >= 3, "{told}");
    assert_eq!(count("events retracted"), 0, "{told}");
    assert!(count("revisions more") >= 3, "{told}");
}

#[test]
fn adapters_speak_as_others_do() {
    let place = tempfile::tempdir().unwrap();
    lay(&place.path().join("rows"), &world());
    export(place.path(), &[WHEN, "--as", "kio", "--out", "kio"]);
    let read = |path: &str| {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).from_path(place.path().join(path));
        let rows = reader.unwrap().into_records().map(Result::unwrap);
        rows.collect::<Vec<_>>()
    };
    let rows = read("kio/simulated-kio.csv");
    // Of all events only one has a document that says who ordered it.
    assert_eq!((rows.len(), rows[0].len()), (2, 46));
    let of = |name: &str| {
        let at = rows[0].iter().position(|column| column == name).unwrap();
        rows[1][at].to_owned()
    };
    for (column, value) in [
        ("start_date", "2026-03-01"),
        ("end_date", "2026-03-01"),
        ("duration", "1"),
        ("shutdown_status", "Ended"),
        ("affected_network", "Broadband, Mobile"),
        ("shutdown_extent", "Full network"),
        ("ordered_by", "Executive government"),
        ("actual_cause", "Elections"),
        ("election", "Yes"),
        ("gov_ack", "Yes"),
        ("info_source_link", "https://example.org/decree?a=1;b=2"),
    ] {
        assert_eq!(of(column), value, "{column}");
    }
    export(place.path(), &[WHEN, "--as", "hxl", "--out", "hxl"]);
    let rows = read("hxl/simulated-events.hxl.csv");
    let tags: BTreeMap<_, _> = rows[0].iter().zip(rows[1].iter()).collect();
    assert_eq!(tags["start_utc"], "#date+start");
    assert_eq!(tags["country_code"], "#country+code+v_iso2");
    assert!(rows.len() > 2);
}

#[test]
fn the_store_gives_what_the_rows_gave() {
    let place = tempfile::tempdir().unwrap();
    let all = world();
    let store = SqliteEvents::open(&place.path().join("events.db")).unwrap();
    let step = Step {
        at: Moment {
            tick: fleet::at(2000),
            pass: 0,
        },
        revisions: &all.revisions,
        evidence: &all.evidence,
        bins: &all.bins,
        coverage: &all.coverage,
        ..Step::default()
    };
    store.keep(&step).unwrap();
    let (as_of, hold) = (fleet::at(3 * 1440), Hold::default());
    let window = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    let kept = gather(&store, as_of, &window, &hold).unwrap();
    let (rows, kept) = (publish(&all, as_of, &hold), publish(&kept, as_of, &hold));
    assert_eq!(rows.revisions, kept.revisions);
    assert_eq!(rows.evidence, kept.evidence);
    assert_eq!(rows.coverage, kept.coverage);
    assert!(!kept.bins.is_empty());
    assert_eq!(rows.bins, kept.bins);
    drop(store);
    // And as a command reads them.
    let settings = format!("state = {:?}\nsimulated = true\n", place.path());
    fs::write(place.path().join("settings.toml"), settings).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_faultline-collector"))
        .args([
            "--config",
            "settings.toml",
            "export",
            "shutdowns",
            WHEN,
            "--out",
            "kept",
        ])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    lay(&place.path().join("rows"), &all);
    export(place.path(), &[WHEN, "--out", "laid"]);
    assert_eq!(
        sums(&place.path().join("kept")),
        sums(&place.path().join("laid"))
    );
    // For the pages: the same bytes for all within an hour.
    let store = SqliteEvents::open(&place.path().join("events.db")).unwrap();
    let (dataset, names) = (Dataset::default(), Names::parse(None, None).unwrap());
    let at = |minute| archive(&store, &dataset, true, &names, fleet::at(minute)).unwrap();
    let one = at(4000 + 21);
    assert_eq!(one.0, "simulated-shutdown-events-20260303t190000z.zip");
    assert_eq!(one, at(4000 + 40));
}

/// The dictionary in the manual is the one of this version.
#[test]
fn the_manual_has_the_dictionary() {
    let manual = include_str!("../../docs/dataset.md");
    let made = dictionary();
    // Below its own title, one level down.
    let tables = made
        .split_once("\n## ")
        .unwrap()
        .1
        .replace("\n## ", "\n### ");
    if !manual.contains(&format!("### {tables}")) {
        let place = std::env::temp_dir().join("faultline-dictionary.md");
        fs::write(&place, format!("### {tables}")).unwrap();
        panic!(
            "docs/dataset.md has another dictionary; this version's is in {}",
            place.display()
        );
    }
}

#[test]
fn the_official_validator_duckdb_and_pandas_open_it() {
    let Some(python) = python() else {
        println!("skipped: no frictionless, duckdb and pandas here (tests/run installs them)");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    lay(&place.path().join("rows"), &world());
    let window = ["--from", "2026-03-01", "--until", "2026-03-02"];
    for (folder, words) in [
        ("all", &[][..]),
        ("window", &window),
        ("none", &["--until", "2020-01-01"]),
    ] {
        export(place.path(), &[&[WHEN, "--out", folder], words].concat());
        let done = Command::new(&python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../tests/dataset/check.py"
            ))
            .arg(place.path().join(folder))
            .output()
            .unwrap();
        let told = [done.stdout, done.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(done.status.success(), "{folder}: {told}");
        println!("{folder}: {}", told.trim());
    }
}

/// The interpreter of the folder that tests/run fills.
fn python() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("FAULTLINE_DATASET_PYTHON") {
        return Some(named.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let python = cache.join("faultline/dataset/bin/python");
    python.exists().then_some(python)
}
