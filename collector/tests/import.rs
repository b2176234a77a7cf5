//! Are OONI's documents kept once each, with their place, under the import key?

use faultline_collector::{
    import::{Importer, convert},
    ingest::Nowhere,
    rules::Rules,
    store::{Appended, Facts as _, sqlite::Sqlite},
};
use faultline_core::{codec::Identity, time::UnixTime};
use std::path::PathBuf;

#[test]
fn shared_documents_are_stored_once() {
    let shared = std::env::var_os("FAULTLINE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let Ok(files) = std::fs::read_dir(shared.join("data/ooni/measurements")) else {
        println!("skipped: no ../shared");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("collector.db")).unwrap();
    let importer = Importer {
        store: &store,
        enricher: &Nowhere,
        judge: &Rules,
        key: &Identity::from_bytes(&[3; 32]).unwrap(),
    };
    let now = UnixTime::from_secs(1_790_000_000);
    importer.enrol(now).unwrap();
    let mut count = 0;
    for file in files {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let converted = convert(&bytes).unwrap();
        let id = converted.measurement.id;
        let first = importer.keep(converted.clone(), now).unwrap();
        let second = importer.keep(converted.clone(), now).unwrap();
        assert_eq!((first, second), (Appended::Stored, Appended::Duplicate));
        let row = store.measurement(id).unwrap().unwrap();
        assert_eq!((row.country, row.asn), (converted.country, converted.asn));
        assert!(!row.observations.is_empty());
        count += 1;
    }
    assert!(count > 0);
}
