//! Does the tree keep the invariants that the README promises? Each is a pure function of a
//! file's path and text, so that a test can show that it fails where it must.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every broken invariant below `root`, one line each.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut broken = top_level(root);
    let mut files = Vec::new();
    collect(root, &mut files);
    files.sort();
    for file in files {
        let path = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .to_string_lossy()
            .into_owned();
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        broken.extend(check_file(&path, &text));
    }
    broken
}

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The invariants of one file.
pub(crate) fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    // What tests alone do is their own business.
    if path.ends_with("/tests.rs") || path.contains("/tests/") {
        return broken;
    }
    let mut rule = |holds: bool, line: usize, says: &str| {
        if !holds {
            broken.push(format!("{path}:{line}: {says}"));
        }
    };
    let rust = Path::new(path).extension().is_some_and(|e| e == "rs");
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        if rust && line.trim_start().starts_with("#[cfg(test)]") {
            break;
        }
        let has = |needles: &[&str]| needles.iter().any(|needle| line.contains(needle));
        if rust
            && path.starts_with("collector/src/")
            && !path.starts_with("collector/src/store/")
        {
            let sql = [
                "\"SELECT ",
                "\"INSERT ",
                "\"UPDATE ",
                "\"DELETE FROM ",
                "\"CREATE TABLE ",
            ];
            rule(!has(&sql), at, "SQL belongs in collector/src/store");
        }
        if rust && path.starts_with("probe/src/") && !path.starts_with("probe/src/net/") {
            let sockets = [
                "TcpStream::",
                "UdpSocket::",
                "TcpListener::",
                "socket2::",
                "pnet::",
            ];
            rule(!has(&sockets), at, "sockets belong in probe/src/net");
        }
        if rust
            && !path.starts_with("tests/")
            && !path.ends_with("main.rs")
            && !path.ends_with("clock.rs")
        {
            let clocks = ["SystemTime::now", "Instant::now"];
            rule(
                !has(&clocks),
                at,
                "time is passed in; clocks are read in clock.rs and main.rs",
            );
        }
        if rust && path.starts_with("embedded/core/src/") {
            rule(
                !has(&["std::net::", "std::time::", "std::fs::"]),
                at,
                "core knows no OS",
            );
        }
        if path != "tests/tasks/house.rs" {
            let words = [
                "/root/",
                "/home/",
                "static.crates",
                "index.crates",
                "registry.npmjs",
            ];
            rule(
                !has(&words),
                at,
                "no path of a machine and no registry host in the tree",
            );
        }
    }
    if path.ends_with("Cargo.toml") && path != "tests/Cargo.toml" && path != "Cargo.toml" {
        rule(
            !text.contains("faultline-tests"),
            1,
            "nothing depends on tests",
        );
    }
    broken
}

const VISIBLE: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "collector",
    "dashboards",
    "docs",
    "embedded",
    "probe",
    "target",
    "tests",
];

fn top_level(root: &Path) -> Vec<String> {
    let names = fs::read_dir(root).into_iter().flatten().flatten();
    let mut strangers: Vec<_> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && !VISIBLE.contains(&name.as_str()))
        .map(|name| format!("{name}: the visible top level is fixed, this belongs in a room"))
        .collect();
    strangers.sort();
    strangers
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if !matches!(
                name.to_str(),
                Some("target" | ".git" | "node_modules" | "corpus")
            ) {
                collect(&path, files);
            }
        } else {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{check, check_file, root};

    #[test]
    fn the_tree_keeps_its_invariants() {
        assert_eq!(check(&root()), Vec::<String>::new());
    }

    #[test]
    fn each_invariant_can_fail() {
        for (path, text) in [
            ("collector/src/api/mod.rs", "db.query(\"SELECT 1\")"),
            ("probe/src/uplink.rs", "tokio::net::TcpStream::connect(to)"),
            ("probe/src/agent.rs", "let now = Instant::now();"),
            ("embedded/core/src/id.rs", "use std::net::IpAddr;"),
            ("docs/README.md", "see /home/somebody"),
            ("probe/Cargo.toml", "faultline-tests = 1"),
        ] {
            assert_eq!(check_file(path, text).len(), 1, "{path}");
        }
        assert!(check_file("collector/src/store/sqlite.rs", "\"SELECT 1\"").is_empty());
        assert!(check_file("probe/src/net/os.rs", "TcpStream::connect(to)").is_empty());
        assert!(check_file("probe/src/net/clock.rs", "Instant::now()").is_empty());
    }
}
