"""Does a release of the dataset open for those who would use it?

check.py FOLDER validates the package with the official validator, opens its tables with DuckDB
and pandas, and holds counts, types and sums of the three formats against each other. It ends
with "N checks passed", or with what is wrong and status 1.
"""

import hashlib
import json
import pathlib
import sys

import duckdb
import frictionless
import pandas
import pyarrow.parquet

TABLES = ["events", "revisions", "evidence", "timeseries", "coverage"]
LISTS = {
    "country_codes", "admin1_codes", "asns", "telcos", "access_types", "alternatives",
    "services", "context", "source_urls", "notes", "confidence_caps", "signals", "related_ids",
}
passed = 0


def check(holds, what):
    global passed
    if not holds:
        sys.exit(f"check.py: {what}")
    passed += 1


def main(folder):
    package = json.loads((folder / "datapackage.json").read_text())
    mark = "simulated-" if package["simulated"] else ""

    frictionless.system.trusted = True
    report = frictionless.validate(str(folder / "datapackage.json"))
    wrong = report.flatten(["name", "rowNumber", "fieldNumber", "type", "note"])
    check(report.valid and not wrong, f"frictionless: {wrong[:5]} {report.errors[:3]}")
    check(not any(task.warnings for task in report.tasks), "frictionless warns")
    names = {task.name for task in report.tasks}
    check(set(TABLES) <= names, f"frictionless looked at {sorted(names)} only")

    for line in (folder / "SHA256SUMS").read_text().splitlines():
        sum_, path = line.split("  ", 1)
        found = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        check(found == sum_, f"{path} is not what SHA256SUMS says")
    listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    check(there - listed == {"SHA256SUMS"}, f"files without a sum: {there - listed}")
    if mark:
        for path in there - {"SHA256SUMS", "datapackage.json"}:
            data = path.split("/")[0] in ("csv", "ndjson", "parquet")
            said = "simulated-" in path if data else "SIMULATED" in (folder / path).read_text()
            check(said, f"{path} does not say that it is simulated")
        check(package["title"].startswith("SIMULATED"), "the package's title does not say so")

    resources = {r["name"]: r for r in package["resources"]}
    for table in TABLES:
        one_table(folder, mark, table, resources)
    keys(folder, mark)
    print(f"{passed} checks passed")


def one_table(folder, mark, table, resources):
    csv = folder / f"csv/{mark}{table}.csv"
    lines = folder / f"ndjson/{mark}{table}.ndjson"
    parts = folder / f"parquet/{mark}{table}"
    fields = {f["name"]: f for f in resources[table]["schema"]["fields"]}

    raw = csv.read_bytes()
    check(b"\r\n" in raw and not raw.startswith(b"\xef\xbb\xbf"), f"{csv} is not RFC 4180")
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    check(all(list(row) == list(fields) for row in rows), f"{table}: columns of NDJSON differ")
    frame = pandas.read_csv(csv, keep_default_na=False, na_values=[""])
    check(list(frame) == list(fields) and len(frame) == len(rows), f"{table}: pandas and NDJSON")
    # Dates, not texts, as a reader gets them.
    times = [name for name, f in fields.items() if f["type"] in ("datetime", "date")]
    for name in times:
        parsed = pandas.to_datetime(frame[name], utc=True, errors="raise")
        check(parsed.isna().sum() == sum(r[name] is None for r in rows), f"{table}.{name}")

    quacks = duckdb.connect()
    quacks.execute("SET TimeZone = 'UTC'")
    from_csv = quacks.sql(f"SELECT count(*) FROM read_csv('{csv}', header = true)").fetchall()[0]
    check(from_csv == (len(rows),), f"{table}: DuckDB reads {from_csv} rows of CSV")
    from_lines = quacks.sql(f"SELECT count(*) FROM read_json('{lines}')").fetchall()[0] if rows else (0,)
    check(from_lines == (len(rows),), f"{table}: DuckDB reads {from_lines} rows of NDJSON")
    if not rows:
        return
    quacks.sql(
        f"CREATE VIEW t AS SELECT * FROM read_parquet('{parts}/**/*.parquet', hive_partitioning = true)"
    )
    types = dict(quacks.sql("SELECT column_name, column_type FROM (DESCRIBE t)").fetchall())
    check(set(types) == set(fields) | {"year", "country"}, f"{table}: columns of Parquet {types}")
    expected = {
        "string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN",
        "datetime": "TIMESTAMP WITH TIME ZONE", "date": "DATE",
    }
    for name, field in fields.items():
        kind = expected.get(field["type"])
        if field["type"] == "list":
            kind = ("BIGINT" if field["itemType"] == "integer" else "VARCHAR") + "[]"
        check(types[name] == kind, f"{table}.{name}: {types[name]} in Parquet, not {kind}")
        if field["type"] in ("integer", "number"):
            here = sum(r[name] or 0 for r in rows)
            in_parts = quacks.sql(f'SELECT coalesce(sum("{name}"), 0) FROM t').fetchall()[0][0]
            in_frame = frame[name].sum()
            check(abs(float(in_parts) - here) < 1e-6 * max(1, abs(here)), f"sum of {table}.{name}: Parquet")
            check(abs(float(in_frame) - here) < 1e-6 * max(1, abs(here)), f"sum of {table}.{name}: CSV")
        if field["type"] == "list":
            in_parts = quacks.sql(f'SELECT sum(len("{name}")) FROM t').fetchall()[0][0]
            in_csv = sum(len(str(v).split(";")) for v in frame[name].dropna())
            here = sum(len(r[name]) for r in rows)
            check((in_parts, in_csv) == (here, here), f"lists of {table}.{name}")
    for path in parts.rglob("*.parquet"):
        meta = pyarrow.parquet.ParquetFile(path).metadata
        column = meta.row_group(0).column(0)
        check(column.compression == "ZSTD", f"{path} is not compressed with zstd")
        folders = dict(part.split("=") for part in path.parts if "=" in part)
        check(set(folders) == {"year", "country"}, f"{path} is in no partition")
    frame = pandas.read_parquet(parts)
    check(len(frame) == len(rows), f"{table}: pandas reads {len(frame)} rows of Parquet")
    for name in times:
        if fields[name]["type"] == "datetime":
            check(str(frame[name].dtype) == "datetime64[us, UTC]", f"{table}.{name}: {frame[name].dtype}")
    texts = [name for name, f in fields.items() if f["type"] == "string"]
    key = texts[0]
    check(
        sorted(map(str, frame[key])) == sorted(str(r[key]) for r in rows),
        f"{table}.{key}: other values in Parquet",
    )


def keys(folder, mark):
    def read(table):
        text = (folder / f"ndjson/{mark}{table}.ndjson").read_text()
        return [json.loads(line) for line in text.splitlines()]

    events, revisions = read("events"), read("revisions")
    said = {(r["event_id"], r["revision"]) for r in revisions}
    check(len(said) == len(revisions), "two revisions of one name")
    check(all((e["event_id"], e["revision"]) in said for e in events), "an event without its revision")
    named = {e["event_id"] for e in events}
    check({r["event_id"] for r in revisions} == named, "revisions without an event")
    check(all(e["event_id"] in named for e in read("evidence")), "evidence without an event")
    for row in read("timeseries"):
        check(all(row[n] % 3 == 0 for n in ("expected", "observed", "eligible")), f"{row}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
