//! What should probes measure? A list in the format of the Citizen Lab test lists: a header
//! line, then `url,category_code,...`.

use faultline_core::protocol::{Risk, TargetItem};

/// The list that is used where the operator gives none.
pub const BUILT_IN: &str = include_str!("../targets.csv");

/// Reads a list; lines whose first field is no `http` or `https` URL are left out.
pub fn parse(text: &str) -> Vec<TargetItem> {
    text.lines().skip(1).filter_map(item).collect()
}

fn item(line: &str) -> Option<TargetItem> {
    let (url, rest) = field(line)?;
    let (category, _) = field(rest).unwrap_or_default();
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return None;
    }
    Some(TargetItem {
        risk: risk(&category),
        url,
        category,
    })
}

/// The first field of a CSV line (RFC 4180) and what follows its comma.
fn field(line: &str) -> Option<(String, &str)> {
    if let Some(quoted) = line.strip_prefix('"') {
        let (field, rest) = quoted.split_once('"')?;
        return Some((field.to_owned(), rest.strip_prefix(',').unwrap_or(rest)));
    }
    let (field, rest) = line.split_once(',').unwrap_or((line, ""));
    Some((field.trim().to_owned(), rest))
}

/// An item for a service of U3, which is measured like any target.
pub fn service(service: &crate::score::services::Service) -> TargetItem {
    TargetItem {
        url: service.url.clone(),
        category: service.category.clone(),
        risk: Risk::Medium,
    }
}

/// Categories whose mere visit may harm somebody somewhere are not for everybody.
fn risk(category: &str) -> Risk {
    match category {
        "PORN" | "XED" | "HATE" | "MILX" | "TERR" => Risk::High,
        "CTRL" | "CULTR" | "NEWS" | "SRCH" | "ECON" | "COMM" | "COMT" | "GOVT" | "IGO"
        | "MISC" => Risk::Low,
        _ => Risk::Medium,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_list_reads() {
        assert_eq!(parse(BUILT_IN).len(), BUILT_IN.lines().count() - 1);
    }

    #[test]
    fn odd_lines_are_left_out() {
        let list =
            parse("url,category_code\n\nftp://a/,NEWS\n\"https://a.example/x,y\",PORN,z\n");
        let urls: Vec<_> = list.iter().map(|t| (t.url.as_str(), t.risk)).collect();
        assert_eq!(urls, [("https://a.example/x,y", Risk::High)]);
    }
}
