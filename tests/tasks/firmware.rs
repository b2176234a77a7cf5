//! How is the firmware built, and what does it take of a board?
//!
//! Boards are a workspace of their own (`embedded/boards`); `embedded/toolchain` gives what
//! builds for them. What the linker holds (512 KiB of flash, 160 KiB of RAM) is looked at here
//! once more, with what only a running board knows: how much of heap and stack it used.

use super::house;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// For what the processors of today's boards are: Cortex-M4F and M7.
const TARGET: &str = "thumbv7em-none-eabihf";
/// The board that QEMU emulates, which runs what all run.
const EMULATED: &str = "mps2-an386";
/// Boards that only build so far.
const OTHERS: &[&str] = &["nucleo-h743zi"];
const KIB: u64 = 1024;
/// Budgets of the whole firmware with TLS, octets.
const FLASH: u64 = 512 * KIB;
const RAM: u64 = 160 * KIB;
/// Of heap and stack a tenth stays free, in the fullest life that was seen.
const FREE: u64 = 10;

/// Builds every board's image and says where the emulated one is.
pub(crate) fn build() -> ExitCode {
    let all = || {
        OTHERS.iter().try_for_each(|board| image(board).map(drop))?;
        println!("{}", built()?.display());
        Ok(())
    };
    ended("firmware", all())
}

/// Prints what the image takes, also in a life, and refuses what is over budget.
pub(crate) fn sizes() -> ExitCode {
    ended("sizes", measured())
}

/// Cuts the emulated board's power so often.
pub(crate) fn power_cuts(times: &str) -> ExitCode {
    ended("power-cuts", cut(times))
}

fn ended(task: &str, done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{task}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    without_task(&mut cargo);
    cargo
}

/// What `cargo x` says of itself would make build scripts run again.
fn without_task(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

/// Where images are built: beside what else is, so that one folder is kept between runs.
fn folder() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target).join("boards"),
        None => house::root().join("embedded/boards/target"),
    }
}

fn built() -> Result<PathBuf> {
    image(EMULATED)
}

/// Builds a board's image, alone: what one board turns on in a crate, another may not want.
fn image(board: &str) -> Result<PathBuf> {
    let root = house::root();
    let mut command = Command::new(root.join("embedded/toolchain"));
    without_task(&mut command);
    command
        .arg(TARGET)
        .args(["cargo", "build", "--quiet", "--release", "--target", TARGET]);
    command.args(["--package", board]);
    command
        .arg("--manifest-path")
        .arg(root.join("embedded/boards/Cargo.toml"));
    command.arg("--target-dir").arg(folder());
    if !command.status()?.success() {
        return Err(format!("{board} does not build; what failed is above").into());
    }
    let image = folder().join(TARGET).join("release").join(board);
    if image.is_file() {
        return Ok(image);
    }
    Err(format!("there is no image at {}", image.display()).into())
}

/// What a board said of its memory: `memory: heap 13628 of 65536, stack 46160 of 65536`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    heap: u64,
    arena: u64,
    stack: u64,
    room: u64,
}

fn heard(text: &str) -> Option<Heard> {
    let lines = text.lines().filter(|line| line.starts_with("memory: "));
    let all = lines.filter_map(|line| {
        let mut numbers = line
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse().ok());
        Some(Heard {
            heap: numbers.next()?,
            arena: numbers.next()?,
            stack: numbers.next()?,
            room: numbers.next()?,
        })
    });
    all.reduce(|a, b| Heard {
        heap: a.heap.max(b.heap),
        stack: a.stack.max(b.stack),
        ..b
    })
}

fn measured() -> Result<()> {
    let image = built()?;
    let (flash, fixed, stack) = of(&fs::read(&image)?)?;
    let heard = life(&image)?;
    let ram = fixed + stack;
    println!("{:<34}{:>9}{:>9}", EMULATED, "octets", "at most");
    let row = |what, octets: u64, most: u64| println!("{what:<34}{octets:>9}{most:>9}");
    row("flash: code, constants, initials", flash, FLASH);
    row("RAM: variables, heap's and stack's room", ram, RAM);
    row("  variables without the heap", fixed - heard.arena, fixed);
    row("  heap, in the fullest life", heard.heap, heard.arena);
    row("  stack, in the deepest life", heard.stack, heard.room);
    let mut over = Vec::new();
    for (what, octets, most) in [
        ("flash", flash, FLASH),
        ("RAM", ram, RAM),
        ("heap", heard.heap, heard.arena - heard.arena / FREE),
        ("stack", heard.stack, heard.room - heard.room / FREE),
    ] {
        if octets > most {
            over.push(format!("{what} takes {octets}, and {most} is the budget"));
        }
    }
    if over.is_empty() {
        return Ok(());
    }
    Err(over.join("; ").into())
}

/// Octets of flash, of variables, and of the stack's room, as the linker laid them out.
fn of(image: &[u8]) -> Result<(u64, u64, u64)> {
    let file = object::File::parse(image)?;
    let section = |name: &str| file.section_by_name(name).map_or(0, |found| found.size());
    let symbol = |name: &str| -> Result<u64> {
        let mut all = file.symbols();
        let found = all.find(|symbol| symbol.name() == Ok(name));
        Ok(found
            .ok_or_else(|| format!("the image names no {name}"))?
            .address())
    };
    let constant = [".vector_table", ".text", ".rodata", ".data", ".gnu.sgstubs"];
    let variable = [".data", ".bss", ".uninit"];
    let sum = |names: &[&str]| names.iter().map(|name| section(name)).sum();
    let stack = symbol("_stack_start")? - symbol("_stack_end")?;
    Ok((sum(&constant), sum(&variable), stack))
}

/// The test of images in the simulated Internet, about this one, with words for it.
fn machine(image: &Path, words: &[&str]) -> Command {
    let mut command = cargo();
    let test = ["test", "--quiet", "--package", "faultline-tests"];
    command.args(test).args(["--test", "machine", "--"]);
    command.args(words).env("FAULTLINE_BOARD_IMAGE", image);
    command
}

/// Lets the image live in the simulated Internet, by its test, and hears what it took.
fn life(image: &Path) -> Result<Heard> {
    let mut command = machine(image, &["memory"]);
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("the image does not live: {text}").into());
    }
    heard(&text).ok_or_else(|| {
        let why = text.lines().find(|line| line.contains("skipped: "));
        format!("no board ran: {}", why.unwrap_or(&text).trim()).into()
    })
}

fn cut(times: &str) -> Result<()> {
    let times: u32 = times
        .parse()
        .map_err(|_| format!("{times} is no number of cuts"))?;
    let image = built()?;
    let mut command = machine(&image, &["power_cuts", "--nocapture"]);
    command.env("FAULTLINE_POWER_CUTS", times.to_string());
    if command.status()?.success() {
        return Ok(());
    }
    Err("something was lost; what is above".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_moment_counts() {
        let text = "memory: heap 5 of 100, stack 7 of 200\nAttached\n\
                    memory: heap 3 of 100, stack 9 of 200\n";
        let most = Heard {
            heap: 5,
            arena: 100,
            stack: 9,
            room: 200,
        };
        assert_eq!(heard(text), Some(most));
        assert_eq!(heard("skipped: no qemu"), None);
    }
}
