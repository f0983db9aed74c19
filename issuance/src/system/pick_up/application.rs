//! An application for a card: verified field by field in a stated order, the first difference told and no other.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | (none), Rejected | Checked(student, version): a field differs | | Rejected(field) |
//! | (none), Rejected | Checked(student, version): all are equal | valid until is later than now | Approved |
//! | Approved | Paid(reference): the provider says so, not the client | before its time is over | Paid |
//! | Paid, Minted | Minted(voucher) | another voucher than before | Minted |
//! | Approved | Lapsed | its time is over | (none) |
//!
//! The order is province, school, class, name, student number. Telling the first difference alone lets a parent correct it and tells
//! a stranger least; how often it may be tried is a rate limit of the caller ([`crate::primitive::rate_limit`]).

use std::convert::Infallible;

use minicbor::{Decode, Encode};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::machine::Machine;

/// What an application and a student's record have in common. Wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
pub struct StudentFields {
    /// Province.
    #[n(0)]
    pub province: String,
    /// School.
    #[n(1)]
    pub school: String,
    /// Class.
    #[n(2)]
    pub class: String,
    /// Name.
    #[n(3)]
    pub name: String,
    /// Student number.
    #[n(4)]
    pub number: String,
}

/// A field, in the order of verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Field {
    /// Province.
    #[n(0)]
    Province,
    /// School.
    #[n(1)]
    School,
    /// Class.
    #[n(2)]
    Class,
    /// Name.
    #[n(3)]
    Name,
    /// Student number.
    #[n(4)]
    Number,
}

impl Field {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Province, Self::School, Self::Class, Self::Name, Self::Number];
}

impl StudentFields {
    /// One of them, without spaces at its ends.
    #[must_use]
    pub fn get(&self, field: Field) -> &str {
        match field {
            Field::Province => &self.province,
            Field::School => &self.school,
            Field::Class => &self.class,
            Field::Name => &self.name,
            Field::Number => &self.number,
        }
        .trim()
    }

    /// The first field that is empty.
    #[must_use]
    pub fn missing(&self) -> Option<Field> {
        Field::ALL.into_iter().find(|field| self.get(*field).is_empty())
    }

    /// The first field in which an application differs from the record; an empty field differs.
    #[must_use]
    pub fn first_difference(&self, record: &Self) -> Option<Field> {
        Field::ALL.into_iter().find(|field| self.get(*field).is_empty() || self.get(*field) != record.get(*field))
    }
}

impl std::fmt::Debug for StudentFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StudentFields")
    }
}

/// What happens to an application. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ApplicationEvent {
    /// It was compared with a student's record.
    #[n(1824)]
    Checked {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Entity of the record.
        #[n(1)]
        student: String,
        /// Version of the record.
        #[n(2)]
        version: u32,
        /// First field that differs.
        #[n(3)]
        difference: Option<Field>,
        /// Until when the approval is valid.
        #[n(4)]
        until_ms: u64,
    },
    /// The payment provider says that it is paid.
    #[n(1825)]
    Paid {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The provider's reference.
        #[n(1)]
        reference: String,
    },
    /// A voucher was minted for it.
    #[n(1826)]
    Minted {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Entity of the voucher.
        #[n(1)]
        voucher: String,
    },
    /// Its approval is over.
    #[n(1827)]
    Lapsed {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
}

/// Where an application stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApplicationState {
    /// Nothing was submitted, or the approval is over.
    #[default]
    None,
    /// This field differs.
    Rejected(Field),
    /// Approved; to be paid.
    Approved {
        /// Until when.
        until_ms: u64,
    },
    /// Paid; a code is to be given.
    Paid,
    /// A code was given.
    Minted {
        /// Entity of the voucher.
        voucher: String,
    },
}

/// An application for a card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Application {
    state: ApplicationState,
    student: Option<(String, u32)>,
}

