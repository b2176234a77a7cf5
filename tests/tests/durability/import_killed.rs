//! Is every document kept once, and counted once, after an import was killed at any of its
//! system calls?

use crate::{
    process::{self, COLLECTOR, calls, died, dying, points, sample, traced},
    world::{batches, rows},
};
use faultline_collector::{
    rules::Rules,
    store::{Facts as _, rebuild, sqlite::Sqlite},
};
use flate2::{Compression, write::GzEncoder};
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Output},
    sync::Arc,
};
use tempfile::TempDir;

/// Documents of Web Connectivity, of both versions; every other one is of each.
const DOCUMENTS: &str = include_str!("../../../collector/fuzz/corpus/ooni/both-versions.jsonl");
/// How many there are in each of two files.
const EACH: usize = 12;
/// Documents of another nettest between two of these: enough for notes amid a file.
const OTHERS: usize = 60;

/// The collector's machine, and two files of documents: lines, and the same compressed.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let state = site.path("state");
        let settings = format!("state = {:?}\n", state.to_str().unwrap());
        fs::write(site.path("settings.toml"), settings).unwrap();
        let documents = site.path("documents");
        fs::create_dir(&documents).unwrap();
        fs::write(documents.join("a.jsonl"), lines(0)).unwrap();
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(lines(1).as_bytes()).unwrap();
        fs::write(documents.join("b.jsonl.gz"), gz.finish().unwrap()).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn import(&self, mut command: Command) -> Output {
        command
            .arg("--config")
            .arg(self.path("settings.toml"))
            .args(["import", "ooni"])
            .arg(self.path("documents"))
            .output()
            .unwrap()
    }

    /// How many documents are stored and known, of other nettests, and left out.
    fn whole(&self, why: &str) -> [usize; 4] {
        let ended = self.import(Command::new(COLLECTOR));
        let said = String::from_utf8(ended.stdout).unwrap();
        let first = said.lines().next().unwrap_or_default();
        let numbers = first.split(|c: char| !c.is_ascii_digit());
        let numbers: Vec<usize> = numbers.filter_map(|number| number.parse().ok()).collect();
        let talk = String::from_utf8_lossy(&ended.stderr);
        let numbers = numbers.try_into();
        numbers.unwrap_or_else(|_| panic!("{why}: {said}{talk}"))
    }

    /// Everything is there, once.
    fn check(&self, why: &str) {
        let store = Arc::new(Sqlite::open(&self.path("state/collector.db")).unwrap());
        let batches = batches(&store);
        let contents: BTreeSet<_> = batches.iter().map(|one| one.receipt.sha256).collect();
        assert_eq!(
            (batches.len(), contents.len()),
            (2 * EACH, 2 * EACH),
            "{why}"
        );
        assert_eq!(rows(&store).len(), 2 * EACH, "{why}");
        let kept = store.digest().unwrap();
        rebuild(&*store, Arc::new(Rules)).unwrap();
        assert_eq!(store.digest().unwrap(), kept, "{why}");
        let others = fs::File::open(self.path("state/other-nettests/ndt.jsonl.zst")).unwrap();
        let others = String::from_utf8(zstd::decode_all(others).unwrap()).unwrap();
        let distinct: BTreeSet<_> = others.lines().collect();
        let all = 2 * EACH * OTHERS;
        assert_eq!(
            (others.lines().count(), distinct.len()),
            (all, all),
            "{why}"
        );
    }
}

/// A file of documents, each about another name.
fn lines(file: usize) -> String {
    let mut text = String::new();
    for (n, document) in DOCUMENTS.lines().cycle().take(EACH).enumerate() {
        text += &document.replace("news.example", &format!("s{file}-{n}.example"));
        text.push('\n');
        let other = |other| {
            format!(
                "{{\"test_name\":\"ndt\",\"test_keys\":{{\"n\":\"{file}-{n}-{other}\"}}}}\n"
            )
        };
        text.extend((0..OTHERS).map(other));
    }
    text
}

#[test]
fn server_an_import_killed_at_any_call_loses_and_doubles_nothing() {
    if !process::can_trace() {
        return;
    }
    let site = Site::new();
    let log = site.path("trace");
    site.import(traced(COLLECTOR, Some(&log), None));
    site.check("not killed at all");
    let all = points(&calls(&log));
    assert!(all.len() > 50, "the trace was not read: {all:?}");
    let (count, chosen) = (all.len(), sample(all, 20));
    let tried = chosen.len();
    let mut deaths = 0;
    for point in chosen {
        let why = format!("killed at {point:?}");
        let site = Site::new();
        deaths += usize::from(died(site.import(dying(COLLECTOR, point)).status));
        let others = 2 * EACH * OTHERS;
        let [stored, known, kept, left_out] = site.whole(&why);
        assert_eq!(
            (stored + known, kept, left_out),
            (2 * EACH, others, 0),
            "{why}"
        );
        site.check(&why);
        assert_eq!(site.whole(&why), [0, 2 * EACH, others, 0], "{why}");
    }
    println!("{deaths} deaths at {tried} of {count} points");
    assert!(deaths > 0, "nothing was at stake");
}
