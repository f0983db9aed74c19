use std::string::String;
use std::vec::Vec;

use cardwright_apdu::{CommandApdu, Instruction};

use super::classify::Classifier;
use super::file::ScriptError;
use super::{Action, Script, ScriptStep, SwPattern};
use crate::profile::CardProfile;

impl Script {
    /// Takes a script of an operator: commands that come ready-made. A line is
    ///
    /// ```text
    /// COMMAND | STATUS WORDS | SECRET BYTES      # remark
    /// 00D6000009080910101032548 6F6 | 9000 | 6-8
    /// ```
    ///
    /// Status words are four digits each, `x` for any, 9000 where there are none; secret bytes are counted from the command's first,
    /// which is 1. Classes and probes are told by the instructions. GET RESPONSE is left out: it is the transport's.
    ///
    /// # Errors
    /// [`ScriptError`] names the line.
    pub fn read_lines(name: &str, text: &str, profile: &CardProfile) -> Result<Self, ScriptError> {
        let mut steps = Vec::new();
        let mut known = Classifier::default();
        for (n, line) in text.lines().enumerate() {
            let wrong = |what: &str| ScriptError::Line { line: n + 1, what: what.into() };
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let mut parts = line.split('|').map(str::trim);
            let command = super::file::command(parts.next().unwrap_or_default()).map_err(|what| wrong(&what))?;
            if command.instruction() == Instruction::GET_RESPONSE {
                continue;
            }
            let length = command.to_bytes().map_err(|error| wrong(&std::format!("{error}")))?.len();
            let step_name = std::format!("{:03} {}", steps.len() + 1, command.name());
            let mut step = ScriptStep::of(step_name, Action::Apdu(command), profile, &mut known);
            if let Some(words) = parts.next().filter(|words| !words.is_empty()) {
                let patterns: Option<Vec<_>> = words.split_whitespace().map(SwPattern::parse).collect();
                step.expected =
                    patterns.ok_or_else(|| wrong("status words have four hexadecimal digits, x for any"))?;
            }
            if let Some(ranges) = parts.next().filter(|ranges| !ranges.is_empty()) {
                for range in ranges.split_whitespace() {
                    let (from, to) = range.split_once('-').unwrap_or((range, range));
                    let (from, to) = (from.parse::<usize>().ok(), to.parse::<usize>().ok());
                    let range = from.zip(to).filter(|(from, to)| 1 <= *from && from <= to && *to <= length);
                    let (from, to) =
                        range.ok_or_else(|| wrong("secret bytes are counted from 1 to the last of the command"))?;
                    step.secret.push(from - 1..to);
                }
            }
            if parts.next().is_some() {
                return Err(wrong("there is more behind the secret bytes"));
            }
            steps.push(step);
        }
        if steps.is_empty() {
            return Err(ScriptError::Empty);
        }
        super::file::check_name(name).map_err(|what| ScriptError::Line { line: 1, what: String::from(what) })?;
        Ok(Self::of(name.into(), profile, steps))
    }
}

