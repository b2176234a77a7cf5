//! Which real servers stand on the third rung, and how are they set up?
//!
//! ```text
//! probe, told of 20.1.0.53    unbound there, honest or made to lie by `local-zone`
//! vantage, of 24.255.0.54     unbound there, honest
//! 21.1.0.53                   knot: the root, example. and, as the collector prints it,
//!                             dnstest.example., signed; bogus.example., not;
//!                             com., not signed either
//! 21.1.0.80                   nginx: news.example, forbidden.example; anything else gets
//!                             the certificate of default.example
//! 21.1.0.81                   nobody listens
//! ```

use faultline_collector::traces::zone_file;
use faultline_internet::live::{HostSpec, Internet, program};
use faultline_internet::{scenario::Scenario, world::World};
use libtest_mimic::Failed;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use tempfile::TempDir;

pub(super) const AUTHORITY: Ipv4Addr = Ipv4Addr::new(21, 1, 0, 53);
pub(super) const SITE: Ipv4Addr = Ipv4Addr::new(21, 1, 0, 80);
pub(super) const DARK: Ipv4Addr = Ipv4Addr::new(21, 1, 0, 81);
pub(super) const NATIONAL: Ipv4Addr = Ipv4Addr::new(20, 1, 0, 53);
pub(super) const HONEST: Ipv4Addr = Ipv4Addr::new(24, 255, 0, 54);
/// The zone for checks of the DNS's way.
pub(super) const ZONE: &str = "dnstest.example";
/// What every resolver is called that speaks TLS.
pub(super) const RESOLVER: &str = "unbound.example";
/// Whom a lying resolver names.
pub(super) const BLOCKPAGE: Ipv4Addr = Ipv4Addr::new(20, 1, 9, 9);

const PROGRAMS: [(&str, &str); 4] = [
    ("unbound", "unbound"),
    ("knotd", "knot"),
    ("keymgr", "knot"),
    ("nginx", "nginx"),
];

const WORLD: &str = "
name = 'Real servers'
cites = ['RFC 1034', 'RFC 4033', 'RFC 9110']
seed = 7
country = [{ code = 'XA' }, { code = 'XB' }]
as = [
    { asn = 64500, country = 'XA', prefixes = ['20.1.0.0/16'] },
    { asn = 64501, country = 'XB', prefixes = ['21.1.0.0/16'] },
]
probe = { asn = 64500 }
measure = []
expect = { outcome = 'ok' }
knowledge = { blockpage_addresses = ['20.1.9.9'] }
";

/// Everything that runs; it all ends when this is dropped.
pub(super) struct Stage {
    pub(super) world: Arc<World>,
    pub(super) internet: Internet,
    servers: Vec<Child>,
    folder: TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A package that is missing here.
pub(super) fn missing() -> Option<&'static str> {
    let absent = |(name, _): &&(&str, &str)| program(name).is_none();
    PROGRAMS.iter().find(absent).map(|(_, package)| *package)
}

impl Stage {
    /// Lays out the world and starts every server; `lies` are settings of the national
    /// resolver.
    pub(super) fn new(lies: &str) -> Result<Self, Failed> {
        let world = Arc::new(World::new(&Scenario::parse(WORLD)?)?);
        let told = |resolver: Ipv4Addr, host: HostSpec| HostSpec {
            resolvers: Some(vec![resolver.into()]),
            delay_ms: 5,
            ..host
        };
        let hosts = vec![
            told(NATIONAL, HostSpec::within(&world, "probe", 64_500, 7)?),
            told(HONEST, HostSpec::within(&world, "vantage", 64_511, 7)?),
            HostSpec::new("national", 64_500, NATIONAL),
            HostSpec::new("honest", 64_511, HONEST),
            HostSpec::new("authority", 64_501, AUTHORITY),
            HostSpec::new("site", 64_501, SITE),
            HostSpec::new("dark", 64_501, DARK),
        ];
        let internet = Internet::start(&world, hosts)?;
        let mut stage = Self {
            world,
            internet,
            servers: Vec::new(),
            folder: tempfile::tempdir()?,
        };
        let anchor = stage.knot()?;
        stage.unbound("national", NATIONAL, &anchor, lies)?;
        stage.unbound("honest", HONEST, &anchor, "")?;
        stage.nginx()?;
        Ok(stage)
    }

