//! How is an emulated board switched on, and how does its power fail? QEMU runs the image that
//! boards run, on a cable of the live Internet; its flash is a file, so to kill the process is
//! to cut the power.
//!
//! `cargo x firmware` builds the image, and `tests/run` says where QEMU is where it is not on
//! the path.

use super::{Internet, LiveError, cable::Cable, program};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Octets of flash that the board has.
pub const FLASH: usize = 256 * 1024;

/// What it takes to emulate a board.
#[derive(Clone, Debug)]
pub struct Emulator {
    qemu: PathBuf,
    /// Where QEMU's own libraries and data are, where it was unpacked privately.
    prefix: Option<PathBuf>,
    image: PathBuf,
}

impl Emulator {
    /// What is here; otherwise what is missing, and how to get it.
    pub fn find() -> Result<Self, String> {
        let prefix = std::env::var_os("FAULTLINE_QEMU_PREFIX").map(PathBuf::from);
        let qemu = match &prefix {
            Some(prefix) => Some(prefix.join("usr/bin/qemu-system-arm")),
            None => program("qemu-system-arm"),
        };
        let qemu = qemu.filter(|file| file.is_file()).ok_or(
            "no qemu-system-arm here: install it, or set FAULTLINE_QEMU_PREFIX to what \
             `tests/private-packages qemu-system-arm` prints",
        )?;
        let image = match std::env::var_os("FAULTLINE_BOARD_IMAGE") {
            Some(image) => PathBuf::from(image),
            None => Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../embedded/boards/target/thumbv7em-none-eabihf/release/mps2-an386"),
        };
        if !image.is_file() {
            return Err(format!(
                "no image of the board at {}: build it with cargo x firmware",
                image.display()
            ));
        }
        Ok(Self {
            qemu,
            prefix,
            image,
        })
    }

    /// The image.
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// Gives a host that is a board its machine, switched off. Its flash starts with
    /// `settings` and is erased otherwise; the file stays where it is, with what was in it,
    /// if there is one already.
    pub fn machine<'a>(
        &'a self,
        internet: &'a Internet,
        host: &str,
        flash: &Path,
        settings: &[u8],
    ) -> Result<Machine<'a>, LiveError> {
        if !flash.exists() {
            let mut octets = settings.to_vec();
            octets.resize(FLASH, 0xff);
            std::fs::write(flash, octets).map_err(LiveError::Settings)?;
        }
        let address = internet.hardware_address(host)?;
        Ok(Machine {
            emulator: self,
            internet,
            host: host.to_owned(),
            cable: internet.cable(host)?,
            flash: flash.to_owned(),
            address: address.map(|octet| format!("{octet:02x}")).join(":"),
            clock: true,
        })
    }
}

/// A board's machine.
pub struct Machine<'a> {
    emulator: &'a Emulator,
    internet: &'a Internet,
    host: String,
    cable: Cable,
    flash: PathBuf,
    address: String,
    /// Whether its wall clock is set when it starts.
    pub clock: bool,
}

impl Machine<'_> {
    /// Switches it on.
    pub fn start(&self) -> Result<Powered, LiveError> {
        // Left by one whose power failed.
        let _ = std::fs::remove_file(self.cable.board_end());
        let mut command = Command::new(&self.emulator.qemu);
        if let Some(prefix) = &self.emulator.prefix {
            let libraries = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
            command.env("LD_LIBRARY_PATH", prefix.join(libraries));
            command.arg("-L").arg(prefix.join("usr/share/qemu"));
        }
        let clock = if self.clock { "clock" } else { "no-clock" };
        let mut semihosting = OsString::from("enable=on,target=native,arg=mps2-an386,arg=");
        semihosting.push(&self.flash);
        semihosting.push(format!(",arg={},arg={clock}", self.address));
        let mut line = OsString::from("dgram,id=line,local.type=unix,local.path=");
        line.push(self.cable.board_end());
        line.push(",remote.type=unix,remote.path=");
        line.push(self.cable.router_end());
        command
            .args(["-M", "mps2-an386", "-display", "none", "-monitor", "none"])
            .args(["-serial", "none", "-action", "watchdog=shutdown"])
            .arg("-semihosting-config")
            .arg(semihosting)
            .arg("-netdev")
            .arg(line)
            .args(["-net", "nic,model=lan9118,netdev=line", "-kernel"])
            .arg(&self.emulator.image)
            .stdin(Stdio::null())
            // Semihosting without a device of its own speaks there, as QEMU itself does.
            .stderr(Stdio::piped());
        // In the namespaces of its host it dies with it, however this process ends.
        let mut child = self.internet.spawn(&self.host, command)?;
        let (said, lines) = channel();
        if let Some(output) = child.stderr.take() {
            let forward = move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if said.send(line).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new()
                .spawn(forward)
                .map_err(LiveError::Thread)?;
        }
        Ok(Powered {
            child,
            lines,
            heard: Vec::new(),
        })
    }

    /// The file that is its flash.
    pub fn flash(&self) -> &Path {
        &self.flash
    }
}

/// A machine that runs. Its power fails when this is dropped.
#[derive(Debug)]
pub struct Powered {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

/// How waiting for a board ended that did not do what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// It ended by itself.
    #[error("the board ended ({status}) after saying: {said}")]
    Ended {
        /// How.
        status: String,
        /// Its last line.
        said: String,
    },
    /// It goes on, but not with that.
    #[error("the board did not say {wanted:?} within {within:?}; last it said: {said}")]
    Late {
        /// What was waited for.
        wanted: String,
        /// How long.
        within: Duration,
        /// Its last line.
        said: String,
    },
}

impl Powered {
    /// Waits until the board says a line that holds `wanted`, no longer than `within` after
    /// its last word.
    pub fn says(&mut self, wanted: &str, within: Duration) -> Result<String, BoardError> {
        loop {
            let said = || self.heard.last().cloned().unwrap_or_default();
            match self.lines.recv_timeout(within) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(wanted) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(BoardError::Late {
                        wanted: wanted.to_owned(),
                        within,
                        said: said(),
                    });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let said = said();
                    let status = self.child.wait();
                    let status = status.map_or_else(|e| e.to_string(), |s| s.to_string());
                    return Err(BoardError::Ended { status, said });
                }
            }
        }
    }

    /// All that it said so far.
    pub fn heard(&mut self) -> &[String] {
        self.heard.extend(self.lines.try_iter());
        &self.heard
    }

    /// Cuts the power, now, and gives all that it said until then.
    pub fn cut(mut self) -> Vec<String> {
        self.end();
        // The other end is gone, so this ends.
        self.heard.extend(self.lines.iter());
        std::mem::take(&mut self.heard)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Powered {
    fn drop(&mut self) {
        self.end();
    }
}