/// An event of an application that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApplicationError {
    /// It does not fit the state.
    #[error("that cannot follow: the application is {state}")]
    Illegal {
        /// The state in a word.
        state: &'static str,
    },
    /// The approval is over.
    #[error("the approval ended at {until_ms} ms, and it is {at_ms} ms: apply again")]
    Over {
        /// When it ended.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// The approval is not over.
    #[error("the approval ends at {until_ms} ms, and it is {at_ms} ms")]
    Early {
        /// When it ends.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// The voucher that it has.
    #[error("the application has this voucher already")]
    SameVoucher,
}

impl Application {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &ApplicationState {
        &self.state
    }

    /// Entity and version of the record that was approved.
    #[must_use]
    pub fn student(&self) -> Option<(&str, u32)> {
        self.student.as_ref().map(|(student, version)| (&**student, *version))
    }

    fn in_words(&self) -> &'static str {
        match self.state {
            ApplicationState::None => "not submitted",
            ApplicationState::Rejected(_) => "rejected",
            ApplicationState::Approved { .. } => "approved",
            ApplicationState::Paid => "paid",
            ApplicationState::Minted { .. } => "given a code",
        }
    }
}

impl Machine for Application {
    const NAME: &'static str = "application";
    type Event = ApplicationEvent;
    type Effect = Infallible;
    type Error = ApplicationError;

    fn apply(mut self, event: &ApplicationEvent) -> Result<(Self, Vec<Infallible>), ApplicationError> {
        use ApplicationState::{Approved, Minted, None, Paid, Rejected};
        let state = match (&self.state, event) {
            (None | Rejected(_), ApplicationEvent::Checked { difference: Some(field), .. }) => {
                self.student = Option::None;
                Rejected(*field)
            }
            (None | Rejected(_), ApplicationEvent::Checked { at_ms, student, version, until_ms, .. }) => {
                if at_ms >= until_ms {
                    return Err(ApplicationError::Over { until_ms: *until_ms, at_ms: *at_ms });
                }
                self.student = Some((student.clone(), *version));
                Approved { until_ms: *until_ms }
            }
            (Approved { until_ms }, ApplicationEvent::Paid { at_ms, .. }) if at_ms >= until_ms => {
                return Err(ApplicationError::Over { until_ms: *until_ms, at_ms: *at_ms });
            }
            (Approved { .. }, ApplicationEvent::Paid { .. }) => Paid,
            (Minted { voucher: old }, ApplicationEvent::Minted { voucher, .. }) if old == voucher => {
                return Err(ApplicationError::SameVoucher);
            }
            (Paid | Minted { .. }, ApplicationEvent::Minted { voucher, .. }) => Minted { voucher: voucher.clone() },
            (Approved { until_ms }, ApplicationEvent::Lapsed { at_ms }) if at_ms < until_ms => {
                return Err(ApplicationError::Early { until_ms: *until_ms, at_ms: *at_ms });
            }
            (Approved { .. }, ApplicationEvent::Lapsed { .. }) => None,
            _ => return Err(ApplicationError::Illegal { state: self.in_words() }),
        };
        self.state = state;
        Ok((self, Vec::new()))
    }