    /// Signed zones on knot; the result is what the root's key must match.
    fn knot(&mut self) -> Result<String, Failed> {
        let folder = self.subfolder("knot")?;
        let file = |name: &str| folder.join(name).display().to_string();
        let settings = format!(
            "server:\n  rundir: {run}\n  listen: {AUTHORITY}@53\n  identity: knot.example\n  \
             nsid: knot-1\nlog:\n  - target: stderr\n    any: info\ndatabase:\n  \
             storage: {run}\npolicy:\n  - id: ours\n    manual: on\ntemplate:\n  \
             - id: default\n    storage: {run}\n    journal-content: none\n    \
             zonefile-sync: -1\nzone:\n  - domain: .\n    file: root.zone\n    \
             dnssec-signing: on\n    dnssec-policy: ours\n  - domain: example.\n    \
             file: example.zone\n    dnssec-signing: on\n    dnssec-policy: ours\n  \
             - domain: {ZONE}.\n    file: test.zone\n    dnssec-signing: on\n    \
             dnssec-policy: ours\n  - domain: bogus.example.\n    file: bogus.zone\n  \
             - domain: com.\n    file: com.zone\n",
            run = folder.display(),
        );
        fs::write(folder.join("knot.conf"), settings)?;
        let conf = file("knot.conf");
        for zone in [".", "example.", &format!("{ZONE}.")] {
            let key = [
                "generate",
                "algorithm=ECDSAP256SHA256",
                "ksk=yes",
                "zsk=yes",
            ];
            keymgr(&conf, zone, &key)?;
        }
        let digest = |zone| -> Result<String, Failed> {
            let all = keymgr(&conf, zone, &["ds"])?;
            let sha256 = all.lines().find(|line| line.contains(" 13 2 "));
            Ok(sha256.ok_or("keymgr gave no SHA-256 digest")?.to_owned())
        };
        fs::write(folder.join("root.zone"), root_zone(&digest("example.")?))?;
        fs::write(folder.join("example.zone"), example_zone()?)?;
        let test = zone_file(ZONE, "ns.example.");
        fs::write(folder.join("test.zone"), test)?;
        let bogus = "$TTL 300\n@ SOA ns.example. admin.example. 1 3600 600 86400 300\n\
                     @ NS ns.example.\nwww A 21.1.0.80\n";
        fs::write(folder.join("bogus.zone"), bogus)?;
        // What a resolver that denies a domain is held against.
        let com = "$TTL 300\n@ SOA ns.example. admin.example. 1 3600 600 86400 300\n\
                   @ NS ns.example.\n";
        fs::write(folder.join("com.zone"), com)?;
        let mut command = Command::new(find("knotd")?);
        command.args(["-c", &conf]);
        self.launch("authority", command, "server started")?;
        digest(".")
    }

    fn unbound(
        &mut self,
        host: &str,
        address: Ipv4Addr,
        anchor: &str,
        lies: &str,
    ) -> Result<(), Failed> {
        let folder = self.subfolder(host)?;
        fs::write(
            folder.join("hints"),
            format!(". 3600 NS a.root.\na.root. 3600 A {AUTHORITY}\n"),
        )?;
        let (chain, key) = self.world.authority.files(&[RESOLVER.to_owned()])?;
        fs::write(folder.join("pem"), chain)?;
        fs::write(folder.join("key"), key)?;
        let encrypted = format!(
            "  interface: {address}@853\n  interface: {address}@443\n  \
             tls-service-pem: pem\n  tls-service-key: key\n"
        );
        let settings = format!(
            "server:\n  directory: \"{run}\"\n  chroot: \"\"\n  username: \"\"\n  \
             pidfile: \"\"\n  use-syslog: no\n  logfile: \"\"\n  verbosity: 1\n  \
             do-daemonize: no\n  num-threads: 1\n  do-ip6: no\n  interface: {address}\n{encrypted}  \
             access-control: 0.0.0.0/0 allow\n  root-hints: hints\n  ede: yes\n  \
             nsid: ascii_unbound-1\n  trust-anchor: \"{anchor}\"\n  \
             module-config: \"validator iterator\"\n{lies}\nremote-control:\n  \
             control-enable: no\n",
            run = folder.display(),
        );
        let conf = folder.join("unbound.conf");
        fs::write(&conf, settings)?;
        let mut command = Command::new(find("unbound")?);
        command.arg("-d").arg("-c").arg(conf);
        self.launch(host, command, "start of service")
    }

