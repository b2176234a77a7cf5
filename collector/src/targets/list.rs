//! What stands in a list? The Citizen Lab's columns, found by their heads: `url` and
//! `category_code`; `category_description`, `date_added`, `source` and `notes` are read over.
//! A line that cannot be used is left out and told with its number; the rest is used.

use super::category;
use faultline_core::protocol::{Risk, TargetItem};
use std::{collections::HashMap, fmt};
use url::Url;

/// Columns that there must be.
const NEEDED: [&str; 2] = ["url", "category_code"];

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// What, and what became of it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.file, self.line, self.what)
    }
}

/// Reads a list; `file` is for messages. A list without its head is no list: everything else
/// costs a line.
pub(super) fn read(file: &str, text: &str) -> Result<(Vec<TargetItem>, Vec<Problem>), Problem> {
    let problem = |line: u64, what: String| Problem {
        file: file.to_owned(),
        line,
        what,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let heads = reader.headers().map_err(|e| problem(1, e.to_string()))?;
    let place = |name: &str| heads.iter().position(|head| head == name);
    let [url_at, category_at] = NEEDED.map(place);
    let (Some(url_at), Some(category_at)) = (url_at, category_at) else {
        let what = "there is no column url and category_code: is it a test list? Its first line is url,category_code,category_description,date_added,source,notes";
        return Err(problem(1, what.into()));
    };
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(e) => {
                let line = e.position().map_or(0, csv::Position::line);
                problems.push(problem(line, format!("not read: {e}")));
                continue;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        let written = record.get(url_at).unwrap_or_default();
        let url = match checked(written) {
            Ok(url) => url,
            Err(why) => {
                problems.push(problem(line, format!("{written:?} is left out: {why}")));
                continue;
            }
        };
        if let Some(first) = lines.get(&url) {
            problems.push(problem(
                line,
                format!("{url} stands on line {first} already: left out"),
            ));
            continue;
        }
        lines.insert(url.clone(), line);
        let code = record.get(category_at).unwrap_or_default();
        let risk = category::risk(code).unwrap_or_else(|| {
            problems.push(problem(
                line,
                format!("nobody knows the category {code:?}: {url} is taken for high risk"),
            ));
            Risk::High
        });
        items.push(TargetItem {
            url,
            category: code.to_owned(),
            risk,
        });
    }
    Ok((items, problems))
}

/// A URL as it is written, where it can be measured.
fn checked(written: &str) -> Result<String, &'static str> {
    let url = Url::parse(written).map_err(|_| "it is no URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only http and https are measured");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it has no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a name or a password");
    }
    Ok(written.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> (Vec<String>, Vec<String>) {
        let (items, problems) = read("xa.csv", text).unwrap();
        let items = items
            .into_iter()
            .map(|item| format!("{} {:?}", item.url, item.risk));
        (
            items.collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_line() {
        let (items, problems) = lines(
            "url,category_code,category_description,date_added,source,notes\n\
             https://news.example/,NEWS,News Media,2020-01-01,x,\n\
             ftp://files.example/,FILE,,,,\n\
             \n\
             \"https://a.example/x,y\",PORN,z\n\
             https://news.example/,NEWS,again,,,\n\
             https://odd.example/,QQQQ,,,,\n\
             not a url,NEWS\n\
             https://u:p@b.example/,NEWS\n",
        );
        assert_eq!(
            items,
            [
                "https://news.example/ Low",
                "https://a.example/x,y High",
                "https://odd.example/ High"
            ]
        );
        assert_eq!(
            problems,
            [
                "xa.csv, line 3: \"ftp://files.example/\" is left out: only http and https are measured",
                "xa.csv, line 6: https://news.example/ stands on line 2 already: left out",
                "xa.csv, line 7: nobody knows the category \"QQQQ\": https://odd.example/ is taken for high risk",
                "xa.csv, line 8: \"not a url\" is left out: it is no URL",
                "xa.csv, line 9: \"https://u:p@b.example/\" is left out: it holds a name or a password",
            ]
        );
    }

    #[test]
    fn columns_are_found_by_their_heads_and_a_list_without_them_is_none() {
        let (items, problems) =
            lines("\u{feff}notes,category_code,url\r\nx,NEWS,http://a.example/\r\n");
        assert_eq!((items.len(), problems.len()), (1, 0));
        let wrong = read("xa.csv", "https://a.example/,NEWS\n").unwrap_err();
        assert!(
            wrong
                .to_string()
                .starts_with("xa.csv, line 1: there is no column url")
        );
        assert!(read("xa.csv", "").is_err());
    }
}
