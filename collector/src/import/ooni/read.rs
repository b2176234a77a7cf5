//! Which measurements are in a file? One document, one a line, or several one after the
//! other, gzipped or not. What cannot be read is said with its line, and the rest is read
//! all the same; never more than one document is held.

use super::{Document, surrogates::characters};
use flate2::read::MultiGzDecoder;
use serde::de::IgnoredAny;
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

/// The longest document, bytes. Those of OONI have up to about one million; parsed, a document
/// takes many times its length.
pub const LONGEST: usize = 16 << 20;

/// Why a measurement could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file or folder cannot be opened.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not JSON, or cut short.
    #[error("{path}, line {line}: not a measurement in JSON: {reason}")]
    Json {
        /// Which file.
        path: PathBuf,
        /// Where the document begins.
        line: u64,
        /// What and where in it.
        reason: String,
    },
    /// Too long to be a measurement.
    #[error("{path}, line {line}: longer than {} MiB: left out", LONGEST >> 20)]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// Where the document begins.
        line: u64,
    },
    /// The file ends before its end.
    #[error("{path} cannot be read beyond line {line}: {source}; what came before was taken")]
    Broken {
        /// Which file.
        path: PathBuf,
        /// Lines read.
        line: u64,
        /// What the system or the compression said.
        source: io::Error,
    },
}

/// A measurement, and the line that it begins on.
pub type Found<'a> = (u64, Document<'a>);

/// The measurements of a file; `-` is standard input.
pub fn read_measurements(path: &Path) -> Result<Documents<Box<dyn BufRead>>, ReadError> {
    let wrong = |source| ReadError::File {
        path: path.into(),
        source,
    };
    let mut raw: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(wrong)?))
    };
    let begins = raw.fill_buf().map_err(wrong)?;
    if begins.starts_with(&[0x1f, 0x8b]) {
        raw = Box::new(BufReader::new(MultiGzDecoder::new(raw)));
    } else if begins.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        // A frame may ask for any window (RFC 8878, 3.1.1.1.2); more than 128 MiB it does not get.
        let mut frames = zstd::stream::read::Decoder::with_buffer(raw).map_err(wrong)?;
        frames.window_log_max(27).map_err(wrong)?;
        raw = Box::new(BufReader::new(frames));
    }
    Ok(Documents::new(path, raw))
}

/// The measurements of a stream, in order.
pub struct Documents<R> {
    path: PathBuf,
    reader: R,
    line: u64,
    ended: bool,
    /// What ends the stream once the line before it is taken.
    failed: Option<io::Error>,
    /// A document that began on an earlier line.
    open: Option<Open>,
    /// Documents that are not parsed yet, and what went wrong.
    ready: VecDeque<Result<(u64, String), ReadError>>,
    /// What the last document borrows from.
    text: String,
    /// Lines before this one are read over.
    from: u64,
}

struct Open {
    line: u64,
    bytes: Vec<u8>,
    nesting: Nesting,
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
    End(Option<io::Error>),
}

impl<R: BufRead> Documents<R> {
    /// `path` is for messages.
    pub fn new(path: &Path, reader: R) -> Self {
        Self {
            path: path.into(),
            reader,
            line: 0,
            ended: false,
            failed: None,
            open: None,
            ready: VecDeque::new(),
            text: String::new(),
            from: 0,
        }
    }

    /// The same, from this line on, with which a document begins: what stands before it was
    /// taken already.
    #[must_use]
    pub fn from_line(mut self, line: u64) -> Self {
        self.from = line;
        self
    }