    fn nginx(&mut self) -> Result<(), Failed> {
        let folder = self.subfolder("nginx")?;
        let page = format!(
            "<html><title>Evening news today</title>{}</html>\n",
            "All is well. ".repeat(100)
        );
        fs::write(folder.join("index.html"), page)?;
        let mut sites = String::new();
        for (name, inside) in [
            ("default.example", "return 404;"),
            ("news.example", ""),
            ("forbidden.example", "return 403;"),
        ] {
            let (chain, key) = self.world.authority.files(&[name.to_owned()])?;
            fs::write(folder.join(name).with_extension("pem"), chain)?;
            fs::write(folder.join(name).with_extension("key"), key)?;
            let pem = folder.join(name).with_extension("pem");
            let key = folder.join(name).with_extension("key");
            let first = if sites.is_empty() {
                " default_server"
            } else {
                ""
            };
            writeln!(
                sites,
                "server {{ listen {SITE}:443 ssl{first}; listen {SITE}:80{first}; \
                 server_name {name}; ssl_certificate {}; ssl_certificate_key {}; \
                 location / {{ root {}; {inside} }} }}",
                pem.display(),
                key.display(),
                folder.display()
            )?;
        }
        let mut temporary = String::new();
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            writeln!(temporary, "{kind}_temp_path {}/{kind};", folder.display())?;
        }
        let settings = format!(
            "daemon off;\nmaster_process off;\nuser root root;\npid {run}/pid;\nerror_log stderr notice;\n\
             events {{ }}\nhttp {{\n{temporary}access_log off;\n{sites}}}\n",
            run = folder.display(),
        );
        let conf = folder.join("nginx.conf");
        fs::write(&conf, settings)?;
        let mut command = Command::new(find("nginx")?);
        command.arg("-e").arg("stderr").arg("-p").arg(&folder);
        command.arg("-c").arg(conf);
        // Said once the sockets are open.
        self.launch("site", command, "getrlimit(RLIMIT_NOFILE)")
    }

    fn subfolder(&self, name: &str) -> Result<PathBuf, Failed> {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// Starts a server, and waits until it says that it serves.
    fn launch(&mut self, host: &str, mut command: Command, ready: &str) -> Result<(), Failed> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::piped());
        let mut server = self.internet.spawn(host, command)?;
        let said = server.stderr.take().ok_or("no standard error")?;
        self.servers.push(server);
        let (tell, told) = mpsc::channel();
        let ready = ready.to_owned();
        thread::spawn(move || {
            let mut log = String::new();
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                log.extend([&line, "\n"]);
                if line.contains(&ready) {
                    let _ = tell.send(Ok(()));
                }
            }
            let _ = tell.send(Err(log));
        });
        match told.recv()? {
            Ok(()) => Ok(()),
            Err(log) => Err(format!("the server on {host} ended:\n{log}").into()),
        }
    }
}

fn find(name: &str) -> Result<PathBuf, Failed> {
    program(name).ok_or_else(|| format!("no {name} here").into())
}

fn keymgr(conf: &str, zone: &str, words: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new(find("keymgr")?);
    let output = command.args(["-c", conf, zone]).args(words).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("keymgr {zone} {words:?}: {said}").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn root_zone(digest: &str) -> String {
    format!(
        "$TTL 3600\n. SOA a.root. admin.root. 1 3600 600 86400 300\n. NS a.root.\n\
         a.root. A {AUTHORITY}\nexample. NS ns.example.\nns.example. A {AUTHORITY}\n\
         com. NS ns.example.\n{digest}\n"
    )
}

fn example_zone() -> Result<String, Failed> {
    let mut zone = format!(
        "$TTL 300\n@ SOA ns admin 1 3600 600 86400 300\n@ NS ns\nns A {AUTHORITY}\n\
         news A {SITE}\nforbidden A {SITE}\nunknown A {SITE}\ndark A {DARK}\n\
         alias CNAME news\nneutral A 24.255.0.80\ncheck A 24.255.0.80\n\
         dnstest NS ns\nbogus NS ns\nbogus DS 1 13 2 {}\nmail MX 10 news\n\
         service SRV 1 2 443 news\n",
        "00".repeat(32)
    );
    for number in 1..=120 {
        writeln!(zone, "many A 21.1.7.{number}")?;
    }
    write!(zone, "large TXT")?;
    for _ in 0..12 {
        write!(zone, " \"{}\"", "x".repeat(255))?;
    }
    writeln!(zone)?;
    Ok(zone)
}

/// An address as everybody takes it.
pub(super) fn ip(address: Ipv4Addr) -> IpAddr {
    address.into()
}
