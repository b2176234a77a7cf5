//! Which files are imported, and what became of each document? One document a file, one a
//! line, compressed or not. What cannot be taken is said with its place, counted, and left out;
//! a run that was killed goes on where its journal ends.

use super::{enricher, judge, open};
use anyhow::{Context as _, Result};
use faultline_collector::{
    config::Config,
    import::{
        Converted, Importer, Journal, KeepError, Kept, Tally, convert,
        ooni::{Document, ReadError, Unusable, files, read_measurements},
    },
    store::{Facts, Ledger, Store, StoreError},
};
use faultline_core::time::UnixTime;
use faultline_probe::{
    identity,
    random::{Entropy as _, OsEntropy},
};
use std::{
    fmt::Display,
    io::{IsTerminal as _, Write as _},
    path::Path,
};

/// The key file for imports, in the state folder.
pub(super) const KEY: &str = "import.key";

/// Documents that wait for the disk together: the store commits them as one group.
const TOGETHER: usize = 16;
/// Documents between two notes in the journal, and between two words to a terminal.
const NOTED: u64 = 512;

/// How far the whole is, on a terminal only.
struct Progress {
    shown: bool,
    files: usize,
    of: usize,
    documents: u64,
}

impl Progress {
    fn tell(&self) {
        if self.shown {
            let Self {
                files,
                of,
                documents,
                ..
            } = self;
            eprint!("\r\x1b[Kfile {files} of {of}, {documents} documents");
            let _ = std::io::stderr().flush();
        }
    }

    fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

/// One run.
struct Run<'a> {
    importer: &'a Importer<'a, dyn Store>,
    now: UnixTime,
    journal: Journal,
    /// Of the file that is read.
    tally: Tally,
    waiting: Vec<(String, Converted)>,
    progress: Progress,
}

/// Imports OONI documents; gives how many were skipped.
pub(super) fn ooni(config: &Config, from: &Path, now: UnixTime) -> Result<u64> {
    let store = open(config)?;
    let path = config.state.join(KEY);
    let key = identity::load_or_create(&path, &mut |bytes| OsEntropy.fill(bytes))?;
    let enricher = enricher(config)?;
    let importer = Importer {
        store: &*store,
        enricher: &*enricher,
        judge: &*judge(config)?,
        key: &key,
    };
    importer.enrol(now)?;
    let files = files(from);
    let mut run = Run {
        importer: &importer,
        now,
        journal: Journal::open(&config.state)?,
        tally: Tally::default(),
        waiting: Vec::with_capacity(TOGETHER),
        progress: Progress {
            shown: std::io::stderr().is_terminal(),
            files: 0,
            of: files.len(),
            documents: 0,
        },
    };
    let mut whole = Tally::default();
    for file in files {
        run.progress.files += 1;
        run.progress.tell();
        run.file(file, &mut whole)?;
    }
    run.progress.clear();
    println!(
        "stored {}, known already {}, of other nettests {}, left out {}",
        whole.stored,
        whole.known,
        whole.of_others(),
        whole.of_left_out()
    );
    for (test, count) in &whole.others {
        println!("  kept and not judged: {count} of {test}");
    }
    for (why, count) in &whole.left_out {
        println!("  left out: {count}, {why}");
    }
    Ok(whole.of_others() + whole.of_left_out())
}

