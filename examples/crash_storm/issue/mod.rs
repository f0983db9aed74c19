//! The main job: Java cards get an application and keys of their own.

mod card;
mod check;
mod numbers;
mod order;

use cardwright::apdu::Aid;
use cardwright::gp::SecurityLevel;
use cardwright::issuance::quarantine::Release;
use cardwright::issuance::remote::{self, DeleteOrder, IssueError, Order, Outcome, Report};
use cardwright::keys::SoftwareKeys;

use self::card::Card;
use self::numbers::{Refusal, Shelf, Ticket};
use crate::Setup;
use crate::chance::Chance;
use crate::persons::release_all;
use crate::report::{self, WorldReport};
use crate::world::{Job, Moment, Next, Person, Talk, Verdict, World};

const DOMAIN_AES: [u8; 16] = 0x0001_0203_0405_0607_0809_0A0B_0C0D_0E0F_u128.to_be_bytes();
const DOMAIN_DES: [u8; 16] = 0xA1A2_A3A4_A1A2_A3A4_A1A2_A3A4_A1A2_A3A4_u128.to_be_bytes();
const MASTER: [u8; 16] = 0x1122_3344_5566_7788_8877_6655_4433_2211_u128.to_be_bytes();
const MAINTENANCE: [u8; 16] = 0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100_u128.to_be_bytes();

/// One session of so many deletes, in the storm.
const DELETIONS: usize = 12;

/// What all worlds of this job share.
pub(crate) struct Setting {
    order: Order,
    keys: SoftwareKeys,
}

impl Setting {
    pub(crate) fn new() -> Self {
        Self { order: order::order(), keys: order::keys() }
    }
}

struct Issuing {
    order: Order,
    numbers: u16,
}

/// What came of one conversation of a session.
enum Stage {
    Took(Result<Ticket, Refusal>),
    Issued(Ticket, Box<Result<Outcome<Report>, IssueError>>),
    Committed(Result<(), Refusal>, bool),
    Deleted(Box<Result<Outcome<Report>, IssueError>>),
}

impl Job for Issuing {
    type Card = Card;
    type Ended = Stage;

    fn begin(&mut self, at: &mut Moment<'_>) -> Talk<Stage> {
        if !at.is_calm && at.dice.below(DELETIONS) == 0 {
            let aid = if at.dice.below(2) == 0 { order::instance() } else { order::package() };
            return self.delete(aid, at);
        }
        let start = at.dice.below(self.numbers.into()) as u16;
        let shelf = Shelf { size: self.numbers, start, now_ms: at.clock_ms };
        Talk::new(numbers::take(shelf), Stage::Took)
    }

    fn go_on(&mut self, ended: Stage, at: &mut Moment<'_>) -> Next<Stage> {
        match ended {
            Stage::Took(Ok(ticket)) => {
                let fence = (ticket.number.entity(), ticket.last_seq);
                let conversation = remote::issue(self.order(&ticket, at));
                let talk = Talk::new(conversation, move |issued| Stage::Issued(ticket.clone(), Box::new(issued)));
                Next::Talk(talk, Some(fence))
            }
            Stage::Issued(ticket, issued) => match *issued {
                Ok(Outcome::Complete(report)) => {
                    let changed = report.changed;
                    let commit = numbers::commit(ticket, at.clock_ms);
                    Next::Talk(Talk::new(commit, move |committed| Stage::Committed(committed, changed)), None)
                }
                // Somebody began to delete it: that is finished first.
                Err(IssueError::OpenDeletion { aid }) => Next::Talk(self.delete(aid, at), None),
                other => Next::End(verdict(&other)),
            },
            Stage::Deleted(deleted) => Next::End(verdict(&deleted)),
            Stage::Committed(Ok(()), changed) => Next::End(Verdict::Finished { changed }),
            Stage::Took(Err(refusal)) | Stage::Committed(Err(refusal), _) => {
                Next::End(Verdict::Again(refusal.to_string()))
            }
        }
    }
}

impl Issuing {
    /// Deletes the application or its load file from whatever card is there; the card is to be issued again then.
    fn delete(&self, aid: Aid, at: &mut Moment<'_>) -> Talk<Stage> {
        let access = Order { override_lockout: at.person.overrides, release: release(at), ..self.order.clone() };
        let deletion = remote::delete(DeleteOrder { aid, force: true, access });
        Talk::new(deletion, |deleted| Stage::Deleted(Box::new(deleted)))
    }

    fn order(&self, ticket: &Ticket, at: &mut Moment<'_>) -> Order {
        let level = if at.dice.below(4) == 0 { SecurityLevel::C_MAC } else { SecurityLevel::C_DECRYPTION };
        let mut order = Order { level, ..self.order.clone() };
        order.card = Some(ticket.card.clone());
        order.override_lockout = at.person.overrides;
        order.release = release(at);
        for application in &mut order.applications {
            application.parameters = ticket.number.serial().to_vec();
        }
        order
    }
}

/// What two persons have decided; while the disk is down nobody can look at what is to be.
fn release(at: &Moment<'_>) -> Option<Release> {
    at.person.releases.then(|| release_all(at.journal, at.clock_ms).ok()).flatten()
}

fn verdict(issued: &Result<Outcome<Report>, IssueError>) -> Verdict {
    match issued {
        Ok(Outcome::Quarantined { step, reason }) => {
            Verdict::NeedsPerson(format!("{step}: {reason}"), Person { releases: true, overrides: false })
        }
        Err(error @ IssueError::LockedOut { .. }) => {
            Verdict::NeedsPerson(error.to_string(), Person { overrides: true, releases: false })
        }
        Ok(outcome) => Verdict::Again(format!("{outcome:?}")),
        Err(error) => Verdict::Again(error.to_string()),
    }
}

/// Runs the world of a seed.
pub(crate) fn run(setting: &Setting, seed: u64, cards: usize, setup: Setup, traced: bool) -> WorldReport {
    let mut chance = Chance::new(seed, traced);
    // Fewer than could be wanted at once: one that is lost is missed.
    let numbers = cards as u16 + 1;
    let cards = (0..cards as u64).map(|number| Card::draw(number + 1, &mut chance.dice)).collect();
    let job = Issuing { order: setting.order.clone(), numbers };
    let mut world = World::new(job, cards, setting.keys.clone(), chance, setup);
    world.run();
    let records = world.disk.records();
    let found = check::check(&world.cards.cards, &world.standings, numbers, &records);
    found.into_iter().for_each(|violation| world.violation(violation));
    let commands = world.cards.cards.iter().map(|card| card.chip.executed()).sum();
    report::of(world, seed, commands, &records)
}
