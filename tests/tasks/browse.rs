//! Do the pages hold what they promise in a real browser, before a real collector? A month of
//! history of a few countries is made in virtual time, a collector serves it on the loopback
//! device, and a script of `dashboards` drives the browser against it.

use super::{Trouble, house::root, past, programs, say};
use faultline_internet::observatory::Observatory;
use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{Command, ExitCode},
};

/// A score looks at twenty-eight days.
const DAYS: u32 = 30;
/// Of the world's six: one where nothing happens, one that interferes, one that has too few
/// networks for a score.
const COUNTRIES: [&str; 3] = ["XA", "XB", "XF"];

/// Runs the npm script of this name.
pub(crate) fn run(script: &str) -> ExitCode {
    match browse(script) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("browse: {}", super::Chain(&*trouble));
            ExitCode::from(2)
        }
    }
}

fn browse(script: &str) -> Result<bool, Trouble> {
    let world = world()?;
    programs::build()?;
    let folder = programs::fresh_folder("browse")?;
    past::look_back(&world, &folder, DAYS)?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let collector = programs::Collector::start(&world, &folder, any_port)?;
    say(&format!("the browser looks at {}", collector.base));
    let status = Command::new("npm")
        .arg("--prefix")
        .arg(root().join("dashboards"))
        .args(["run", "--silent", script])
        .env("FAULTLINE_BASE", &collector.base)
        .status()
        .map_err(|e| {
            format!("npm does not start ({e}); cargo x web check says what is wanted")
        })?;
    Ok(status.success())
}

/// The world of the demonstration, with probes in a few of its countries.
fn world() -> Result<Observatory, Trouble> {
    let mut world = Observatory::parse(past::WORLD)?;
    let here: Vec<u32> = (world.networks.iter())
        .filter(|network| COUNTRIES.contains(&network.country.as_str()))
        .map(|network| network.asn)
        .collect();
    world.fleet.retain(|fleet| here.contains(&fleet.asn));
    Ok(world)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_countries_are_probed_and_all_stand_on_the_map() {
        let world = world().unwrap();
        let members = world.members().unwrap();
        let mut countries: Vec<_> =
            members.iter().map(|m| m.name[..2].to_uppercase()).collect();
        countries.dedup();
        assert_eq!(countries, COUNTRIES);
        assert_eq!(world.country.len(), 6);
    }
}
