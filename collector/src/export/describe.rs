//! How does the data package describe itself? `datapackage.json` (Data Package 2.0, which
//! Frictionless validates) and the data dictionary, both from the fields of the tables.

use super::{
    DATASET, SCHEMA,
    changes::{self, Earlier},
    cite, csv, moment, ndjson,
    package::{File, Package},
    parquet,
    table::{Field, Kind, Scene, Table},
};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

const PROFILE: &str = "https://datapackage.org/profiles/2.0/datapackage.json";

/// The whole package.
pub(super) fn package(tables: &[Table], scene: &Scene<'_>, since: Option<&Earlier>) -> Package {
    let release = scene.release;
    let mut data = Vec::new();
    let mut resources = Vec::new();
    for table in tables {
        let name = table.name;
        let plain = File::new(path(scene, "csv", name), csv::csv(table, None));
        resources.push(resource(table, &plain, "csv", name));
        data.push(plain);
        let lines = File::new(path(scene, "ndjson", name), ndjson::ndjson(table));
        resources.push(resource(table, &lines, "ndjson", &format!("{name}-ndjson")));
        data.push(lines);
        // Memory takes all bytes: there is nothing that could fail but the schema, which tests hold.
        for (part, bytes) in parquet::partitions(table).unwrap_or_default() {
            let file = File::new(format!("parquet/{}{name}/{part}", mark(scene)), bytes);
            resources.push(other(table, &file));
            data.push(file);
        }
    }
    let mut files = cite::files(tables, scene, &data);
    let described = description(scene, &resources, &data);
    files.push(File::new("datapackage.json", pretty(&described)));
    files.push(File::new(
        "DICTIONARY.md",
        marked(scene, dictionary(tables)),
    ));
    files.push(File::new(
        "CHANGELOG.md",
        marked(scene, changes::changelog(tables, scene, since)),
    ));
    files.extend(data);
    Package::sealed(
        name(scene),
        files,
        release.as_of,
        tables
            .iter()
            .map(|t| (t.name.to_owned(), t.rows.len()))
            .collect(),
    )
}

/// Name of the package and of its folder in an archive.
pub(super) fn name(scene: &Scene<'_>) -> String {
    let version = scene.release.version.to_ascii_lowercase();
    let clean = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    let version: String = version.chars().map(clean).collect();
    format!("{}{DATASET}-{version}", mark(scene))
}

