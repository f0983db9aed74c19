//! Provinces, their schools, their classes, their students: what an application chooses from and is verified against.
//!
//! Pick-lists are given by level, so that province, school and class are chosen and not typed. Verification goes down the levels and tells
//! the first that does not lead on, as a comparison field by field would ([`StudentFields::first_difference`]).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::system::pick_up::application::{Field, StudentFields};
use crate::system::pick_up::roster::RosterRow;

type Class = BTreeMap<String, BTreeMap<String, String>>;
type School = BTreeMap<String, Class>;

/// All students of all rosters, each with the name of its record's entity.
#[derive(Clone, Default)]
pub struct Archive {
    provinces: BTreeMap<String, BTreeMap<String, School>>,
    version: u32,
}

/// What a change of the archive did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rows whose student is new.
    pub added: usize,
    /// Rows whose student was there.
    pub known: usize,
}

impl Archive {
    /// Number of the last change: pick-lists of another version are out of date.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Adds students; `record` names the entity of the record of one that is new.
    pub fn merge(&mut self, rows: &[RosterRow], mut record: impl FnMut(&RosterRow) -> String) -> Merged {
        let mut merged = Merged::default();
        for row in rows {
            let [province, school, class, name, number] = Field::ALL.map(|field| row.fields.get(field).to_owned());
            let class =
                self.provinces.entry(province).or_default().entry(school).or_default().entry(class).or_default();
            let numbers = class.entry(name).or_default();
            if let Entry::Vacant(place) = numbers.entry(number) {
                merged.added += 1;
                place.insert(record(row));
            } else {
                merged.known += 1;
            }
        }
        self.version = self.version.saturating_add(u32::from(merged.added > 0));
        merged
    }

    /// Provinces to choose from.
    pub fn provinces(&self) -> impl Iterator<Item = &str> {
        self.provinces.keys().map(String::as_str)
    }

    /// Schools of a province to choose from.
    pub fn schools(&self, province: &str) -> impl Iterator<Item = &str> {
        self.provinces.get(province).into_iter().flat_map(|schools| schools.keys().map(String::as_str))
    }

    /// Classes of a school to choose from.
    pub fn classes(&self, province: &str, school: &str) -> impl Iterator<Item = &str> {
        let school = self.provinces.get(province).and_then(|schools| schools.get(school));
        school.into_iter().flat_map(|classes| classes.keys().map(String::as_str))
    }

    /// Entity of the student's record, or the first field that differs from every record.
    ///
    /// # Errors
    /// The field.
    pub fn verify(&self, applied: &StudentFields) -> Result<&str, Field> {
        let schools = self.provinces.get(applied.get(Field::Province)).ok_or(Field::Province)?;
        let classes = schools.get(applied.get(Field::School)).ok_or(Field::School)?;
        let names = classes.get(applied.get(Field::Class)).ok_or(Field::Class)?;
        let numbers = names.get(applied.get(Field::Name)).ok_or(Field::Name)?;
        numbers.get(applied.get(Field::Number)).map(String::as_str).ok_or(Field::Number)
    }

    /// Entities of all records of a school.
    #[must_use]
    pub fn students(&self, province: &str, school: &str) -> BTreeSet<&str> {
        let school = self.provinces.get(province).and_then(|schools| schools.get(school));
        let names = school.into_iter().flat_map(|classes| classes.values().flat_map(BTreeMap::values));
        names.flat_map(|numbers| numbers.values().map(String::as_str)).collect()
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Archive(version {}, {} provinces)", self.version, self.provinces.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(texts: [&str; 5]) -> RosterRow {
        let [province, school, class, name, number] = texts.map(String::from);
        RosterRow { row: 2, fields: StudentFields { province, school, class, name, number }, card_number: None }
    }

    fn archive(rows: &[RosterRow]) -> Archive {
        let mut archive = Archive::default();
        archive.merge(rows, |row| format!("student/{}", row.fields.number));
        archive
    }

    #[test]
    fn lists_are_by_level() {
        let rows = [
            row(["浙江", "一中", "3-2", "王", "1"]),
            row(["浙江", "一中", "3-1", "李", "2"]),
            row(["江苏", "二中", "1-1", "王", "3"]),
        ];
        let mut archive = archive(&rows);
        assert_eq!(archive.provinces().collect::<Vec<_>>(), ["江苏", "浙江"]);
        assert_eq!(archive.schools("浙江").collect::<Vec<_>>(), ["一中"]);
        assert_eq!(archive.classes("浙江", "一中").collect::<Vec<_>>(), ["3-1", "3-2"]);
        assert_eq!(archive.classes("浙江", "二中").count(), 0);
        assert_eq!(archive.students("浙江", "一中"), BTreeSet::from(["student/1", "student/2"]));
        assert_eq!(archive.version(), 1);
        // The same roster again changes nothing.
        assert_eq!(archive.merge(&rows, |_| panic!()), Merged { added: 0, known: 3 });
        assert_eq!(archive.version(), 1);
    }

    #[test]
    fn two_of_one_name_are_told_apart_by_their_numbers() {
        let archive = archive(&[row(["p", "s", "c", "王", "1"]), row(["p", "s", "c", "王", "2"])]);
        assert_eq!(archive.verify(&row(["p", "s", "c", "王", "2"]).fields), Ok("student/2"));
        assert_eq!(archive.verify(&row(["p", "s", "c", "王", "3"]).fields), Err(Field::Number));
    }

    proptest! {
        /// With one record, going down the levels and comparing field by field say the same.
        #[test]
        fn the_first_difference_is_told(record in prop::array::uniform5("[ab]{1,2}"), applied in prop::array::uniform5("[ab]{0,2}")) {
            let record = row(record.each_ref().map(|text| &text[..]));
            let applied = row(applied.each_ref().map(|text| &text[..]));
            let found = archive(std::slice::from_ref(&record)).verify(&applied.fields).err();
            prop_assert_eq!(found, applied.fields.first_difference(&record.fields));
        }
    }
}
