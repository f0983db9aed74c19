//! The world's dice, weather, clock and trace: what every part of it needs at hand.

use std::fmt::Arguments;

use crate::dice::Dice;
use crate::weather::{Counts, Hazard, Weather};

pub(crate) struct Chance {
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) counts: Counts,
    /// Milliseconds since the world began.
    pub(crate) now_ms: u64,
    step: u64,
    trace: Option<String>,
}

impl Chance {
    pub(crate) fn new(seed: u64, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let weather = Weather::draw(&mut dice);
        let trace = traced.then(String::new);
        Self { dice, weather, counts: Counts::default(), now_ms: 0, step: 0, trace }
    }

    /// Whether a hazard comes now. One that does is counted and traced.
    pub(crate) fn strikes(&mut self, hazard: Hazard) -> bool {
        let strikes = self.dice.happens(self.weather.rate(hazard));
        if strikes {
            self.counts.count(hazard);
            self.trace(format_args!("! {}", hazard.words()));
        }
        strikes
    }

    /// One step of the scheduler: time goes on.
    pub(crate) fn tick(&mut self) {
        self.step += 1;
        self.now_ms += 1 + self.dice.below(20) as u64;
    }

    pub(crate) fn steps(&self) -> u64 {
        self.step
    }

    /// Writes down what happens, when somebody wants to read it.
    pub(crate) fn trace(&mut self, what: Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            use std::fmt::Write;
            let _ = writeln!(trace, "{:>6} {:>9} ms  {what}", self.step, self.now_ms);
        }
    }

    pub(crate) fn into_trace(self) -> String {
        self.trace.unwrap_or_default()
    }
}