/// Begins the names of files with data of a simulated world.
pub(super) fn mark(scene: &Scene<'_>) -> &'static str {
    if scene.release.simulated {
        "simulated-"
    } else {
        ""
    }
}

/// Begins texts about a simulated world.
pub(super) fn marked(scene: &Scene<'_>, text: String) -> String {
    if scene.release.simulated {
        format!("{SIMULATED}\n\n{text}")
    } else {
        text
    }
}

pub(super) const SIMULATED: &str =
    "SIMULATED DATA: everything here is of a simulated world and tells of no real country.";

fn path(scene: &Scene<'_>, format: &str, table: &str) -> String {
    format!("{format}/{}{table}.{format}", mark(scene))
}

/// Keys in alphabetical order, whatever crates are built in.
pub(super) fn pretty(value: &Value) -> String {
    format!("{:#}\n", sorted(value))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pairs = pairs
                .into_iter()
                .map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(pairs.collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn description(scene: &Scene<'_>, resources: &[Value], data: &[File]) -> Value {
    let release = scene.release;
    let licence = &release.licence;
    let mut licence_of =
        json!({ "name": licence.id, "title": licence.title, "path": "LICENSE.txt" });
    if !licence.url.is_empty() {
        licence_of["path"] = licence.url.as_str().into();
    }
    let title = |role: &str, name: &String| json!({ "title": name, "roles": [role] });
    let creators = release.creators.iter().map(|name| title("creator", name));
    let publisher = std::iter::once(title("publisher", &release.publisher));
    let mut value = json!({
        "$schema": PROFILE,
        "name": name(scene),
        "id": cite::identifier(release, data),
        "title": cite::title(release),
        "description": marked(scene, cite::abstract_of(release)),
        "version": release.version,
        "schemaVersion": SCHEMA,
        "created": moment::iso(release.as_of),
        "asOf": moment::iso(release.as_of),
        "simulated": release.simulated,
        "keywords": ["internet shutdowns", "internet outages", "internet measurement"],
        "licenses": [licence_of],
        "contributors": creators.chain(publisher).collect::<Vec<_>>(),
        "sources": [],
        "resources": resources,
    });
    if let Value::Object(map) = &mut value {
        map.remove("sources");
        if let Some(home) = &release.homepage {
            map.insert("homepage".into(), home.as_str().into());
        }
    }
    value
}

fn resource(table: &Table, file: &File, format: &str, name: &str) -> Value {
    let lists = format != "csv";
    let suffix = if lists { "-ndjson" } else { "" };
    let media = if lists {
        "application/x-ndjson"
    } else {
        "text/csv"
    };
    let fields: Vec<Value> = table.fields.iter().map(|f| field(f, lists)).collect();
    let keys: Vec<Value> = table.foreign.iter().map(|foreign| json!({
        "fields": foreign.fields,
        "reference": { "resource": format!("{}{suffix}", foreign.table), "fields": foreign.to },
    })).collect();
    let mut schema = json!({ "fields": fields, "missingValues": [""] });
    if let Value::Object(map) = &mut schema {
        if !table.key.is_empty() {
            map.insert("primaryKey".into(), json!(table.key));
        }
        if !keys.is_empty() {
            map.insert("foreignKeys".into(), keys.into());
        }
    }
    // Of lines without one, readers of this form find no shape and call the file broken.
    let kind = if lists && file.bytes.is_empty() {
        "file"
    } else {
        "table"
    };
    json!({
        "name": name,
        "type": kind,
        "path": file.path,
        "title": table.title,
        "description": table.about,
        "format": format,
        "mediatype": media,
        "encoding": "utf-8",
        "bytes": file.bytes.len(),
        "hash": format!("sha256:{}", file.sha256()),
        "schema": schema,
    })
}

/// A file that describes itself.
fn other(table: &Table, file: &File) -> Value {
    let name: String = file
        .path
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    json!({
        "name": name,
        "type": "file",
        "path": file.path,
        "title": table.title,
        "description": table.about,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "bytes": file.bytes.len(),
        "hash": format!("sha256:{}", file.sha256()),
    })
}

fn field(field: &Field, lists: bool) -> Value {
    let (kind, item, words) = match field.kind {
        Kind::Text => ("string", None, None),
        Kind::Word(words) => ("string", None, Some(words)),
        Kind::Integer => ("integer", None, None),
        Kind::Number => ("number", None, None),
        Kind::Truth => ("boolean", None, None),
        Kind::Time => ("datetime", None, None),
        Kind::Day => ("date", None, None),
        Kind::Texts => ("list", Some("string"), None),
        Kind::Words(words) => ("list", Some("string"), Some(words)),
        Kind::Integers => ("list", Some("integer"), None),
    };
    let mut constraints = Map::new();
    if field.required {
        constraints.insert("required".into(), true.into());
    }
    // Whole bounds of whole numbers are whole.
    let bound = |number: f64| match field.kind {
        Kind::Integer => json!(number as i64),
        _ => json!(number),
    };
    for (word, limit) in [("minimum", field.least), ("maximum", field.most)] {
        if let Some(limit) = limit {
            constraints.insert(word.into(), bound(limit));
        }
    }
    if let Some(pattern) = field.pattern {
        constraints.insert("pattern".into(), pattern.into());
    }
    let mut about = field.about.to_owned();
    if let Some(words) = words {
        if item.is_some() {
            about = format!("{about} Of: {}.", words().join(", "));
        } else {
            constraints.insert("enum".into(), json!(words()));
        }
    }
    let mut value = json!({ "name": field.name, "description": about });
    if let Value::Object(map) = &mut value {
        let kind = match (kind, lists) {
            ("list", true) => "array",
            (kind, _) => kind,
        };
        map.insert("type".into(), kind.into());
        if let (Some(item), false) = (item, lists) {
            map.insert("itemType".into(), item.into());
            map.insert("delimiter".into(), ";".into());
        }
        if kind == "datetime" {
            map.insert("format".into(), "%Y-%m-%dT%H:%M:%SZ".into());
        }
        if !constraints.is_empty() {
            map.insert("constraints".into(), constraints.into());
        }
    }
    value
}

/// Every column of every table, for people.
pub(super) fn dictionary(tables: &[Table]) -> String {
    let mut out = format!(
        "# Data dictionary of `{DATASET}` {SCHEMA}\n\nTimes are UTC. In CSV, lists are joined by `;` and nothing stands for null. A star marks\ncolumns that are never null.\n"
    );
    for table in tables {
        let _ = write!(out, "\n## {}\n\n{}\n\n", table.name, table.about);
        if !table.key.is_empty() {
            let _ = writeln!(out, "Key: {}.", ticked(table.key));
        }
        for foreign in table.foreign {
            let (from, to) = (ticked(foreign.fields), ticked(foreign.to));
            let _ = writeln!(out, "{from} is {to} of `{}`.", foreign.table);
        }
        out.push_str("\n| column | type | HXL | meaning |\n|---|---|---|---|\n");
        for field in &table.fields {
            out.push_str(&row(field));
        }
    }
    out
}

fn row(field: &Field) -> String {
    let star = if field.required { " *" } else { "" };
    let kind = match field.kind {
        Kind::Text => "text".to_owned(),
        Kind::Word(words) => words().join(", "),
        Kind::Integer => "integer".into(),
        Kind::Number => "number".into(),
        Kind::Truth => "true, false".into(),
        Kind::Time => "time".into(),
        Kind::Day => "day".into(),
        Kind::Texts => "list of texts".into(),
        Kind::Words(words) => format!("list of {}", words().join(", ")),
        Kind::Integers => "list of integers".into(),
    };
    let bounds = match (field.least, field.most) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", from {least}"),
        (None, Some(most)) => format!(", to {most}"),
        (None, None) => String::new(),
    };
    format!(
        "| `{}`{star} | {kind}{bounds} | {} | {} |\n",
        field.name, field.hxl, field.about
    )
}

fn ticked(names: &[&str]) -> String {
    let ticked: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    ticked.join(", ")
}