    /// The next document, which stays in what was read until the one after it is asked for.
    pub fn next_document(&mut self) -> Option<Result<Found<'_>, ReadError>> {
        while self.ready.is_empty() && !self.ended {
            self.step();
        }
        match self.ready.pop_front()? {
            Ok((line, text)) => {
                self.text = text;
                Some(found(&self.path, line, &self.text))
            }
            Err(e) => Some(Err(e)),
        }
    }

    fn step(&mut self) {
        match self.next_line() {
            Line::Whole(bytes) => {
                self.line += 1;
                if self.line < self.from {
                    return;
                }
                let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
                self.take(bytes.trim_ascii());
            }
            Line::TooLong => {
                self.line += 1;
                if self.line < self.from {
                    return;
                }
                self.give_up();
                let (path, line) = (self.path.clone(), self.line);
                self.ready.push_back(Err(ReadError::TooLong { path, line }));
            }
            Line::End(error) => {
                self.give_up();
                self.ended = true;
                if let Some(source) = error {
                    let (path, line) = (self.path.clone(), self.line);
                    self.ready
                        .push_back(Err(ReadError::Broken { path, line, source }));
                }
            }
        }
    }

    /// A line without its end. What stands before an error is a line, too.
    fn next_line(&mut self) -> Line {
        if let Some(error) = self.failed.take() {
            return Line::End(Some(error));
        }
        let (mut bytes, mut long) = (Vec::new(), false);
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if bytes.is_empty() && !long => return Line::End(Some(e)),
                Err(e) => {
                    self.failed = Some(e);
                    break;
                }
            };
            if buffer.is_empty() {
                if bytes.is_empty() && !long {
                    return Line::End(None);
                }
                break;
            }
            let end = buffer.iter().position(|b| *b == b'\n');
            let piece = end.map_or(buffer, |end| &buffer[..end]);
            long |= bytes.len() + piece.len() > LONGEST;
            if long {
                bytes.clear();
            } else {
                bytes.extend_from_slice(piece);
            }
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        if long {
            Line::TooLong
        } else {
            Line::Whole(bytes)
        }
    }

    fn take(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let Some(mut open) = self.open.take() else {
            return self.begin(text);
        };
        // A measurement whole on its own line ends whatever was left open before it.
        if text.starts_with(b"{")
            && text.ends_with(b"}")
            && Document::parse(&characters(text.to_vec()))
                .is_ok_and(|document| document.is_measurement())
        {
            self.open = Some(open);
            self.give_up();
            return self.begin(text);
        }
        open.bytes.push(b'\n');
        open.bytes.extend_from_slice(text);
        open.nesting.read(text);
        if open.bytes.len() > LONGEST {
            let (path, line) = (self.path.clone(), open.line);
            self.ready.push_back(Err(ReadError::TooLong { path, line }));
        } else if open.nesting.is_open() {
            self.open = Some(open);
        } else {
            self.whole(open.line, open.bytes);
        }
    }

    fn begin(&mut self, text: &[u8]) {
        let mut nesting = Nesting::default();
        nesting.read(text);
        let cut = || serde_json::from_slice::<IgnoredAny>(text).is_err_and(|e| e.is_eof());
        if nesting.is_open() && cut() {
            self.open = Some(Open {
                line: self.line,
                bytes: text.to_vec(),
                nesting,
            });
        } else {
            self.whole(self.line, text.to_vec());
        }
    }

    fn whole(&mut self, line: u64, bytes: Vec<u8>) {
        self.ready.push_back(Ok((line, characters(bytes))));
    }

    /// Whatever is open will not be whole.
    fn give_up(&mut self) {
        if let Some(open) = self.open.take() {
            self.whole(open.line, open.bytes);
        }
    }
}

fn found<'a>(path: &Path, line: u64, text: &'a str) -> Result<Found<'a>, ReadError> {
    let reason = match Document::parse(text) {
        Ok(document) if document.is_measurement() => return Ok((line, document)),
        Ok(_) => "it has neither test_name nor test_keys".to_owned(),
        Err(e) => {
            // The library counts lines from the document's own first.
            let what = e.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            let below = (e.line() as u64).saturating_sub(1);
            format!("{what} (line {}, column {})", line + below, e.column())
        }
    };
    let path = path.into();
    Err(ReadError::Json { path, line, reason })
}

/// How deep in brackets the text so far ends. Strings do not go on over lines.
#[derive(Default)]
struct Nesting {
    depth: u64,
    broken: bool,
}

