use cardwright_cos::purse::PurseKind;

use super::error::LoadError;
use super::event::{ClaimEvent, PurseEvent};
use super::id::TransactionId;
use super::load::{Load, LoadRecordError, LoadState};
use crate::journal::Entity;
use crate::machine::{Change, Kept, Machine};
use crate::port::IssuancePort;

/// All loads of the purses of one card: all but the last have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurseHistory {
    loads: Vec<Load>,
}

impl PurseHistory {
    /// All loads, in order.
    #[must_use]
    pub fn loads(&self) -> &[Load] {
        &self.loads
    }

    /// The load that has not ended.
    #[must_use]
    pub fn open(&self) -> Option<&Load> {
        self.loads.last().filter(|load| !load.is_ended())
    }

    /// The least online serial number that a purse of this card can have: each load that it took raised it.
    #[must_use]
    pub fn least_serial(&self, purse: PurseKind) -> u16 {
        let of = |load: &Load| load.credit.filter(|_| matches!(load.state, LoadState::Loaded(_)));
        let loaded = self.loads.iter().filter(|load| load.purse == purse).filter_map(of);
        loaded.map(|credit| credit.serial().saturating_add(1)).max().unwrap_or(0)
    }

    /// The load with this id.
    #[must_use]
    pub fn find(&self, id: &TransactionId) -> Option<&Load> {
        self.loads.iter().find(|load| load.id == *id)
    }
}

impl Machine for PurseHistory {
    const NAME: &'static str = "purse";
    type Event = PurseEvent;
    type Effect = ();
    type Error = LoadRecordError;

    fn apply(mut self, event: &PurseEvent) -> Result<(Self, Vec<()>), LoadRecordError> {
        if let PurseEvent::Opened { .. } = event {
            let load = Load::open(self.loads.len() as u64 + 1, event)?;
            match self.open() {
                Some(_) => return Err(LoadRecordError::AnotherOpen),
                None if self.find(&load.id).is_some() => return Err(LoadRecordError::Repeated),
                None => self.loads.push(load),
            }
        } else {
            let last = self.loads.last_mut().ok_or(LoadRecordError::Illegal)?;
            *last = last.apply(event)?;
        }
        Ok((self, Vec::new()))
    }

    fn belongs_to(event: &PurseEvent) -> Option<String> {
        match event {
            PurseEvent::Resolved { resolution } => Some(resolution.subject().to_owned()),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        self.open().is_some()
    }
}

/// What a transaction id is used for: one purse, for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    purse: Option<Entity>,
}

impl Claim {
    pub(super) async fn read(port: &mut IssuancePort, id: &TransactionId) -> Result<Kept<Self>, LoadError> {
        Ok(Kept::read(port, Entity::new(&format!("purse-load/{id}"))?).await?)
    }

    pub(crate) fn purse(&self) -> Option<&Entity> {
        self.purse.as_ref()
    }
}

impl Machine for Claim {
    const NAME: &'static str = "transaction id";
    type Event = ClaimEvent;
    type Effect = ();
    type Error = LoadRecordError;

    fn apply(self, event: &ClaimEvent) -> Result<(Self, Vec<()>), LoadRecordError> {
        let ClaimEvent::Claimed { purse } = event;
        match self.purse {
            None => Ok((Self { purse: Some(Entity::new(purse)?) }, Vec::new())),
            Some(_) => Err(LoadRecordError::Repeated),
        }
    }

    fn is_open(&self) -> bool {
        false
    }
}

/// Records the beginning of a load, and that its id is this purse's and nobody else's.
pub(super) async fn open(
    port: &mut IssuancePort,
    purse: &mut Kept<PurseHistory>,
    claim: &mut Kept<Claim>,
    given: &[(Entity, u64)],
    events: &[PurseEvent],
) -> Result<(), LoadError> {
    let claimed = ClaimEvent::Claimed { purse: purse.entity().as_str().into() };
    let change = Change::new().apply(purse, events)?.apply(claim, &[claimed])?.expecting(given);
    change.commit_through(port).await?;
    Ok(())
}
