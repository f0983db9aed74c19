//! Days and times in UTC.

use std::fmt;

use time::OffsetDateTime;

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(crate) i64);

const MS_A_DAY: u64 = 86_400_000;

impl Day {
    /// The day of a time in milliseconds since 1970; far future times, which a clock set wrong may give, are its last.
    pub(crate) fn of(time_ms: u64) -> Self {
        Self(i64::try_from(time_ms / MS_A_DAY).unwrap_or(i64::MAX).min(2_932_896))
    }

    fn date(self) -> Option<time::Date> {
        OffsetDateTime::from_unix_timestamp(self.0 * 86_400).ok().map(OffsetDateTime::date)
    }

    /// Day and month, as charts have room for.
    pub(crate) fn short(self) -> String {
        self.date().map_or_else(String::new, |date| format!("{}.{}.", date.day(), u8::from(date.month())))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => write!(f, "{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day()),
            None => f.write_str("?"),
        }
    }
}

/// Date and time to the minute.
pub(crate) fn minute(time_ms: u64) -> String {
    let minutes = time_ms % MS_A_DAY / 60_000;
    format!("{} {:02}:{:02}", Day::of(time_ms), minutes / 60, minutes % 60)
}

/// A duration in words as long as people read them.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        60_000..5_400_000 => format!("{:.0} min", ms as f64 / 60_000.0),
        5_400_000..172_800_000 => format!("{:.0} h", ms as f64 / 3_600_000.0),
        _ => format!("{:.0} d", ms as f64 / MS_A_DAY as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(Day::of(0).to_string(), "1970-01-01");
        assert_eq!(Day::of(1_709_164_800_000).to_string(), "2024-02-29");
        assert_eq!(minute(1_700_000_000_000), "2023-11-14 22:13");
        assert_eq!(Day::of(1_700_000_000_000).short(), "14.11.");
        assert_eq!(Day::of(u64::MAX).to_string(), "9999-12-31");
        assert_eq!(
            [duration(999), duration(1_500), duration(90_000), duration(7_200_000)],
            ["999 ms", "1.5 s", "2 min", "2 h"]
        );
    }
}
