//! Which moment does a reader mean? The times that we print (RFC 3339 section 5.6, in UTC),
//! and dates, which stand for their first moment.

use faultline_core::time::UnixTime;

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;

/// The first moment after what was named: of a date its whole day belongs to it.
pub(super) fn end(text: &str) -> Option<UnixTime> {
    let UnixTime(start) = parse(text)?;
    let day = if text.contains('T') { 0 } else { DAY };
    Some(UnixTime(start + day))
}

/// `2026-11-24`, `2026-11-24T01:02:03Z` or with a fraction.
pub(crate) fn parse(text: &str) -> Option<UnixTime> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [y, m, d] = numbers(date, '-', [4, 2, 2])?;
    let [hh, mm, ss] = numbers(time, ':', [2, 2, 2])?;
    let digits = fraction.bytes().all(|b| b.is_ascii_digit());
    let valid =
        (1..=12).contains(&m) && (1..=31).contains(&d) && hh < 24 && mm < 60 && ss <= 60;
    if !valid || !digits || fraction.is_empty() {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6.6}").parse().ok()?;
    // Years start in March, so that leap days come last.
    let (y, m) = if m > 2 { (y, m - 3) } else { (y - 1, m + 9) };
    let leaps = y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    let days = 365 * y + leaps + (153 * m + 2) / 5 + d - 1 - 719_468;
    let secs = days * 86_400 + hh * 3600 + mm * 60 + ss;
    Some(UnixTime(secs * 1_000_000 + micros))
}

fn numbers(text: &str, by: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let parts: Vec<&str> = text.split(by).collect();
    let parts: [&str; 3] = parts.try_into().ok()?;
    let mut numbers = [0; 3];
    for ((number, part), width) in numbers.iter_mut().zip(parts).zip(widths) {
        if part.len() != width || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads() {
        for t in [0, 1_709_164_800_000_001, 1_790_000_000_123_456, -1] {
            assert_eq!(parse(&UnixTime(t).to_string()), Some(UnixTime(t)));
        }
        let day = parse("2024-02-29").unwrap();
        assert_eq!(day.to_string(), "2024-02-29T00:00:00.000000Z");
        assert_eq!(
            parse("2024-02-29T00:00:00.5Z"),
            Some(UnixTime(day.0 + 500_000))
        );
        assert_eq!(end("2024-02-29"), parse("2024-03-01"));
        let noon = "2024-02-29T12:00:00Z";
        assert_eq!(end(noon), parse(noon));
        let more = parse("2024-02-29T00:00:00.000000999Z");
        assert_eq!(more, Some(day), "cut, not rounded");
    }

    #[test]
    fn the_rest_does_not() {
        for text in [
            "",
            "T",
            "Z",
            "2024",
            "2024-13-01",
            "2024-1-1",
            "24-01-01",
            "2024-01-01T",
            "+024-01-01",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.xZ",
            "2024-01-01T00:00:00+01:00",
            "2024-01-01T00:00:00.\u{fc}Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
