//! Tables for humanitarian tools: CSV with a second row of HXL tags (HXL 1.1), which says what
//! each column is whatever it is called.

use super::{
    cite, csv,
    describe::{self, marked},
    moment,
    package::{File, Package},
    table::{Scene, Table},
};

/// The tables whose columns have tags: events and their revisions.
pub(super) fn package(tables: &[Table], scene: &Scene<'_>) -> Package {
    let tagged = |table: &&Table| table.fields.iter().any(|field| !field.hxl.is_empty());
    let tables: Vec<&Table> = tables.iter().filter(tagged).collect();
    let file = |table: &&Table| {
        let tags: Vec<String> = table.fields.iter().map(|field| field.hxl.into()).collect();
        let path = format!("{}{}.hxl.csv", describe::mark(scene), table.name);
        File::new(path, csv::csv(table, Some(&tags)))
    };
    let mut files: Vec<File> = tables.iter().map(file).collect();
    files.push(cite::licence(scene));
    let about = format!(
        "# {}, tagged with HXL\n\nVersion {}, as of {}. The second row of each file holds the tags. The\ncolumns are those of the data package.\n",
        cite::title(scene.release),
        scene.release.version,
        moment::iso(scene.release.as_of)
    );
    files.push(File::new("README.md", marked(scene, about)));
    Package::sealed(
        format!("{}-hxl", describe::name(scene)),
        files,
        scene.release.as_of,
        tables
            .iter()
            .map(|t| (t.name.to_owned(), t.rows.len()))
            .collect(),
    )
}