/// A command, its hexadecimal digits.
pub(super) fn parse(text: &[u8]) -> Result<CommandApdu, String> {
    CommandApdu::parse(text).map_err(|error| std::format!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Probe, StepClass};

    fn read(text: &str) -> Result<Script, ScriptError> {
        Script::read_lines("operator", text, &CardProfile::built_in("fmcos-2.0").unwrap())
    }

    #[test]
    fn classes_are_told_by_instruction() {
        let script = read(
            "# from the operator\n\
             00A40000023F00 | 9000 61xx\n\
             00C0000010\n\
             0020000003 12345F | | 6-8   # the PIN\n\
             00D6950003 112233\n\
             00DC010C02 AABB\n\
             00E2000802 CCDD\n\
             00E2000802 CCDD\n\
             80E0001507 A8001EF0F0FFFF\n\
             80D401000D 36F0F0FF33FFFFFFFFFFFFFFFF\n\
             04D6950005 1122334455\n\
             800E0000\n\
             805200000B 2016121610580000112233\n\
             8416000004 11223344\n\
             80FF000000\n",
        )
        .unwrap();
        let classes: Vec<_> = script.steps.iter().map(|step| step.class).collect();
        assert_eq!(
            classes,
            [
                StepClass::Session,
                StepClass::Counter,
                StepClass::Overwrite,
                StepClass::Overwrite,
                StepClass::Append,
                StepClass::Append,
                StepClass::Compare,
                StepClass::Compare,
                StepClass::Final,
                StepClass::Overwrite,
                StepClass::Money,
                StepClass::Final,
                StepClass::Final,
            ]
        );
        let read_back = |n: usize| match &script.steps[n].probe {
            Probe::Read { command, expected, overwrites } => {
                (hex::encode_upper(command.to_bytes().unwrap()), hex::encode_upper(expected), *overwrites)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(read_back(2), ("00B0950003".into(), "112233".into(), true));
        assert_eq!(read_back(3), ("00B2010C00".into(), "AABB".into(), true));
        assert_eq!(read_back(4), ("00B2010C00".into(), "CCDD".into(), false));
        assert_eq!(read_back(5), ("00B2020C00".into(), "CCDD".into(), false));
        assert_eq!(script.steps[1].secret, [5..8, 5..8]);
        assert_eq!(script.steps[7].secret.first(), Some(&(5..18)));
        assert!(script.steps[0].is_success(cardwright_apdu::StatusWord(0x6112)));
        assert!(script.steps[6].is_found(cardwright_apdu::StatusWord(0x6A86)));
    }

    /// Every row of the table of classes that an operator's command can be of, each with what is done when its outcome is not known.
    #[test]
    fn each_row_of_the_table_of_classes_is_told_by_its_instruction() {
        use crate::script::StepClass::{Append, Compare, Counter, Final, Money, Overwrite, Session};
        #[derive(Debug, PartialEq)]
        enum Asked {
            Not,
            Again,
            Read,
        }
        for (line, class, asked) in [
            // SELECT, READ, GET CHALLENGE, GET BALANCE, GET STATUS, GET DATA, INTERNAL AUTHENTICATE
            ("00A40000023F00", Session, Asked::Not),
            ("00A4040009A00000000386980701", Session, Asked::Not),
            ("00B095001E", Session, Asked::Not),
            ("00B2010C13", Session, Asked::Not),
            ("0084000004", Session, Asked::Not),
            ("008800000801020304050607 0808", Session, Asked::Not),
            ("805C000204", Session, Asked::Not),
            ("805A00020200 0108", Session, Asked::Not),
            ("80F24000024F0000", Session, Asked::Not),
            ("80CA9F7F00", Session, Asked::Not),
            // UPDATE BINARY and RECORD, plain
            ("00D6950002 1122", Overwrite, Asked::Read),
            ("00DC010C02 1122", Overwrite, Asked::Read),
            // with a MAC that is in the data: it was computed with a challenge that is gone
            ("04D6950006 1122AABBCCDD", Final, Asked::Not),
            ("04DC010C06 1122AABBCCDD", Final, Asked::Not),
            ("04E2000806 1122AABBCCDD", Final, Asked::Not),
            // CREATE FILE, WRITE KEY that adds and that changes in plain
            ("80E03F000D 38FFFFF0F001FFFFFFFFFFFFFF", Compare, Asked::Again),
            ("80E0001507 A8001EF0F0FFFF", Compare, Asked::Again),
            ("80D401000D 36F0F0FF33FFFFFFFFFFFFFFFF", Compare, Asked::Again),
            ("80D436000D 36F0F0FF33FFFFFFFFFFFFFFFF", Compare, Asked::Again),
            // WRITE KEY enciphered
            ("84D4010214 7C87BC23140021B3AFEA67E6359DDCFED7C943F6", Final, Asked::Not),
            // APPEND RECORD, and UPDATE RECORD that makes a new one
            ("00E2000802 1122", Append, Asked::Read),
            ("00DC000B02 1122", Append, Asked::Read),
            // ERASE DF
            ("800E0000", Overwrite, Asked::Again),
            // VERIFY, EXTERNAL AUTHENTICATE, CHANGE, RELOAD and UNBLOCK PIN
            ("0020000003 12345F", Counter, Asked::Not),
            ("0082000008 0102030405060708", Counter, Asked::Not),
            ("805E010007 12345FFF666666", Counter, Asked::Not),
            ("805E000007 66666611223344", Counter, Asked::Not),
            ("842401000C F397B1FD0CD1747A8E0CB93B", Counter, Asked::Not),
            ("0024000103 12345F", Counter, Asked::Not),
            ("002C000110 31323334353637383132333435363738", Counter, Asked::Not),
            // CREDIT, DEBIT, UPDATE OVERDRAFT
            ("805200000B 2016121610580000112233", Money, Asked::Not),
            ("805401000F 00000000201612161346001122 3344", Money, Asked::Not),
            ("805800000E 0000142016121610580011223344", Money, Asked::Not),
            // CARD BLOCK, APPLICATION BLOCK and UNBLOCK, PUT KEY, SET STATUS, LOAD, INSTALL, DELETE, STORE DATA
            ("8416000004 11223344", Final, Asked::Not),
            ("841E000004 11223344", Final, Asked::Not),
            ("8418000004 11223344", Final, Asked::Not),
            ("80D8000001 00", Final, Asked::Not),
            ("80F0800F", Final, Asked::Not),
            ("80E8000002 C400", Final, Asked::Not),
            ("80E6020001 00", Final, Asked::Not),
            ("80E4000002 4F00", Final, Asked::Not),
            ("80E2800001 00", Final, Asked::Not),
            // what nobody knows
            ("80FF000000", Final, Asked::Not),
        ] {
            let step = &read(line).unwrap().steps[0];
            let found = match step.probe {
                Probe::Repeat => Asked::Again,
                Probe::Read { .. } => Asked::Read,
                _ => Asked::Not,
            };
            assert_eq!((step.class, found), (class, asked), "{line}");
        }
    }

    #[test]
    fn a_pin_is_not_in_the_fingerprint_and_a_changed_command_is() {
        let of = |text: &str| read(text).unwrap().steps[0].fingerprint();
        assert_eq!(of("002000000312345F"), of("0020000003666666"));
        assert_ne!(of("00D6950003112233"), of("00D6950003112234"));
        assert_ne!(of("002000000312345F"), of("002000010312345F"));
    }

    #[test]
    fn what_is_no_script_is_refused_with_line_and_reason() {
        for (text, said) in [
            ("", "no step"),
            ("00A4", "line 1"),
            ("00A40000023F00\n00A400000 23F", "line 2"),
            ("00A40000023F00 | 90", "line 1: status words"),
            ("00A40000023F00 | 9000 | 0-2", "line 1: secret bytes"),
            ("00A40000023F00 | 9000 | 5-99", "line 1: secret bytes"),
            ("00A40000023F00 | 9000 | 7-6", "line 1: secret bytes"),
            ("00A40000023F00 | 9000 | 1 | 2", "line 1: there is more"),
            ("hello", "line 1"),
        ] {
            let error = read(text).map(drop).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
