//! What may go wrong, how often it does in one world, and how often it did.

use crate::dice::Dice;

macro_rules! hazards {
    ($($name:ident, $words:literal, $often:literal;)*) => {
        /// Something that goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Hazard {
            $(#[doc = $words] $name,)*
        }

        impl Hazard {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            pub(crate) fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }

            /// How often it happens in rough weather, in 10 000 opportunities.
            fn often(self) -> u32 {
                match self { $(Self::$name => $often,)* }
            }
        }
    };
}

hazards! {
    TornBefore, "card torn out before it executes a command", 80;
    TornAfter, "card torn out after it has executed a command", 80;
    Bounced, "card reset by a loose contact, nobody is told", 20;
    Swapped, "wrong card put back, nobody is told", 40;
    Unheard, "answer lost, the card stays", 60;
    Undelivered, "command lost on its way, the card stays", 40;
    FalseStatus, "reader says 9000 (with a made-up TAC) to a write that it did not carry", 100;
    FalseDenial, "reader says 6A80 to a write that it did carry", 30;
    Doubled, "reader sends CREDIT FOR LOAD twice", 200;
    Replayed, "reader shows an old answer to INITIALIZE FOR LOAD", 150;
    BookingLate, "bank: request arrives late, nobody is told", 200;
    BookingPending, "bank: not decided yet", 150;
    BookingDoubled, "bank: request arrives twice", 150;
    BookingUnheard, "bank: answer lost", 200;
    BookingRefused, "bank: refused for good, reversals too", 100;
    ReaderGone, "reader gone", 20;
    FrameLost, "relay: frame lost", 80;
    FrameDoubled, "relay: frame doubled", 80;
    CrashBefore, "program killed before it acts", 20;
    CrashAfter, "program killed after it has acted", 20;
    PowerBeforeWrite, "power cut before a write", 40;
    PowerAfterWrite, "power cut after a write, before its sync: lost or torn", 60;
    PowerAfterSync, "power cut after the sync, nobody is told", 60;
    DiskFull, "disk full", 60;
    KeysAway, "key service does not answer", 20;
    Paused, "program paused for minutes", 15;
    ClockJump, "clock of a program set", 15;
    Pulled, "card taken out between commands, another may follow", 40;
    Rival, "second session on the card while one is under way", 40;
}

/// How often each hazard comes in one world, in 10 000 opportunities.
#[derive(Clone)]
pub(crate) struct Weather([u32; Hazard::ALL.len()]);

impl Weather {
    pub(crate) fn calm() -> Self {
        Self([0; Hazard::ALL.len()])
    }

    /// Each world has its own: some hazards are absent, some come often.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let mut weather = Self::calm();
        for hazard in Hazard::ALL {
            let factor = [0, 0, 1, 1, 2, 4][dice.below(6)];
            weather.0[*hazard as usize] = hazard.often() * factor;
        }
        weather
    }

    /// The same weather, in which these hazards come often.
    pub(crate) fn with(mut self, hazards: &[Hazard]) -> Self {
        for hazard in hazards {
            self.0[*hazard as usize] = 4 * hazard.often();
        }
        self
    }

    pub(crate) fn rate(&self, hazard: Hazard) -> u32 {
        self.0[hazard as usize]
    }
}

/// How often each hazard came.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts([u64; Hazard::ALL.len()]);

impl Counts {
    pub(crate) fn count(&mut self, hazard: Hazard) {
        self.0[hazard as usize] += 1;
    }

    pub(crate) fn of(&self, hazard: Hazard) -> u64 {
        self.0[hazard as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}