impl Nesting {
    fn read(&mut self, line: &[u8]) {
        let (mut quoted, mut escaped) = (false, false);
        for byte in line {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => self.depth += 1,
                b'}' | b']' if !quoted => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        self.broken |= quoted;
    }

    fn is_open(&self) -> bool {
        self.depth > 0 && !self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::{Cursor, Write as _};

    fn lines<R: BufRead>(mut documents: Documents<R>) -> Vec<Result<u64, String>> {
        let mut all = Vec::new();
        while let Some(found) = documents.next_document() {
            all.push(found.map(|(line, _)| line).map_err(|e| e.to_string()));
        }
        all
    }

    fn read(bytes: &[u8]) -> Vec<Result<u64, String>> {
        lines(Documents::new(Path::new("x"), Cursor::new(bytes)))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    }

    fn from_file(name: &str, bytes: &[u8]) -> Vec<Result<u64, String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        lines(read_measurements(&path).unwrap())
    }

    const ONE: &str = r#"{"test_name":"t","test_keys":{"a":["}",1]}}"#;

    #[test]
    fn a_bad_line_costs_itself_only() {
        let text =
            format!("{ONE}\nnonsense\n\n{ONE}\n{{\"x\": [1, 2\n{ONE}\n{{\"a\": \"cut\n{ONE}");
        let found = read(text.as_bytes());
        let lines: Vec<_> = found.iter().filter_map(|f| f.as_ref().ok()).collect();
        assert_eq!(lines, [&1, &4, &6, &8]);
        let errors: Vec<_> = found.iter().filter_map(|f| f.as_ref().err()).collect();
        assert_eq!(errors.len(), 3);
        for (error, line) in errors.into_iter().zip([2, 5, 7]) {
            assert!(error.starts_with(&format!("x, line {line}: ")), "{error}");
        }
    }

    #[test]
    fn documents_may_be_written_over_many_lines() {
        let json: serde_json::Value = serde_json::from_str(ONE).unwrap();
        let pretty = format!("{json:#}\n{json:#}\n");
        assert_eq!(read(pretty.as_bytes()), [Ok(1), Ok(10)]);
        let flush_left = pretty.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        assert_eq!(read(flush_left.as_bytes()), [Ok(1), Ok(10)]);
        let cut = &pretty[..pretty.len() - 6];
        let found = read(cut.as_bytes());
        assert_eq!(found.len(), 2);
        assert!(found[1].is_err());
    }

    #[test]
    fn what_is_no_measurement_is_said() {
        for text in ["[1]", "7", "{\"a\":1}", "\"x\""] {
            let found = read(text.as_bytes());
            assert!(matches!(found.as_slice(), [Err(_)]), "{text}: {found:?}");
        }
        assert_eq!(read(b""), []);
        assert_eq!(read(format!("\u{feff}{ONE}").as_bytes()), [Ok(1)]);
    }

    #[test]
    fn gzip_may_have_members_and_end_badly() {
        let line = format!("{ONE}\n");
        let two = [gzip(line.as_bytes()), gzip(line.as_bytes())].concat();
        assert_eq!(from_file("a.jsonl.gz", &two), [Ok(1), Ok(2)]);
        // Recognised by its first bytes, not by its name.
        assert_eq!(from_file("a.jsonl", &two), [Ok(1), Ok(2)]);
        let garbage = [two.as_slice(), b"garbage"].concat();
        let found = from_file("a.jsonl.gz", &garbage);
        assert_eq!(found[..2], [Ok(1), Ok(2)]);
        assert!(
            matches!(&found[2..], [Err(e)] if e.contains("beyond line 2")),
            "{found:?}"
        );
        let cut = &two[..two.len() - 20];
        let found = from_file("a.jsonl.gz", cut);
        assert_eq!(found[0], Ok(1));
        assert!(found.last().unwrap().is_err());
    }

    #[test]
    fn zstd_may_have_frames_and_end_badly() {
        let line = format!("{ONE}\n");
        let frame = || zstd::encode_all(line.as_bytes(), 1).unwrap();
        let two = [frame(), frame()].concat();
        assert_eq!(from_file("a.jsonl.zst", &two), [Ok(1), Ok(2)]);
        let found = from_file("a.jsonl.zst", &two[..two.len() - 8]);
        assert!(
            found[0] == Ok(1) && found.last().unwrap().is_err(),
            "{found:?}"
        );
    }

    #[test]
    fn reading_goes_on_at_a_line() {
        let text = format!("nonsense\n{ONE}\n{ONE}\n");
        let from = |line| {
            let all = Documents::new(Path::new("x"), Cursor::new(text.as_bytes()));
            let all = lines(all.from_line(line)).into_iter();
            all.map(Result::ok).collect::<Vec<_>>()
        };
        assert_eq!(from(3), [Some(3)]);
        assert_eq!(from(0), [None, Some(2), Some(3)]);
        assert_eq!(from(9), []);
    }

    #[test]
    fn a_line_without_end_is_left_out_and_the_rest_is_read() {
        let long = io::repeat(b'x').take(LONGEST as u64 + 1);
        let rest = format!("\n{ONE}\n");
        let both = io::Read::chain(long, Cursor::new(rest.into_bytes()));
        let found = lines(Documents::new(Path::new("x"), BufReader::new(both)));
        assert!(matches!(&found[0], Err(e) if e.starts_with("x, line 1: longer than")));
        assert_eq!(found[1..], [Ok(2)]);
    }

    #[test]
    fn odd_characters_do_not_cost_a_document() {
        for odd in [b"caf\xe9".as_slice(), br"caf\udce9"] {
            let text = [br#"{"test_name":""#, odd, br#"","n":1}"#].concat();
            let mut documents = Documents::new(Path::new("x"), Cursor::new(&text));
            let (line, document) = documents.next_document().unwrap().unwrap();
            assert_eq!((line, document.test_name()), (1, "caf\u{fffd}"));
        }
    }

    use io::Read as _;

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            read(&bytes);
        }

        #[test]
        fn whole_lines_survive_any_neighbours(
            before in "[ -~]{0,40}", after in "[ -~]{0,40}"
        ) {
            let text = format!("{before}\n{ONE}\n{after}\n{ONE}");
            let whole = read(text.as_bytes()).into_iter().filter(|f| matches!(f, Ok(2 | 4)));
            prop_assert_eq!(whole.count(), 2);
        }
    }
}
