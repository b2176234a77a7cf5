//! How are moments written? ISO 8601 in UTC, to the second.

use faultline_core::time::UnixTime;

/// `2026-11-24T12:50:10Z`.
pub(super) fn iso(at: UnixTime) -> String {
    let text = at.to_string();
    let (seconds, _) = text.split_once('.').unwrap_or((&text, ""));
    format!("{seconds}Z")
}

/// `2026-11-24`.
pub(super) fn day(at: UnixTime) -> String {
    let text = at.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

pub(super) fn year(at: UnixTime) -> i64 {
    let text = day(at);
    let year = text.rsplitn(3, '-').nth(2);
    year.and_then(|year| year.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_to_the_second() {
        let at = UnixTime(1_709_164_810_999_999);
        assert_eq!(iso(at), "2024-02-29T00:00:10Z");
        assert_eq!((day(at).as_str(), year(at)), ("2024-02-29", 2024));
        assert_eq!(year(UnixTime(-1)), 1969);
    }
}
