//! What does a new volunteer meet at the command line? The program itself, over loopback.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

struct Volunteer {
    folder: tempfile::TempDir,
}

impl Volunteer {
    /// Whose probe asks no resolver, with further settings.
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixed = "public_resolvers = []\nencrypted_resolvers = []\n";
        let text = format!("{fixed}{settings}");
        std::fs::write(folder.path().join("probe.toml"), text).unwrap();
        Self { folder }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faultline-probe"));
        command
            .env_clear()
            .env("FAULTLINE_STATE", self.state())
            .arg("--config")
            .arg(self.folder.path().join("probe.toml"))
            .args(words);
        command
    }

    /// Exit status, standard output and standard error.
    fn types(&self, words: &[&str]) -> (i32, String, String) {
        read(&self.command(words).output().unwrap())
    }

    fn agrees(&self, groups: &[&str]) {
        let groups = groups.iter().flat_map(|group| ["--group", group]);
        let words: Vec<_> = ["consent", "give", "--i-agree"]
            .into_iter()
            .chain(groups)
            .collect();
        assert_eq!(self.types(&words).0, 0);
    }
}

fn read(output: &Output) -> (i32, String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let status = output.status.code().expect("it ended by itself");
    (status, text(&output.stdout), text(&output.stderr))
}

/// A web server whose page has this title.
fn site(title: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .count();
            let body = format!("<title>{title}</title>");
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    at
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|e| e.file_name().into_string().unwrap())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn nothing_is_sent_before_consent_and_each_refusal_says_what_to_do() {
    let volunteer = Volunteer::new("");
    for words in [
        &["once", "http://127.0.0.1:9/"][..],
        &["run", "--cycles", "1"],
    ] {
        let (status, out, told) = volunteer.types(words);
        assert_eq!((status, out.as_str()), (2, ""), "{words:?}");
        assert!(told.contains("faultline-probe consent"), "{told}");
    }
    assert_eq!(
        files(&volunteer.state()),
        [""; 0],
        "not even a key was drawn"
    );
    let (status, text, _) = volunteer.types(&["consent"]);
    assert!(
        status == 0 && text.contains("consent give --group dns"),
        "{text}"
    );
    let (status, _, told) = volunteer.types(&["consent", "give", "--group", "dns"]);
    assert!(status == 2 && told.contains("--i-agree"), "{told}");
    let (status, told, _) = volunteer.types(&["doctor"]);
    assert!(status == 2 && told.contains("WRONG consent"), "{told}");
    let (status, _, told) = volunteer.types(&["show"]);
    assert!(
        status == 0 && told.contains("faultline-probe once"),
        "{told}"
    );
}

#[test]
fn a_dry_run_tells_and_leaves_no_trace() {
    let volunteer = Volunteer::new("captive_check = 'http://check.example/'\n");
    let words = [
        "--collector",
        "https://c.example",
        "once",
        "--dry-run",
        "https://a.example/",
    ];
    let (status, plan, _) = volunteer.types(&words);
    assert_eq!(status, 0);
    for part in [
        "first to https://c.example/",
        "a.example: A and AAAA",
        "random label",
        "http://check.example/: fetched",
        "for the control's view",
        "https://a.example/: connected",
        "example.com",
        "then to https://c.example/: the results",
    ] {
        assert!(plan.contains(part), "{part} is missing:\n{plan}");
    }
    assert_eq!(files(&volunteer.state()), [""; 0]);
    volunteer.agrees(&["dns"]);
    let (_, plan, _) = volunteer.types(&["once", "--dry-run", "https://a.example/"]);
    assert!(
        plan.contains("a.example: A") && !plan.contains("connected"),
        "{plan}"
    );
    assert!(plan.contains("stay on this machine"), "{plan}");
    let (status, plan, _) = volunteer.types(&["once", "--dry-run", "http://192.0.2.1/"]);
    assert!(status == 0 && plan.contains("does not cover"), "{plan}");
    assert_eq!(
        volunteer.types(&["once", "--dry-run"]).0,
        2,
        "nothing to measure"
    );
    assert_eq!(volunteer.types(&["once", "--dry-run", "a b"]).0, 2);
}

#[test]
fn the_dns_itself_is_a_group_of_its_own_and_a_dry_run_tells_what_is_asked() {
    let volunteer = Volunteer::new("network_resolvers = ['127.0.0.9:53']\n");
    let words = [
        "once",
        "--dry-run",
        "tld:COM",
        "tld:opennic.glue",
        "special:alt",
    ];
    let (status, plan, _) = volunteer.types(&[&words[..], &["path:tcp.t.example"]].concat());
    assert_eq!(status, 0);
    for part in [
        "com.: NS",
        "net.: NS",
        "glue.: NS and opennic.glue.: A",
        "a random name below alt.: A",
        "tcp.t.example.: TXT",
        "plain.t.example.: TXT",
        "127.0.0.9:53 (of the network)",
    ] {
        assert!(plan.contains(part), "{part} is missing:\n{plan}");
    }
    volunteer.agrees(&["dns", "web"]);
    let (_, plan, _) = volunteer.types(&["once", "--dry-run", "tld:com"]);
    assert!(plan.contains("does not cover"), "{plan}");
    let (status, _, told) = volunteer.types(&["once", "tld:com"]);
    assert!(status == 2 && told.contains("Infrastructure"), "{told}");
    let (status, _, told) = volunteer.types(&["once", "--dry-run", "tld:a..b"]);
    assert!(status == 2 && told.contains("path:"), "{told}");
}

