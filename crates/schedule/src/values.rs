//! Sets of small numbers: the values that a field of a calendar matches.

use tenure_api::schedule::v1::Range;

/// A field of a calendar: its name in messages, and its least and greatest value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) least: i32,
    pub(crate) most: i32,
}

/// The first and the last year that a calendar can name. No calendar matches after the last one.
pub(crate) const YEARS: (i32, i32) = (2000, 2100);

/// What stands for the years before those.
pub(crate) const BEFORE: i32 = YEARS.0 - 1;

pub(crate) const SECOND: Field = Field { name: "Second", least: 0, most: 59 };
pub(crate) const MINUTE: Field = Field { name: "Minute", least: 0, most: 59 };
pub(crate) const HOUR: Field = Field { name: "Hour", least: 0, most: 23 };
pub(crate) const DAY_OF_MONTH: Field = Field { name: "DayOfMonth", least: 1, most: 31 };
pub(crate) const MONTH: Field = Field { name: "Month", least: 1, most: 12 };
/// Sunday is 0.
pub(crate) const DAY_OF_WEEK: Field = Field { name: "DayOfWeek", least: 0, most: 6 };
pub(crate) const YEAR: Field = Field { name: "Year", least: YEARS.0, most: YEARS.1 };

/// A set of values of one field: bit n stands for the field's least value and n more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Values {
    bits: u128,
    least: i32,
    most: i32,
}

impl Values {
    /// The values in any of the ranges. A range without a step has all values, one that ends before its start has that
    /// alone, and values that the field cannot have are left out.
    pub(crate) fn of(field: Field, ranges: &[Range]) -> Values {
        let (least, most) = (i64::from(field.least), i64::from(field.most));
        let mut bits = 0;
        for range in ranges {
            let step = i64::from(range.step).max(1);
            let (start, end) = (i64::from(range.start), i64::from(range.end.max(range.start)));
            let skipped = (least - start).max(0);
            let mut value = start + (skipped + step - 1) / step * step;
            while value <= end.min(most) {
                bits |= 1 << (value - least);
                value += step;
            }
        }
        Values { bits, least: field.least, most: field.most }
    }

    /// The years in any of the ranges, or all of them if there is no range. What was before the first year that can be
    /// named counts as one year, [`BEFORE`], and is in the set of all years alone.
    pub(crate) fn of_years(ranges: &[Range]) -> Values {
        let field = Field { least: BEFORE, ..YEAR };
        if ranges.is_empty() {
            return Values::all(field);
        }
        Values { bits: Values::of(YEAR, ranges).bits << (YEAR.least - BEFORE), least: field.least, most: field.most }
    }

    pub(crate) fn all(field: Field) -> Values {
        Values::of(field, &[Range { start: field.least, end: field.most, step: 1 }])
    }

    /// The values of both, which are of the same field.
    pub(crate) fn or(self, other: Values) -> Values {
        debug_assert_eq!((self.least, self.most), (other.least, other.most), "values of one field");
        Values { bits: self.bits | other.bits, ..self }
    }

    pub(crate) fn none(self) -> Values {
        Values { bits: 0, ..self }
    }

    pub(crate) fn contains(&self, value: i32) -> bool {
        (self.least..=self.most).contains(&value) && self.bits & (1 << (value - self.least)) != 0
    }

    /// The first value from `from` on.
    pub(crate) fn at_or_after(&self, from: i32) -> Option<i32> {
        let from = from.max(self.least);
        if from > self.most {
            return None;
        }
        let rest = self.bits >> (from - self.least);
        (rest != 0).then(|| from + rest.trailing_zeros() as i32)
    }

    /// The first value from `from` on that the field can have and that is not in the set.
    pub(crate) fn missing_at_or_after(&self, from: i32) -> Option<i32> {
        let mut others = *self;
        others.bits = !self.bits & Values::mask(self.most - self.least);
        others.at_or_after(from)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bits == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bits == Values::mask(self.most - self.least)
    }

    pub(crate) fn len(&self) -> usize {
        self.bits.count_ones() as usize
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        (self.least..=self.most).filter(|value| self.contains(*value))
    }

    fn mask(last: i32) -> u128 {
        (1 << (last + 1)) - 1
    }
}
