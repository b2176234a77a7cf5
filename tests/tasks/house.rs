//! Does the tree keep the invariants that the README promises? Each rule is a pure function
//! of a file's path and text, so that a test can show that it fails where it must.
//!
//! The rules read text, not syntax: they find what somebody wrote without thinking, not what
//! somebody hid. Comments and test code are not read, except by the rule on machine paths.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The name of a rule's sentence and where it was broken.
type Broken = (usize, &'static str);

/// A rule: the lines of one file that break it.
type Rule = fn(path: &str, text: &str) -> Vec<Broken>;

const RULES: &[Rule] = &[
    sql_only_in_the_store,
    sockets_only_in_net,
    clocks_only_at_the_edge,
    core_knows_no_system,
    no_machine_in_the_tree,
    nothing_depends_on_tests,
];

/// Files longer than this, before their tests, get a hard look.
const LONG: usize = 600;

/// Prints what is broken below `root`, and which files are long.
pub(crate) fn run(root: &Path) -> ExitCode {
    let files = read(root);
    for (path, text) in &files {
        if let Some(lines) = long(path, text) {
            println!("warning: {path}: {lines} lines before its tests, is it one idea?");
        }
    }
    let broken = check(root, &files);
    for line in &broken {
        eprintln!("{line}");
    }
    if files.is_empty() {
        eprintln!("{}: no files to check", root.display());
        ExitCode::FAILURE
    } else if broken.is_empty() {
        println!("the house is in order ({} files)", files.len());
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// This checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn check(root: &Path, files: &[(String, String)]) -> Vec<String> {
    let names = fs::read_dir(root).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut broken = strangers(names);
    for (path, text) in files {
        broken.extend(check_file(path, text));
    }
    broken
}

fn check_file(path: &str, text: &str) -> Vec<String> {
    RULES
        .iter()
        .flat_map(|rule| rule(path, text))
        .map(|(line, says)| format!("{path}:{line}: {says}"))
        .collect()
}

fn sql_only_in_the_store(path: &str, text: &str) -> Vec<Broken> {
    const SQL: &[&str] = &[
        "\"SELECT ",
        "\"INSERT ",
        "\"UPDATE ",
        "\"DELETE FROM ",
        "\"PRAGMA ",
        "INSERT INTO ",
        "INSERT OR ",
        "CREATE TABLE ",
        "CREATE INDEX ",
        "rusqlite::",
        "clickhouse::",
    ];
    if path.starts_with("collector/src/store/") {
        return Vec::new();
    }
    found(path, text, SQL, "SQL belongs in collector/src/store")
}

fn sockets_only_in_net(path: &str, text: &str) -> Vec<Broken> {
    const SOCKETS: &[&str] = &[
        "TcpStream::",
        "TcpListener::",
        "TcpSocket::",
        "UdpSocket::",
        "socket2::",
        "pnet::",
        "lookup_host(",
        "to_socket_addrs(",
    ];
    if !path.starts_with("probe/src/") || path.starts_with("probe/src/net/") {
        return Vec::new();
    }
    found(path, text, SOCKETS, "sockets belong in probe/src/net")
}

fn clocks_only_at_the_edge(path: &str, text: &str) -> Vec<Broken> {
    const EDGE: &[&str] = &[
        "probe/src/net/clock.rs",
        "collector/src/clock.rs",
        "embedded/firmware/src/clock.rs",
    ];
    const CLOCKS: &[&str] = &["SystemTime::now", "Instant::now", "Utc::now", "now_utc("];
    if EDGE.contains(&path) || path.ends_with("/main.rs") {
        return Vec::new();
    }
    let says = "time is passed in; clocks are read in net/clock.rs, collector/src/clock.rs and main.rs";
    found(path, text, CLOCKS, says)
}

fn core_knows_no_system(path: &str, text: &str) -> Vec<Broken> {
    const SYSTEM: &[&str] = &[
        "std::net",
        "std::time",
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
    ];
    if !path.starts_with("embedded/core/src/") {
        return Vec::new();
    }
    found(path, text, SYSTEM, "core knows no operating system")
}

fn no_machine_in_the_tree(path: &str, text: &str) -> Vec<Broken> {
    const MACHINE: &[&str] = &[
        "/root/",
        "/home/",
        "/Users/",
        "/tmp/",
        "static.crates.io",
        "index.crates.io",
        "registry.npmjs",
        "files.pythonhosted",
    ];
    // This file has to name what it looks for.
    if path == "tests/tasks/house.rs" {
        return Vec::new();
    }
    let says = "no path of a machine and no registry host in the tree";
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| MACHINE.iter().any(|word| line.contains(word)))
        .map(|(at, _)| (at + 1, says))
        .collect()
}

fn nothing_depends_on_tests(path: &str, text: &str) -> Vec<Broken> {
    if !path.ends_with("Cargo.toml") || path == "tests/Cargo.toml" {
        return Vec::new();
    }
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| {
            line.contains("faultline-tests") || line.contains("faultline_internet")
        })
        .map(|(at, _)| (at + 1, "nothing depends on tests"))
        .collect()
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

/// Names at the top that belong in a room.
fn strangers(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut strangers: Vec<_> = names
        .filter(|name| !name.starts_with('.') && !VISIBLE.contains(&name.as_str()))
        .map(|name| format!("{name}: the visible top level is fixed, this belongs in a room"))
        .collect();
    strangers.sort();
    strangers
}

/// How many lines stand before the tests, if they are too many for one idea.
fn long(path: &str, text: &str) -> Option<usize> {
    let lines = spoken(path, text).last().map_or(0, |(at, _)| at);
    (lines > LONG).then_some(lines)
}

/// Where any of `words` stands in code that is neither comment nor test.
fn found(path: &str, text: &str, words: &[&str], says: &'static str) -> Vec<Broken> {
    spoken(path, text)
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(at, _)| (at, says))
        .collect()
}

