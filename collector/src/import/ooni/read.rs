//! Reading measurements: JSON, JSON lines, either gzipped.

use super::Document;
use flate2::read::MultiGzDecoder;
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

/// Why a measurement could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not JSON, or cut short.
    #[error("{path} is not JSON after {whole} whole measurements: {reason}")]
    Json {
        /// Which file.
        path: PathBuf,
        /// Measurements read before.
        whole: usize,
        /// What and where.
        reason: String,
    },
}

/// The measurements of a file, one or many; after an error there are no more.
pub fn read_measurements(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Document, ReadError>> + use<>, ReadError> {
    let file_error = |source| ReadError::File {
        path: path.into(),
        source,
    };
    let file = BufReader::new(File::open(path).map_err(file_error)?);
    let bytes: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
        Box::new(BufReader::new(MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    };
    let path = path.to_owned();
    let mut whole = 0;
    let mut ended = false;
    let mut values = serde_json::Deserializer::from_reader(bytes).into_iter();
    Ok(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        Some(match values.next()? {
            Ok(json) => {
                whole += 1;
                Ok(Document::new(json))
            }
            Err(e) => {
                ended = true;
                Err(ReadError::Json {
                    path: path.clone(),
                    whole,
                    reason: e.to_string(),
                })
            }
        })
    }))
}
