//! Which moment or day do others mean? Times of RFC 3339 with any offset; days as spreadsheets
//! and people write them.

use crate::api::moment;
use faultline_core::time::UnixTime;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1440 * MINUTE;

/// `2026-11-24T01:02:03Z`, `...+03:30`, with a fraction or without; a bare date is its midnight.
pub(super) fn time(text: &str) -> Option<UnixTime> {
    let text = text.trim();
    if let Some(found) = moment::parse(text) {
        return Some(found);
    }
    let (clock, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let sign = match offset.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let ahead = sign * (hours * 60 + minutes) * MINUTE;
    let UnixTime(at) = moment::parse(&format!("{clock}Z"))?;
    Some(UnixTime(at.checked_sub(ahead)?))
}

/// The midnight of a day: `2021-01-13`, `1/13/2021` as the list's authors write it, or the number
/// that a spreadsheet has for it (days since 1899-12-30).
pub(super) fn day(text: &str) -> Option<UnixTime> {
    let text = text.trim();
    if let Ok(serial) = text.parse::<f64>() {
        // 2000 to 2100: other numbers are something else, a year perhaps.
        let serial = (36_526.0..73_050.0).contains(&serial).then_some(serial)?;
        return Some(UnixTime((serial as i64 - 25_569) * DAY));
    }
    if let Some(UnixTime(at)) = time(text.split_whitespace().next()?) {
        // What stands behind a date is a time of the day, or it is no date.
        let rest = text
            .split_once(char::is_whitespace)
            .map_or("", |(_, rest)| rest);
        let clock = rest
            .chars()
            .all(|c| c.is_ascii_digit() || ":.Z ".contains(c));
        return clock.then_some(UnixTime(at - at.rem_euclid(DAY)));
    }
    let parts: Vec<&str> = text.split('/').map(str::trim).collect();
    let [month, day, year] = parts.as_slice() else {
        return None;
    };
    let (month, day): (u8, u8) = (month.parse().ok()?, day.parse().ok()?);
    let year: u16 = year.parse().ok()?;
    let year = if year < 100 { year + 2000 } else { year };
    let (month, day) = if month > 12 {
        (day, month)
    } else {
        (month, day)
    };
    moment::parse(&format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_as_people_and_spreadsheets_write_them() {
        let first = moment::parse("2020-12-01");
        for text in [
            "44166",
            "44166.0",
            " 2020-12-01 ",
            "2020-12-01 00:00:00",
            "2020-12-01T05:00:00Z",
            "12/1/2020",
            "12/01/20",
        ] {
            assert_eq!(day(text), first, "{text}");
        }
        assert_eq!(day("13/12/2020"), moment::parse("2020-12-13"));
        for text in [
            "",
            "ongoing",
            "2020",
            "4/1/2018 upon CAF visit",
            "April/2017 following the inauguration",
            "2020-12-01 or later",
            "0",
            "NaN",
            "1/2",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn times_with_an_offset() {
        let noon = moment::parse("2026-11-24T12:00:00Z");
        assert_eq!(time("2026-11-24T12:00:00Z"), noon);
        assert_eq!(time("2026-11-24T15:30:00+03:30"), noon);
        assert_eq!(time("2026-11-24T07:00:00.000-05:00"), noon);
        for text in [
            "",
            "noon",
            "2026-11-24T12:00:00",
            "2026-11-24T12:00:00\u{fc}03:30",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
