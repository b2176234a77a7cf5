//! In which table does a measurement stand? One table per day of start, so that old days go
//! by dropping tables and time leads every index. Whoever may write does not choose how many
//! tables there are: a start that nobody vouches for, far from the batch's arrival, goes to
//! one table for all such, and counts as of the day of arrival there.

use super::super::query::{believable, day};
use faultline_core::time::UnixTime;

const DAY: i64 = 86_400;

/// Where a measurement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::store) enum Shelf {
    /// With those that started on this day, counted from 1970.
    Day(i64),
    /// With those whose start is not believed; the day of arrival.
    Odd(i64),
}

impl Shelf {
    pub(in crate::store) fn of(started: UnixTime, vouched: bool, received: UnixTime) -> Self {
        if believable(started, vouched, received) {
            Self::Day(day(started))
        } else {
            Self::Odd(day(received).max(0))
        }
    }

    /// The day that retention goes by.
    pub(in crate::store) fn day(self) -> i64 {
        let (Self::Day(day) | Self::Odd(day)) = self;
        day
    }

    /// As kept in the table of identities.
    pub(in crate::store) fn number(self) -> i64 {
        match self {
            Self::Day(day) => day,
            Self::Odd(day) => -1 - day,
        }
    }

    pub(in crate::store) fn from_number(number: i64) -> Self {
        if number < 0 {
            Self::Odd(-1 - number)
        } else {
            Self::Day(number)
        }
    }

    /// End of the names of its tables: `20240229`, or `odd`.
    pub(in crate::store) fn suffix(self) -> String {
        match self {
            Self::Day(day) => {
                let date = UnixTime::from_secs(day.saturating_mul(DAY)).to_string();
                date.chars()
                    .take_while(|c| *c != 'T')
                    .filter(|c| *c != '-')
                    .collect()
            }
            Self::Odd(_) => "odd".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::EARLIEST, *};
    use faultline_core::time::Duration;

    #[test]
    fn nonsense_shares_one_shelf() {
        let now = UnixTime::from_secs(1_700_000_000);
        let at = |started, vouched| Shelf::of(started, vouched, now);
        let today = Shelf::Day(19_675);
        assert_eq!(at(now, false), today);
        assert_eq!(at(now + Duration::from_mins(59), true), today);
        let odd = Shelf::Odd(19_675);
        for nonsense in [
            UnixTime(0),
            UnixTime(i64::MIN),
            UnixTime(i64::MAX),
            EARLIEST,
        ] {
            assert_eq!(at(nonsense, false), odd, "{nonsense:?}");
        }
        assert_eq!(at(now + Duration::from_mins(61), true), odd);
        assert_eq!(at(UnixTime::from_secs(1_600_000_000), false), odd);
        assert_eq!(
            at(UnixTime::from_secs(1_600_000_000), true),
            Shelf::Day(18_518)
        );
        assert_eq!(
            Shelf::of(UnixTime(5), true, UnixTime(i64::MIN)),
            Shelf::Odd(0)
        );
        for shelf in [today, odd, Shelf::Odd(0)] {
            assert_eq!(Shelf::from_number(shelf.number()), shelf);
        }
        assert_eq!(
            (today.suffix().as_str(), odd.suffix().as_str()),
            ("20231114", "odd")
        );
    }
}