#[test]
fn without_a_collector_results_are_measured_kept_and_shown() {
    let volunteer = Volunteer::new("");
    volunteer.agrees(&["web"]);
    let page = format!("http://{}/", site("Evening \x1b[2J news"));
    let (status, out, told) = volunteer.types(&["once", &page]);
    assert_eq!(
        (status, told.as_str()),
        (0, ""),
        "no progress where nobody watches"
    );
    assert!(
        out.contains("Evening \u{fffd}[2J news") && out.contains("preview:"),
        "{out}"
    );
    assert!(!out.contains('\x1b'));
    let (status, out, _) = volunteer.types(&["show", "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!((status, &shown["target"]), (0, &page.as_str().into()));
    let (_, out, _) = volunteer.types(&["--format", "csv", "show", "127.0.0.1"]);
    assert!(out.starts_with("measurement,experiment,target,"), "{out}");
    let (status, out, told) = volunteer.types(&["show", "elsewhere"]);
    assert_eq!((status, out.as_str()), (0, ""));
    assert!(told.contains("contains elsewhere"), "{told}");
    let (status, told, _) = volunteer.types(&["doctor"]);
    assert!(
        told.contains("1 batches wait") && told.contains("none set"),
        "{status} {told}"
    );
    let (status, ..) = volunteer.types(&["run", "--cycles", "1"]);
    assert_eq!(status, 2, "nothing to measure");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let volunteer = Volunteer::new("");
    volunteer.agrees(&["web"]);
    let page = format!("http://{}/", site("News"));
    for words in [&["once", page.as_str()][..], &["show"]] {
        let mut command = volunteer.command(words);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{words:?}");
    }
}

#[test]
fn what_was_typed_wrong_is_named() {
    let volunteer = Volunteer::new("bugdet = '5 MB'\n");
    let (status, _, told) = volunteer.types(&["doctor"]);
    assert!(
        status == 2 && told.contains("did you mean `budget`?"),
        "{told}"
    );
    let volunteer = Volunteer::new("");
    volunteer.agrees(&["web"]);
    let good = format!("http://{}/", site("News"));
    let (status, out, told) = volunteer.types(&["once", "gopher://a.example/", &good]);
    assert!(
        status == 2 && told.contains("gopher://a.example/"),
        "{told}"
    );
    assert!(out.contains("News"), "the others are measured: {out}");
    let (status, out, _) = volunteer.types(&["once", "http://me:secret@127.0.0.1/"]);
    assert_eq!((status, out.as_str()), (2, ""));
    let (status, _, told) = volunteer.types(&["--collector", "c.example", "doctor"]);
    assert!(status == 2 && told.contains("c.example"), "{told}");
    let (status, _, told) = volunteer.types(&["--state", "/nonexistent/state", "doctor"]);
    assert!(status == 2 && told.contains("--state DIR"), "{told}");
    assert_eq!(told.matches("No such file").count(), 1, "{told}");
    for words in [&["measure"][..], &["once", "--frobnicate"], &[]] {
        assert_eq!(volunteer.types(words).0, 2, "{words:?}");
    }
}

#[test]
fn a_collector_that_cannot_be_reached_costs_no_result() {
    let volunteer = Volunteer::new("");
    volunteer.agrees(&["web"]);
    let page = format!("http://{}/", site("News"));
    // Bound and not listened to by anybody else: connections are refused.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = format!("http://{nobody}");
    let (status, out, told) = volunteer.types(&["--collector", &nobody, "once", &page]);
    assert!(
        status == 2 && told.contains("results wait in the spool"),
        "{told}"
    );
    assert!(out.contains("News"), "{out}");
    let (status, told, _) = volunteer.types(&["--collector", &nobody, "doctor"]);
    assert!(status == 2 && told.contains("WRONG collector"), "{told}");
    let words = ["--collector", &nobody, "once", "--no-upload", &page];
    assert_eq!(volunteer.types(&words).0, 0, "the collector is not asked");
}

#[test]
fn help_tells_the_exit_status() {
    let volunteer = Volunteer::new("");
    for words in [
        &["--help"][..],
        &["once", "--help"],
        &["run", "--help"],
        &["doctor", "--help"],
    ] {
        let (status, help, _) = volunteer.types(words);
        assert!(status == 0 && help.contains("Exit status: 0"), "{words:?}");
    }
}