    fn is_open(&self) -> bool {
        matches!(self.state, ApplicationState::Paid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::round_trip;

    fn fields() -> StudentFields {
        let [province, school, class, name, number] =
            ["浙江", "第一中学", "3-2", "王小明", "20260017"].map(String::from);
        StudentFields { province, school, class, name, number }
    }

    fn checked(at_ms: u64, difference: Option<Field>) -> ApplicationEvent {
        ApplicationEvent::Checked { at_ms, student: "student/1".into(), version: 4, difference, until_ms: 100 }
    }

    fn paid(at_ms: u64) -> ApplicationEvent {
        ApplicationEvent::Paid { at_ms, reference: "p1".into() }
    }

    fn minted(voucher: &str) -> ApplicationEvent {
        ApplicationEvent::Minted { at_ms: 60, voucher: voucher.into() }
    }

    fn fold(events: &[ApplicationEvent]) -> Result<Application, ApplicationError> {
        events.iter().try_fold(Application::default(), |application, event| Ok(application.apply(event)?.0))
    }

    #[test]
    fn the_first_difference_in_order_is_told() {
        let record = fields();
        assert_eq!(fields().first_difference(&record), None);
        let mut applied = fields();
        // From the last to the first: an earlier difference hides the later ones.
        applied.number = "20260018".into();
        assert_eq!(applied.first_difference(&record), Some(Field::Number));
        applied.name = "王晓明".into();
        assert_eq!(applied.first_difference(&record), Some(Field::Name));
        applied.class = "3-1".into();
        assert_eq!(applied.first_difference(&record), Some(Field::Class));
        applied.school = "第二中学".into();
        assert_eq!(applied.first_difference(&record), Some(Field::School));
        applied.province = "江苏".into();
        assert_eq!(applied.first_difference(&record), Some(Field::Province));
    }

    #[test]
    fn spaces_at_the_ends_do_not_differ_and_nothing_is_not_equal_to_nothing() {
        let mut applied = fields();
        applied.name = " 王小明 ".into();
        assert_eq!(applied.first_difference(&fields()), None);
        let mut empty = fields();
        empty.class = "  ".into();
        assert_eq!((empty.missing(), empty.first_difference(&empty)), (Some(Field::Class), Some(Field::Class)));
    }

    /// Every row of the table.
    #[test]
    fn rows() {
        let state = |events: &[ApplicationEvent]| fold(events).unwrap().state;
        assert_eq!(state(&[checked(1, Some(Field::Name))]), ApplicationState::Rejected(Field::Name));
        let approved = ApplicationState::Approved { until_ms: 100 };
        assert_eq!(state(&[checked(1, None)]), approved);
        assert_eq!(state(&[checked(1, Some(Field::Name)), checked(2, None)]), approved);
        assert_eq!(fold(&[checked(1, None)]).unwrap().student(), Some(("student/1", 4)));
        assert_eq!(state(&[checked(1, None), paid(99)]), ApplicationState::Paid);
        let given = |voucher: &str| ApplicationState::Minted { voucher: voucher.into() };
        assert_eq!(state(&[checked(1, None), paid(99), minted("voucher/1")]), given("voucher/1"));
        let anew = [checked(1, None), paid(99), minted("voucher/1"), minted("voucher/2")];
        assert_eq!(state(&anew), given("voucher/2"));
        assert_eq!(state(&[checked(1, None), ApplicationEvent::Lapsed { at_ms: 100 }]), ApplicationState::None);
    }

    #[test]
    fn refused() {
        let error = |events: &[ApplicationEvent]| fold(events).unwrap_err();
        let over = ApplicationError::Over { until_ms: 100, at_ms: 100 };
        assert_eq!(error(&[checked(100, None)]), over);
        assert_eq!(error(&[checked(1, None), paid(100)]), over);
        let early = ApplicationError::Early { until_ms: 100, at_ms: 99 };
        assert_eq!(error(&[checked(1, None), ApplicationEvent::Lapsed { at_ms: 99 }]), early);
        let illegal = |state| ApplicationError::Illegal { state };
        assert_eq!(error(&[paid(1)]), illegal("not submitted"));
        assert_eq!(error(&[checked(1, Some(Field::Class)), paid(1)]), illegal("rejected"));
        assert_eq!(error(&[checked(1, None), minted("voucher/1")]), illegal("approved"));
        assert_eq!(error(&[checked(1, None), paid(2), paid(3)]), illegal("paid"));
        assert_eq!(error(&[checked(1, None), paid(2), checked(3, None)]), illegal("paid"));
        let again = [checked(1, None), paid(2), minted("voucher/1"), minted("voucher/1")];
        assert_eq!(error(&again), ApplicationError::SameVoucher);
    }

    #[test]
    fn records_are_read_back_and_nothing_shows_the_fields() {
        for event in [checked(1, Some(Field::Number)), checked(1, None), paid(2), minted("voucher/1")] {
            round_trip::<Application>(&event);
        }
        round_trip::<Application>(&ApplicationEvent::Lapsed { at_ms: 5 });
        assert_eq!(format!("{:?}", fields()), "StudentFields");
    }
}
