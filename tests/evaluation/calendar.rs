//! What moment does a date of an events file name?

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// A moment, or a day of which the hour is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// To the minute or better.
    At(i64),
    /// Some time on the day that begins here.
    On(i64),
}

impl When {
    /// `2019-11-16T14:00Z`, with seconds if need be, or `2019-11-16`.
    pub fn read(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time.strip_suffix('Z')?)),
            None => (text, None),
        };
        let numbers = |text: &str, mark| {
            text.split(mark)
                .map(|part| {
                    let digits = part.len() >= 2 && part.bytes().all(|b| b.is_ascii_digit());
                    digits.then(|| part.parse::<i64>().ok()).flatten()
                })
                .collect::<Option<Vec<i64>>>()
        };
        let day = match *numbers(date, '-')?.as_slice() {
            [year, month, day] => days(year, month, day)? * DAY,
            _ => return None,
        };
        let Some(time) = time else {
            return Some(Self::On(day));
        };
        let (hour, minute, second) = match *numbers(time, ':')?.as_slice() {
            [hour, minute] => (hour, minute, 0),
            [hour, minute, second] => (hour, minute, second),
            _ => return None,
        };
        let valid = hour < 24 && minute < 60 && second < 60;
        valid.then(|| Self::At(day + hour * 3600 + minute * 60 + second))
    }
}

/// Days from 1970 to a date (proleptic Gregorian); none for dates that do not exist.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..10_000).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March, so that leap days come last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let within = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some(era * 146_097 + within - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::time::UnixTime;

    #[test]
    fn dates_are_those_that_the_system_prints() {
        for text in [
            "2019-11-16T14:00",
            "2020-02-29T23:59",
            "1970-01-01T00:00",
            "2024-12-31T06:30",
        ] {
            let Some(When::At(at)) = When::read(&format!("{text}Z")) else {
                panic!("{text} is a moment");
            };
            assert!(UnixTime::from_secs(at).to_string().starts_with(text));
        }
        assert_eq!(When::read("1970-01-02"), Some(When::On(DAY)));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2019",
            "2019-13-01",
            "2019-02-29",
            "2019-06-31",
            "2019-06-01T25:00Z",
            "2019-06-01T10:00",
            "2019-06-01T1000Z",
            "44166",
            "ongoing",
            "-2019-06-01",
        ] {
            assert_eq!(When::read(text), None, "{text}");
        }
    }
}
