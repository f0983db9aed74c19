//! Reads the journal as docs/journal.md describes it, without the machines' code.

use std::collections::BTreeMap;
use std::fmt;

use cardwright::issuance::journal::Record;
use minicbor::Decoder;
use minicbor::decode::Error;

/// What a record says of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Begun { input: [u8; 32], key: Option<String> },
    Succeeded,
    Failed,
    Lost,
    NotDone,
    Quarantined,
    Released,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun { .. } => f.write_str("begun"),
            said => write!(f, "{said:?}"),
        }
    }
}

/// An event of which the checker takes notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Step { step: String, said: Said },
    Completed,
    Gone,
    Other,
}

/// What the journal says last of a number that is handed out by lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberState {
    /// Nobody's, or nobody's for a while.
    Free,
    /// Held, and not written.
    Reserved,
    /// It may be on a card.
    Written,
    /// It is on a card.
    Committed,
}

/// Folds the records of one number: events 32 to 44 of the document.
pub(crate) fn number_state<'a>(bodies: impl Iterator<Item = &'a [u8]>) -> Result<NumberState, Error> {
    let mut state = NumberState::Free;
    for body in bodies {
        let mut decoder = Decoder::new(body);
        state = match variant(&mut decoder)?.0 {
            32 => NumberState::Reserved,
            34 => NumberState::Written,
            35 | 44 => NumberState::Committed,
            36 => NumberState::Reserved,
            38 | 43 => NumberState::Free,
            // Time and authorities free what is reserved and nothing else.
            39 | 40 if state == NumberState::Reserved => NumberState::Free,
            // `resolution` is an array of mark, finding (0 happened, 1 did not, 2 spoilt) and a hash.
            42 => {
                decoder.skip()?;
                decoder.array()?;
                decoder.skip()?;
                if decoder.u8()? == 1 { NumberState::Free } else { NumberState::Committed }
            }
            33 | 39..=41 => state,
            _ => return Err(Error::message("an event that is none of a lease")),
        };
    }
    Ok(state)
}

/// Every entity's events with the numbers of their records.
pub(crate) type Events = BTreeMap<String, Vec<(u64, Event)>>;

/// Sorts records by entity. Entities whose names begin otherwise than `prefix` are left out.
pub(crate) fn read(records: &[Record], prefix: &str) -> Result<Events, String> {
    let mut events = Events::new();
    for record in records.iter().filter(|record| record.entity.as_str().starts_with(prefix)) {
        let event = event(&record.body).map_err(|error| format!("record {}: {error}", record.seq))?;
        events.entry(record.entity.as_str().to_owned()).or_default().push((record.seq, event));
    }
    Ok(events)
}

/// `[variant, [fields]]`
pub(crate) fn event(body: &[u8]) -> Result<Event, Error> {
    let mut decoder = Decoder::new(body);
    Ok(match variant(&mut decoder)?.0 {
        0 => {
            let step = decoder.str()?.to_owned();
            decoder.u32()?;
            Event::Step { step, said: said(&mut decoder)? }
        }
        3 => Event::Completed,
        4 => Event::Gone,
        1 | 2 | 5..=8 => Event::Other,
        _ => return Err(Error::message("an event that the document does not know")),
    })
}

fn said(decoder: &mut Decoder<'_>) -> Result<Said, Error> {
    Ok(match variant(decoder)? {
        (0, fields) => {
            decoder.u8()?;
            let input = decoder.bytes()?.try_into().map_err(|_| Error::message("an input has 32 bytes"))?;
            // Tries and key version stand before the name; what is absent at the end is not there.
            let mut key = None;
            if fields >= 5 {
                decoder.skip()?;
                decoder.skip()?;
                key = Some(decoder.str()?.to_owned());
            }
            Said::Begun { input, key }
        }
        (1, _) => Said::Succeeded,
        (2, _) => Said::Failed,
        (3, _) => Said::Lost,
        (4, _) => Said::NotDone,
        (5, _) => Said::Quarantined,
        (6, _) => Said::Released,
        _ => return Err(Error::message("an outcome that the document does not know")),
    })
}

/// The number of the variant, and how many fields it has.
pub(crate) fn variant(decoder: &mut Decoder<'_>) -> Result<(u32, u64), Error> {
    let indefinite = || Error::message("an array of definite length");
    decoder.array()?.ok_or_else(indefinite)?;
    let variant = decoder.u32()?;
    Ok((variant, decoder.array()?.ok_or_else(indefinite)?))
}
