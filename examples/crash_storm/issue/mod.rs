//! The main job: Java cards get an application and keys of their own.

mod card;
mod check;
mod order;

use cardwright::gp::SecurityLevel;
use cardwright::issuance::Conversation;
use cardwright::issuance::remote::{self, IssueError, Order, Outcome, Report};
use cardwright::keys::SoftwareKeys;

use self::card::Card;
use crate::chance::Chance;
use crate::report::{self, WorldReport};
use crate::sabotage::Sabotage;
use crate::world::{Job, Person, Verdict, World};

const DOMAIN_AES: [u8; 16] = 0x0001_0203_0405_0607_0809_0A0B_0C0D_0E0F_u128.to_be_bytes();
const DOMAIN_DES: [u8; 16] = 0xA1A2_A3A4_A1A2_A3A4_A1A2_A3A4_A1A2_A3A4_u128.to_be_bytes();
const MASTER: [u8; 16] = 0x1122_3344_5566_7788_8877_6655_4433_2211_u128.to_be_bytes();
const MAINTENANCE: [u8; 16] = 0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100_u128.to_be_bytes();

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
}

impl Job for Issuing {
    type Card = Card;
    type Ended = Result<Outcome<Report>, IssueError>;

    fn begin(&mut self, person: Person, chance: &mut Chance) -> Conversation<Self::Ended> {
        let level = if chance.dice.below(4) == 0 { SecurityLevel::C_MAC } else { SecurityLevel::C_DECRYPTION };
        let mut order = Order { level, ..self.order.clone() };
        order.override_lockout = person.overrides;
        order.release_quarantine = person.releases;
        remote::issue(order)
    }

    fn judge(&mut self, ended: &Self::Ended) -> Verdict {
        match ended {
            Ok(Outcome::Complete(report)) => Verdict::Finished { changed: report.changed },
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
}

/// Runs the world of a seed.
pub(crate) fn run(setting: &Setting, seed: u64, cards: usize, sabotage: Option<Sabotage>, traced: bool) -> WorldReport {
    let mut chance = Chance::new(seed, traced);
    let cards = (0..cards as u64).map(|number| Card::draw(number + 1, &mut chance.dice)).collect();
    let job = Issuing { order: setting.order.clone() };
    let mut world = World::new(job, cards, setting.keys.clone(), chance, sabotage);
    world.run();
    let records = world.disk.records();
    let found = check::check(&world.cards.cards, &world.standings, &records);
    found.into_iter().for_each(|violation| world.violation(violation));
    let commands = world.cards.cards.iter().map(|card| card.chip.executed()).sum();
    report::of(world, seed, commands, &records)
}