/// The numbered lines of a Rust file before its test module. A test module in a file of its
/// own (`#[cfg(test)] mod tests;`) ends nothing: code may follow its declaration.
fn spoken<'a>(path: &str, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_test_module = |pair: &[&str]| {
        pair[0].trim() == "#[cfg(test)]"
            && pair[1].starts_with("mod ")
            && pair[1].trim_end().ends_with('{')
    };
    let end = lines.windows(2).position(is_test_module);
    let end = if of_production(path) {
        end.unwrap_or(lines.len())
    } else {
        0
    };
    (1..).zip(lines).take(end)
}

/// Whether a path is of Rust code that ships: nothing below a folder `tests`, no `tests.rs`.
fn of_production(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == "rs")
        && !path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs")
}

/// Every text file below `root` with its path, in order.
fn read(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(root, &mut files);
    files.sort();
    let text = |file: PathBuf| {
        let path = file.strip_prefix(root).unwrap_or(&file);
        Some((path.to_str()?.to_owned(), fs::read_to_string(&file).ok()?))
    };
    files.into_iter().filter_map(text).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if !matches!(
                name.to_str(),
                Some("target" | ".git" | "node_modules" | "dist" | "corpus" | "artifacts")
            ) {
                collect(&path, files);
            }
        } else if name != ".git" {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{check, check_file, long, read, root, strangers};

    #[test]
    fn the_tree_keeps_its_invariants() {
        let files = read(&root());
        assert!(files.len() > 30, "the tree was not read");
        assert_eq!(check(&root(), &files), Vec::<String>::new());
    }

    #[test]
    fn each_rule_can_fail() {
        for (path, text) in [
            ("collector/src/api/mod.rs", "db.query(\"SELECT 1\")"),
            ("collector/src/detect.rs", "    CREATE TABLE t (a)"),
            ("probe/src/show.rs", "use rusqlite::Connection;"),
            ("probe/src/uplink.rs", "tokio::net::TcpStream::connect(to)"),
            ("probe/src/experiment/path.rs", "socket2::Socket::new()"),
            ("probe/src/agent.rs", "let now = Instant::now();"),
            ("collector/src/score/clock.rs", "SystemTime::now()"),
            ("embedded/core/src/id.rs", "use std::net::IpAddr;"),
            ("docs/README.md", "see /home/somebody"),
            ("Cargo.toml", "source = \"https://index.crates.io/\""),
            ("probe/Cargo.toml", "faultline-tests = 1"),
        ] {
            assert_eq!(check_file(path, text).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn each_room_may_do_its_own_work() {
        for (path, text) in [
            ("collector/src/store/sqlite/read.rs", "\"SELECT 1\""),
            ("probe/src/net/os.rs", "TcpStream::connect(to)"),
            ("probe/src/net/clock.rs", "Instant::now()"),
            ("collector/src/main.rs", "SystemTime::now()"),
            ("tests/internet/lib.rs", "UdpSocket::bind(any)"),
            ("tests/Cargo.toml", "name = \"faultline-tests\""),
            ("probe/src/uplink.rs", "// never TcpStream::connect here"),
            ("probe/src/tests.rs", "Instant::now()"),
        ] {
            assert_eq!(check_file(path, text), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn tests_are_not_read_but_code_after_their_declaration_is() {
        let inside = "fn a() {}\n#[cfg(test)]\nmod tests {\n    Instant::now()\n}\n";
        assert!(check_file("probe/src/a.rs", inside).is_empty());
        let after = "#[cfg(test)]\nmod tests;\nfn a() { Instant::now(); }\n";
        let broken = check_file("probe/src/a.rs", after);
        assert!(broken[0].starts_with("probe/src/a.rs:3: "), "{broken:?}");
    }

    #[test]
    fn a_stranger_at_the_top_is_named() {
        let names = ["probe", ".ci", "notes.txt"].map(String::from);
        let found = strangers(names.into_iter());
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("notes.txt: "));
    }

    #[test]
    fn length_is_counted_before_the_tests() {
        let code = "fn a() {}\n".repeat(601);
        assert_eq!(long("probe/src/a.rs", &code), Some(601));
        assert_eq!(long("probe/src/tests.rs", &code), None);
        let tested = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{code}}}\n");
        assert_eq!(long("probe/src/a.rs", &tested), None);
    }
}