impl Run<'_> {
    fn leave_out(&mut self, kind: &str, why: impl Display) {
        *self.tally.left_out.entry(kind.to_owned()).or_default() += 1;
        self.progress.clear();
        eprintln!("left out: {why}");
    }

    /// Takes in one file, from where an earlier run left it.
    fn file(
        &mut self,
        file: Result<std::path::PathBuf, ReadError>,
        whole: &mut Tally,
    ) -> Result<()> {
        self.tally = Tally::default();
        let before = file.as_ref().ok().and_then(|file| self.journal.of(file));
        let (line, done) = before.map_or((0, false), |before| (before.line, before.done));
        let known = before
            .map(|before| before.tally.clone())
            .unwrap_or_default();
        if done {
            whole.add_known(&known);
            return Ok(());
        }
        let opened = file.and_then(|file| Ok((read_measurements(&file)?, file)));
        let (documents, file) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                self.leave_out(kind(&e), e);
                whole.add(&self.tally);
                return Ok(());
            }
        };
        // The document with which it ended is taken again: the store knows it, if it has it.
        if line > 0 {
            self.tally.add_known(&known);
        }
        let mut begins = line;
        let mut again = line > 0;
        let mut documents = documents.from_line(line);
        while let Some(document) = documents.next_document() {
            self.progress.documents += 1;
            if self.progress.documents.is_multiple_of(NOTED) {
                self.keep()?;
                self.journal.note(&file, begins, false, &self.tally)?;
                self.progress.tell();
            }
            if std::mem::take(&mut again) {
                continue;
            }
            match document {
                Ok((line, document)) => {
                    begins = line;
                    self.document(&file, line, &document)?;
                }
                Err(e) => {
                    if let ReadError::Json { line, .. } | ReadError::TooLong { line, .. } = &e {
                        begins = *line;
                    }
                    self.leave_out(kind(&e), e);
                }
            }
        }
        self.keep()?;
        self.journal.note(&file, begins, true, &self.tally)?;
        whole.add(&self.tally);
        Ok(())
    }

    fn document(&mut self, file: &Path, line: u64, document: &Document<'_>) -> Result<()> {
        let place = || format!("{}, line {line}", file.display());
        match convert(document, &|ip| self.importer.enricher.asn_of(ip)) {
            Ok(converted) => {
                self.waiting.push((place(), converted));
                if self.waiting.len() >= TOGETHER {
                    self.keep()?;
                }
            }
            Err(Unusable::OtherTest(test)) => {
                self.journal.keep(&test, &document.to_json());
                *self.tally.others.entry(test).or_default() += 1;
            }
            Err(why) => {
                let kind = why.to_string();
                self.leave_out(&kind, format_args!("{}: {why}", place()));
            }
        }
        Ok(())
    }

    /// Keeps what is waiting, and takes note in order.
    fn keep(&mut self) -> Result<()> {
        let (importer, now) = (self.importer, self.now);
        let done = keep_together(importer, &mut self.waiting, now);
        for (place, kept) in done {
            match kept.map_err(|_| anyhow::anyhow!("stopped at {place}: this is a bug"))? {
                Ok(Kept::Stored) => self.tally.stored += 1,
                Ok(Kept::Known) => self.tally.known += 1,
                // Whatever comes next would fail alike.
                Err(KeepError::Store(
                    e @ (StoreError::Full
                    | StoreError::Stopped
                    | StoreError::Unreachable(_)
                    | StoreError::Refused(_)
                    | StoreError::Misplaced(_)),
                )) => {
                    return Err(e).with_context(|| format!("stopped at {place}"));
                }
                Err(why) => self.leave_out(
                    "more than a batch holds, or the store refused it",
                    format_args!("{place}: {why}"),
                ),
            }
        }
        Ok(())
    }
}

/// Why something could not be read, without where.
fn kind(error: &ReadError) -> &'static str {
    match error {
        ReadError::File { .. } => "file or folder that cannot be opened",
        ReadError::Json { .. } => "no measurement in JSON",
        ReadError::TooLong { .. } => "longer than a measurement",
        ReadError::Broken { .. } => "file that ends before its end",
    }
}

type Done = (String, std::thread::Result<Result<Kept, KeepError>>);

fn keep_together<S: Ledger + Facts + ?Sized>(
    importer: &Importer<'_, S>,
    waiting: &mut Vec<(String, Converted)>,
    now: UnixTime,
) -> Vec<Done> {
    std::thread::scope(|scope| {
        let started: Vec<_> = waiting
            .drain(..)
            .map(|(place, document)| (place, scope.spawn(move || importer.keep(document, now))))
            .collect();
        let ended = started.into_iter();
        ended
            .map(|(place, thread)| (place, thread.join()))
            .collect()
    })
}
