//! What will a page ask for, once its script runs? Its files and its first data, told with the
//! page itself in a `Link` header (RFC 8288; HTML, sections 4.6.8.16 and 4.6.8.20, for
//! `modulepreload` and `preload`): on a slow line this spares the page two round trips.

use super::Dist;

/// The value of a `Link` header for the page at a path; empty where nothing can be told.
pub fn preload(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (page, data) = match parts.as_slice() {
        [] => ("World", vec!["world".to_owned(), "atlas".to_owned()]),
        [page @ ("coverage" | "method" | "targets" | "waves")] => {
            (name(page), vec![(*page).to_owned()])
        }
        ["countries", country] => (
            "Country",
            vec![format!("countries/{}", country.to_uppercase())],
        ),
        ["live"] => ("Live", vec!["live".to_owned(), "atlas".to_owned()]),
        ["events"] => ("Events", vec!["atlas".to_owned()]), // the list is in the query
        ["events", id] => ("Event", vec![format!("events/{id}"), "atlas".to_owned()]),
        ["coverage", "shutdowns"] => ("ShutdownCoverage", vec!["atlas".to_owned()]),
        ["countries", _, "calendar"] => ("Calendar", vec!["atlas".to_owned()]),
        ["review"] => ("Review", vec![]), // only with a token
        ["countries", country, "indicators", indicator] => {
            let country = country.to_uppercase();
            let data = format!("countries/{country}/indicators/{indicator}");
            ("Indicator", vec![data])
        }
        ["networks", asn] => ("Network", vec![format!("networks/{asn}")]),
        ["measurements", id] => ("Measurement", vec![format!("measurements/{id}")]),
        ["targets", target] => ("Target", vec![format!("targets/{target}")]),
        ["waves", id] => ("Wave", vec![format!("waves/{id}")]),
        ["verdicts"] => ("Verdicts", vec![]), // its data is in the query
        _ => return String::new(),
    };
    let files = Dist::get("preload.txt");
    let files = files
        .as_ref()
        .and_then(|f| std::str::from_utf8(&f.data).ok());
    let line = files.unwrap_or_default().lines().find_map(|line| {
        let (of, files) = line.split_once(' ')?;
        (of == page).then_some(files)
    });
    let modules = line.unwrap_or_default().split_whitespace();
    let modules = modules.map(|file| format!("</{file}>; rel=modulepreload"));
    let data = data.iter().filter(|address| plain(address));
    let data =
        data.map(|address| format!("</v1/{address}>; rel=preload; as=fetch; crossorigin"));
    modules.chain(data).collect::<Vec<_>>().join(", ")
}

fn name(page: &str) -> &'static str {
    match page {
        "coverage" => "Coverage",
        "method" => "Method",
        "waves" => "Waves",
        _ => "Targets",
    }
}

/// Whether nothing of what a reader typed could be taken for more than an address.
fn plain(address: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/%._~-".contains(c);
    address.len() < 512 && address.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{asset, is_built};

    #[test]
    fn data_is_told_as_the_page_asks_for_it() {
        let country = preload("/countries/xb");
        assert!(country.contains("</v1/countries/XB>; rel=preload; as=fetch; crossorigin"));
        let world = preload("/");
        assert!(world.contains("</v1/world>") && world.contains("</v1/atlas>"));
        let target = preload("/targets/https%3A%2F%2Fnews.example%2F");
        assert!(target.contains("</v1/targets/https%3A%2F%2Fnews.example%2F>"));
        let event = preload("/events/01KB0000000000000000000000");
        assert!(event.contains("</v1/events/01KB0000000000000000000000>"));
        assert!(preload("/live").contains("</v1/live>"));
        assert!(!preload("/review").contains("/v1/"), "only with a token");
        assert_eq!(preload("/no/such/page"), "");
    }

    #[test]
    fn what_a_reader_types_cannot_leave_its_place() {
        for typed in [
            "/networks/1>; rel=preload",
            "/networks/1\r\nset-cookie: a",
            "/networks/1, </elsewhere>",
            "/networks/\u{e9}",
        ] {
            assert!(!preload(typed).contains("/v1/"), "{typed}");
        }
    }

    #[test]
    fn files_that_are_told_are_there() {
        if !is_built() {
            println!("skipped: no built app (cargo x web)");
            return;
        }
        for page in [
            "/",
            "/coverage",
            "/method",
            "/targets",
            "/verdicts",
            "/live",
            "/events",
            "/events/0",
            "/coverage/shutdowns",
            "/countries/XA/calendar",
            "/review",
            "/countries/XA",
            "/countries/XA/indicators/U1",
            "/networks/1",
            "/targets/a",
            "/measurements/00",
        ] {
            let told = preload(page);
            let files: Vec<&str> = told
                .split(", ")
                .filter_map(|link| link.strip_suffix(">; rel=modulepreload"))
                .collect();
            assert!(files.len() >= 2, "{page}: {told}");
            for file in files {
                let path = file.trim_start_matches('<');
                assert!(asset(path, "").is_some(), "{page}: {file}");
            }
        }
    }
}
