//! One world: servers, terminals, cards, a network and a disk under one scheduler.
//!
//! A world is single-threaded and is wholly decided by its seed. The scheduler answers the open questions of all sessions in an
//! order that it draws; between two answers anything may happen that the weather has. When every card has been presented often
//! enough, the weather turns calm, the power is cut once more, and each card is presented again until nothing is left to do.

use std::fmt;

use cardwright::apdu::{ProcedureError, Progress, ResponseApdu, Transport, TransportError};
use cardwright::issuance::account::{AccountError, AccountRequest, BookingStatus};
use cardwright::issuance::journal::{Entity, Entry};
use cardwright::issuance::store::Journal;
use cardwright::issuance::{Answer, Ask, Conversation};
use cardwright::keys::{KeyAnswer, KeyError, KeyService, SoftwareKeys};
use cardwright::relay::{Body, SessionId, Terminal as RelayTerminal};

use crate::Setup;
use crate::chance::Chance;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::journal_reader::{Event, event};
use crate::meddler::Meddler;
use crate::network::{Line, Network, at_terminal, line_lost};
use crate::sabotage::Sabotage;
use crate::terminal::{Cards, Chip};
use crate::weather::{Hazard, Weather};

/// 2023-11-14, the wall clock when a world begins, in milliseconds.
const BEGIN_MS: u64 = 1_700_000_000_000;
/// How often a card is presented while it storms.
const MAX_PRESENTATIONS: u32 = 6;
/// How often a card is presented after the storm before it counts as stuck.
const MAX_CALM_ROUNDS: u32 = 8;
/// Questions of one session after the storm: many times what any card takes.
const MAX_CALM_QUESTIONS: u32 = 3000;

/// What a kind of job brings into the world.
pub(crate) trait Job {
    type Card: Chip + Send;
    type Ended;

    /// The first conversation that a server has with whatever card it finds.
    fn begin(&mut self, at: &mut Moment<'_>) -> Talk<Self::Ended>;
    /// What follows from what came of one.
    fn go_on(&mut self, ended: Self::Ended, at: &mut Moment<'_>) -> Next<Self::Ended>;

    /// Whoever keeps the accounts, where there are some.
    fn account(&mut self, _request: &AccountRequest, _chance: &mut Chance) -> Result<BookingStatus, AccountError> {
        Err(AccountError::NoPort)
    }

    /// What happens outside between two answers; says what is wrong at this moment.
    fn tick(&mut self, _cards: &[Self::Card], _chance: &mut Chance) -> Option<String> {
        None
    }
}

/// When a server decides something.
pub(crate) struct Moment<'a> {
    pub(crate) person: Person,
    /// The server's clock.
    pub(crate) clock_ms: u64,
    /// The storm is over.
    pub(crate) is_calm: bool,
    pub(crate) dice: &'a mut Dice,
    pub(crate) journal: &'a dyn Journal,
}

/// What a server does next in a session.
pub(crate) enum Next<E> {
    /// Another conversation. With a fence, nothing of it is written after another has written of this entity.
    Talk(Talk<E>, Option<(Entity, u64)>),
    /// The session is over.
    End(Verdict),
}

type Answered<E> = Result<Progress<Ask, E>, ProcedureError>;

/// A conversation, whatever its result is called.
pub(crate) struct Talk<E>(Box<dyn FnMut(Option<Answer>) -> Answered<E>>);

impl<E> Talk<E> {
    pub(crate) fn new<T: 'static>(mut conversation: Conversation<T>, end: impl Fn(T) -> E + 'static) -> Self {
        Self(Box::new(move |answer| {
            let progress = match answer {
                None => conversation.start(),
                Some(answer) => conversation.answer(answer),
            };
            Ok(match progress? {
                Progress::Ask(ask) => Progress::Ask(ask),
                Progress::Done(result) => Progress::Done(end(result)),
            })
        }))
    }

    fn start(&mut self) -> Answered<E> {
        (self.0)(None)
    }

    fn answer(&mut self, answer: Answer) -> Answered<E> {
        (self.0)(Some(answer))
    }
}

/// What a person has decided before a card is presented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// Try although the card had too many failed authentications.
    pub(crate) overrides: bool,
    /// Try quarantined steps again.
    pub(crate) releases: bool,
}

/// What a server makes of the end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The card is as it should be; whether it had to be changed.
    Finished { changed: bool },
    /// The card has to be presented again.
    Again(String),
    /// A person has to decide first.
    NeedsPerson(String, Person),
}

struct Session<J: Job> {
    number: u64,
    server: usize,
    terminal: usize,
    /// Which of the cards that were put into the terminal it began with: a reader tells when that one was taken out.
    insertion: u64,
    person: Person,
    talk: Talk<J::Ended>,
    fence: Option<(Entity, u64)>,
    ask: Option<Ask>,
    /// The way to a terminal at the far end of the network; without one the card is in a reader of the server.
    line: Option<Line>,
    meddler: Meddler,
}

/// A terminal's end of the relay, at the far end of the network.
#[derive(Default)]
struct Far {
    end: RelayTerminal,
    /// Which of the cards that were put in the present session is about.
    insertion: u64,
}

#[derive(Default)]
struct Server {
    is_down: bool,
    paused_until: u64,
    clock_offset_ms: i64,
}

/// How a card stood when it was last presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Unfinished,
    Finished,
    /// A person has to look at it, and looking did not help.
    Quarantined,
}

pub(crate) struct World<J: Job> {
    pub(crate) job: J,
    pub(crate) chance: Chance,
    pub(crate) disk: Disk,
    pub(crate) cards: Cards<J::Card>,
    pub(crate) standings: Vec<Standing>,
    pub(crate) violations: Vec<String>,
    /// Sessions begun.
    pub(crate) begun: u64,
    keys: SoftwareKeys,
    sabotage: Option<Sabotage>,
    servers: Vec<Server>,
    sessions: Vec<Session<J>>,
    network: Network,
    /// The terminals' ends of the relay, of those terminals that are far away.
    far: Vec<Option<Far>>,
    presentations: Vec<u32>,
    is_calm: bool,
}

/// What the scheduler may do next.
#[derive(Clone, Copy)]
enum Move {
    Answer(usize),
    Begin(usize),
    Insert(usize),
}

impl<J: Job> World<J> {
    pub(crate) fn new(
        job: J,
        cards: Vec<J::Card>,
        keys: SoftwareKeys,
        mut chance: Chance,
        Setup { sabotage, store }: Setup,
    ) -> Self {
        let shows_by = sabotage.map_or(&[][..], Sabotage::shows_by);
        chance.weather = chance.weather.clone().with(shows_by);
        let terminals = 1 + chance.dice.below(3);
        let servers = (0..1 + chance.dice.below(2)).map(|_| Server::default()).collect();
        let far = (0..terminals).map(|_| (chance.dice.below(3) == 0).then(Far::default)).collect();
        Self {
            job,
            chance,
            disk: Disk::new(store, sabotage != Some(Sabotage::UnsyncedCommit)),
            standings: vec![Standing::Unfinished; cards.len()],
            presentations: vec![0; cards.len()],
            cards: Cards::new(cards, terminals),
            violations: Vec::new(),
            begun: 0,
            keys,
            sabotage,
            servers,
            sessions: Vec::new(),
            network: Network::default(),
            far,
            is_calm: false,
        }
    }

    /// The storm, then the calm after it.
    pub(crate) fn run(&mut self) {
        let limit = 4000 * self.cards.cards.len() as u64;
        while self.chance.steps() < limit && self.violations.is_empty() && self.storm() {}
        self.calm_down();
        for card in 0..self.cards.cards.len() {
            self.recover(card);
        }
    }

    pub(crate) fn violation(&mut self, what: String) {
        self.chance.trace(format_args!("VIOLATION {what}"));
        self.violations.push(what);
    }

    fn tick(&mut self) {
        self.chance.tick();
        let wrong = self.job.tick(&self.cards.cards, &mut self.chance);
        // What is wrong once is wrong at each tick that follows.
        if let Some(violation) = wrong.filter(|_| self.violations.is_empty()) {
            self.violation(violation);
        }
    }

    /// One step of the storm; `false` when all cards have been through it.
    fn storm(&mut self) -> bool {
        self.tick();
        self.repair();
        self.disturb();
        if !self.network.is_empty() && self.chance.dice.below(2) == 0 {
            self.deliver();
            return true;
        }
        let moves = self.moves();
        match moves.get(self.chance.dice.below(moves.len())) {
            Some(Move::Answer(session)) => drop(self.answer(*session)),
            Some(Move::Begin(terminal)) => self.begin(*terminal, Person::default()),
            Some(Move::Insert(terminal)) => self.insert(*terminal),
            None => {
                let is_over = self.cards.at_hand.is_empty() && self.cards.terminals.iter().all(|at| at.card.is_none());
                return !is_over || !self.sessions.is_empty();
            }
        }
        true
    }

    fn moves(&self) -> Vec<Move> {
        let now = self.chance.steps();
        let runs = |server: &Server| !server.is_down && server.paused_until <= now;
        let mut moves: Vec<Move> = (0..self.sessions.len())
            .filter(|session| runs(&self.servers[self.sessions[*session].server]))
            .map(Move::Answer)
            .collect();
        let is_idle = |terminal: &usize| self.sessions.iter().all(|session| session.terminal != *terminal);
        for (terminal, state) in self.cards.terminals.iter().enumerate().filter(|(_, state)| !state.is_gone) {
            match state.card {
                None if !self.cards.at_hand.is_empty() => moves.push(Move::Insert(terminal)),
                Some(_) if is_idle(&terminal) && self.servers.iter().any(runs) => moves.push(Move::Begin(terminal)),
                _ => {}
            }
        }
        moves
    }

    /// What was broken comes back, sooner or later.
    fn repair(&mut self) {
        if self.disk.is_down() && self.chance.dice.below(4) == 0 {
            self.restart_disk();
        }
        for server in 0..self.servers.len() {
            if self.servers[server].is_down && self.chance.dice.below(4) == 0 {
                self.servers[server].is_down = false;
                self.chance.trace(format_args!("server {server} starts"));
                // A journal of its own is opened by the program; a shared one has stayed open.
                if self.servers.len() == 1 {
                    self.restart_disk();
                }
            }
        }
        for terminal in 0..self.cards.terminals.len() {
            if self.cards.terminals[terminal].is_gone && self.chance.dice.below(8) == 0 {
                self.cards.terminals[terminal].is_gone = false;
                self.chance.trace(format_args!("terminal {terminal} is back"));
            }
        }
    }

    fn restart_disk(&mut self) {
        if let Err(error) = self.disk.restart() {
            self.violation(format!("the journal cannot be opened: {error}"));
        }
        self.chance.trace(format_args!("the journal is open, {} records", self.disk.last_seq()));
    }

    /// What happens between two answers.
    fn disturb(&mut self) {
        let (terminals, servers) = (self.cards.terminals.len(), self.servers.len());
        if self.chance.strikes(Hazard::Pulled) {
            let terminal = self.chance.dice.below(terminals);
            let card = self.cards.pull(terminal);
            self.chance.trace(format_args!("  terminal {terminal}: {card:?} taken out"));
        }
        if self.chance.strikes(Hazard::Paused) {
            let server = self.chance.dice.below(servers);
            self.servers[server].paused_until = self.chance.steps() + 20 + self.chance.dice.below(300) as u64;
            self.chance.now_ms += 60_000;
        }
        if self.chance.strikes(Hazard::ClockJump) {
            let (server, hours) = (self.chance.dice.below(servers), self.chance.dice.below(100) as i64 - 50);
            self.servers[server].clock_offset_ms = hours * 3_600_000;
        }
        if self.chance.strikes(Hazard::Rival) {
            let terminal = self.chance.dice.below(terminals);
            // A reader of the server itself is held by one session at a time.
            if self.cards.terminals[terminal].card.is_some() && self.far[terminal].is_some() {
                self.begin(terminal, Person::default());
            }
        }
    }

    /// Somebody puts a card into an empty terminal.
    fn insert(&mut self, terminal: usize) {
        let place = self.chance.dice.below(self.cards.at_hand.len());
        let card = self.cards.insert(terminal, place);
        self.chance.now_ms += 2_000 + self.chance.dice.below(10_000) as u64;
        self.chance.trace(format_args!("terminal {terminal}: card {card} put in"));
    }

    /// A server begins a session with the card in a terminal.
    fn begin(&mut self, terminal: usize, person: Person) {
        let now = self.chance.steps();
        let start = self.chance.dice.below(self.servers.len());
        let runs = |server: &usize| !self.servers[*server].is_down && self.servers[*server].paused_until <= now;
        let Some(server) = (0..self.servers.len()).map(|n| (start + n) % self.servers.len()).find(runs) else { return };
        let number = self.begun;
        self.begun += 1;
        if let Some(card) = self.cards.terminals[terminal].card {
            self.presentations[card] += 1;
        }
        let line = self.far[terminal].as_mut().map(|far| {
            *far = Far { end: RelayTerminal::new(), insertion: self.cards.terminals[terminal].insertions };
            let mut id = [0; 16];
            id[8..].copy_from_slice(&number.to_be_bytes());
            Line::new(SessionId(id))
        });
        let clock_ms = self.wall_clock(server);
        let mut talk = self.job.begin(&mut Moment {
            person,
            clock_ms,
            is_calm: self.is_calm,
            dice: &mut self.chance.dice,
            journal: self.disk.journal(),
        });
        self.chance.trace(format_args!("session {number}: server {server} at terminal {terminal}, {person:?}"));
        let progress = talk.start();
        let meddler = Meddler::new(self.sabotage);
        let insertion = self.cards.terminals[terminal].insertions;
        let session =
            Session { number, server, terminal, insertion, person, talk, fence: None, ask: None, line, meddler };
        self.sessions.push(session);
        self.go_on(self.sessions.len() - 1, progress);
    }

    /// Takes the machine's next question, or begins what follows from its end.
    fn go_on(&mut self, at: usize, mut progress: Answered<J::Ended>) -> Option<(usize, Verdict)> {
        loop {
            let ended = match progress {
                Ok(Progress::Ask(ask)) => {
                    self.sessions[at].ask = Some(ask);
                    return None;
                }
                Ok(Progress::Done(ended)) => ended,
                Err(error) => {
                    let session = self.sessions.swap_remove(at);
                    self.violation(format!("session {}: {error}", session.number));
                    return None;
                }
            };
            let clock_ms = self.wall_clock(self.sessions[at].server);
            let person = self.sessions[at].person;
            match self.job.go_on(
                ended,
                &mut Moment {
                    person,
                    clock_ms,
                    is_calm: self.is_calm,
                    dice: &mut self.chance.dice,
                    journal: self.disk.journal(),
                },
            ) {
                Next::Talk(talk, fence) => {
                    let session = &mut self.sessions[at];
                    (session.talk, session.fence) = (talk, fence);
                    progress = session.talk.start();
                }
                Next::End(verdict) => {
                    let session = self.sessions.swap_remove(at);
                    self.chance.trace(format_args!("session {}: {verdict:?}", session.number));
                    self.put_away(session.terminal, &verdict);
                    return Some((session.terminal, verdict));
                }
            }
        }
    }

    /// A finished card leaves its terminal, as a rule for good; one that was presented too often leaves it, too.
    fn put_away(&mut self, terminal: usize, verdict: &Verdict) {
        let Some(card) = self.cards.terminals[terminal].card else { return };
        let is_finished = matches!(verdict, Verdict::Finished { .. });
        if !is_finished && self.presentations[card] < MAX_PRESENTATIONS {
            return;
        }
        self.cards.pull(terminal);
        let comes_again = self.presentations[card] < MAX_PRESENTATIONS && self.chance.dice.below(8) == 0;
        if !comes_again {
            self.cards.at_hand.pop();
        }
    }

    /// Answers the open question of a session, unless its server dies before or after.
    fn answer(&mut self, at: usize) -> Option<(usize, Verdict)> {
        if self.sessions[at].line.as_ref().is_some_and(Line::is_waiting) {
            return self.ask_again(at);
        }
        let ask = self.sessions[at].ask.take()?;
        let server = self.sessions[at].server;
        let is_effect = matches!(ask, Ask::Transmit(_) | Ask::Commit(_) | Ask::Account(_));
        if is_effect && self.chance.strikes(Hazard::CrashBefore) {
            self.kill(server);
            return None;
        }
        let answer = self.answer_to(at, ask)?;
        if is_effect && self.chance.strikes(Hazard::CrashAfter) {
            self.kill(server);
            return None;
        }
        // With a journal of its own a program does not outlive the machine's power.
        if self.disk.is_down() && self.servers.len() == 1 {
            self.kill(server);
            return None;
        }
        let progress = self.sessions[at].talk.answer(answer);
        self.go_on(at, progress)
    }

    /// A program dies with all that it has under way; nothing is undone.
    fn kill(&mut self, server: usize) {
        self.chance.trace(format_args!("server {server} dies"));
        self.servers[server].is_down = true;
        self.sessions.retain(|session| session.server != server);
    }

    /// The answer to a question; `None` when it has to come over the network.
    fn answer_to(&mut self, at: usize, ask: Ask) -> Option<Answer> {
        let number = self.sessions[at].number;
        Some(match ask {
            Ask::Transmit(command) => {
                self.chance.trace(format_args!("session {number}: {}", command.name()));
                if let Some(response) = self.sessions[at].meddler.believe(&command) {
                    return Some(Answer::Response(Ok(response)));
                }
                if self.sessions[at].line.is_some() {
                    let bytes = command.to_bytes().unwrap_or_default();
                    return self.send(at, Body::Command(bytes));
                }
                let place = (self.sessions[at].terminal, self.sessions[at].insertion);
                let last_seq = self.disk.last_seq();
                let mut response = self.cards.edge(place, &mut self.chance, last_seq).exchange(&command);
                if self.sessions[at].meddler.retries(&response) {
                    response = self.cards.edge(place, &mut self.chance, last_seq).exchange(&command);
                }
                self.chance.trace(format_args!("session {number}:   {}", Words(&response)));
                self.sessions[at].meddler.hear(&command, &response);
                self.write_late(at);
                Answer::Response(response)
            }
            Ask::Reset => {
                self.chance.trace(format_args!("session {number}: reset"));
                if self.sessions[at].line.is_some() {
                    return self.send(at, Body::Reset);
                }
                let place = (self.sessions[at].terminal, self.sessions[at].insertion);
                Answer::Atr(self.cards.edge(place, &mut self.chance, 0).reset())
            }
            Ask::Account(request) => {
                let mut status = self.job.account(&request, &mut self.chance);
                if let Some(again) = self.sessions[at].meddler.book_again(&request, &status) {
                    status = self.job.account(&again, &mut self.chance);
                }
                self.chance.trace(format_args!("session {number}: {request:?}: {status:?}"));
                self.write_late(at);
                Answer::Account(status)
            }
            Ask::Keys(request) if self.sessions[at].meddler.believes_key(&request) => {
                Answer::Keys(Ok(KeyAnswer::Verified(true)))
            }
            Ask::Keys(request) => Answer::Keys(if self.chance.strikes(Hazard::KeysAway) {
                Err(KeyError::Unavailable { reason: "it storms".into() })
            } else {
                self.keys.answer(&request)
            }),
            Ask::History(entity) => Answer::History(self.disk.history(&entity)),
            Ask::Commit(mut transaction) => {
                transaction.expect.extend(self.sessions[at].fence.clone());
                if self.sabotage == Some(Sabotage::NoFencing) {
                    let is_lease =
                        |entity: &Entity| ["number/", "purse/"].iter().any(|kind| entity.as_str().starts_with(kind));
                    transaction.expect.retain(|(entity, _)| !is_lease(entity));
                }
                let last_seq = self.disk.last_seq();
                match self.sessions[at].meddler.keep_back(transaction, last_seq) {
                    Ok(durable) => Answer::Committed(Ok(durable)),
                    Err(transaction) => {
                        let time = self.wall_clock(self.sessions[at].server);
                        for entry in &transaction.entries {
                            self.chance.trace(format_args!("session {number}: {}", Written(entry)));
                        }
                        let result = self.disk.commit(transaction, time, &mut self.chance);
                        match &result {
                            Ok(durable) => {
                                self.chance.trace(format_args!("session {number}: record {}", durable.last_seq()));
                            }
                            Err(error) => self.chance.trace(format_args!("session {number}: not written: {error}")),
                        }
                        Answer::Committed(result)
                    }
                }
            }
            Ask::Random => Answer::Random(self.chance.dice.bytes()),
            other => {
                self.violation(format!("session {number}: a question that this world does not know: {other:?}"));
                return None;
            }
        })
    }

    fn wall_clock(&self, server: usize) -> u64 {
        (BEGIN_MS + self.chance.now_ms).saturating_add_signed(self.servers[server].clock_offset_ms)
    }

    /// [`Sabotage::IntentAfterCommand`]: now that the command is out, its intent is written.
    fn write_late(&mut self, at: usize) {
        if let Some(transaction) = self.sessions[at].meddler.late_intent() {
            if self.chance.strikes(Hazard::CrashBefore) {
                return;
            }
            let time = self.wall_clock(self.sessions[at].server);
            let _ = self.disk.commit(transaction, time, &mut self.chance);
        }
    }

    /// Sends a question to a far terminal.
    fn send(&mut self, at: usize, body: Body) -> Option<Answer> {
        let reset = matches!(body, Body::Reset);
        let session = &mut self.sessions[at];
        let Some(frame) = session.line.as_mut().and_then(|line| line.ask(body)) else { return Some(line_lost(reset)) };
        self.network.send(session.terminal, frame, &mut self.chance);
        None
    }

    /// A session whose terminal has not answered asks once more, or gives up.
    fn ask_again(&mut self, at: usize) -> Option<(usize, Verdict)> {
        if !self.network.is_empty() && (self.is_calm || self.chance.dice.below(8) != 0) {
            return self.deliver();
        }
        let session = &mut self.sessions[at];
        let reset = session.line.as_ref().is_some_and(Line::asks_for_reset);
        match session.line.as_mut().and_then(Line::ask_again) {
            Some(frame) => {
                self.network.send(session.terminal, frame, &mut self.chance);
                None
            }
            None => {
                let progress = self.sessions[at].talk.answer(line_lost(reset));
                self.go_on(at, progress)
            }
        }
    }

    /// One frame arrives.
    fn deliver(&mut self) -> Option<(usize, Verdict)> {
        let packet = self.network.deliver(&mut self.chance)?;
        let (terminal, id) = (packet.terminal, packet.frame.session);
        if matches!(packet.frame.body, Body::Command(_) | Body::Reset | Body::Close) {
            let far = self.far[terminal].as_mut()?;
            let place = (terminal, far.insertion);
            let last_seq = self.disk.last_seq();
            let mut edge = self.cards.edge(place, &mut self.chance, last_seq);
            let answer = at_terminal(&mut far.end, packet.frame, &mut edge)?;
            self.network.send(terminal, answer, &mut self.chance);
            return None;
        }
        let is_its = |session: &Session<J>| session.line.as_ref().is_some_and(|line| line.id() == id);
        let at = self.sessions.iter().position(is_its)?;
        let answer = self.sessions[at].line.as_mut()?.take(packet.frame)?;
        if let Answer::Response(response) = &answer {
            let number = self.sessions[at].number;
            self.chance.trace(format_args!("session {number}:   {}", Words(response)));
        }
        self.write_late(at);
        let progress = self.sessions[at].talk.answer(answer);
        self.go_on(at, progress)
    }

    /// The storm is over: what is under way ends, the power goes once more, everything comes back.
    fn calm_down(&mut self) {
        self.chance.trace(format_args!("the storm is over"));
        self.is_calm = true;
        self.chance.weather = Weather::calm();
        // What is still on the network may arrive after its session has ended.
        self.sessions.clear();
        while !self.network.is_empty() {
            self.tick();
            self.deliver();
        }
        if !self.disk.is_down() {
            self.disk.power_cut(&mut self.chance);
        }
        self.restart_disk();
        // Whatever waited for a time, by whatever clock, has waited long enough.
        self.chance.now_ms += 30 * 24 * 3_600_000;
        self.servers.iter_mut().for_each(|server| *server = Server::default());
        for terminal in 0..self.cards.terminals.len() {
            self.cards.terminals[terminal].is_gone = false;
            self.cards.pull(terminal);
        }
        self.cards.at_hand = (0..self.cards.cards.len()).collect();
    }

    /// Presents a card until nothing is left to do.
    fn recover(&mut self, card: usize) {
        let mut person = Person::default();
        let mut needs_person = 0;
        let mut last = String::new();
        for _ in 0..MAX_CALM_ROUNDS {
            let Some(place) = self.cards.at_hand.iter().position(|other| *other == card) else { break };
            let terminal = self.chance.dice.below(self.cards.terminals.len());
            self.cards.insert(terminal, place);
            self.chance.now_ms += 3_600_000;
            self.chance.trace(format_args!("terminal {terminal}: card {card} put in"));
            self.begin(terminal, person);
            let mut verdict = None;
            let mut questions = 0;
            while verdict.is_none() && !self.sessions.is_empty() && questions < MAX_CALM_QUESTIONS {
                questions += 1;
                self.tick();
                verdict = self.answer(0);
            }
            self.cards.pull(terminal);
            self.cards.at_hand.retain(|other| *other != card);
            self.cards.at_hand.push(card);
            match verdict {
                Some((_, Verdict::Finished { changed: false })) => {
                    self.standings[card] = Standing::Finished;
                    return;
                }
                // Once more: then there must be nothing to do.
                Some((_, Verdict::Finished { changed: true })) => last = "changed each time".into(),
                Some((_, Verdict::Again(reason))) => last = reason,
                Some((_, Verdict::NeedsPerson(reason, decision))) => {
                    needs_person += 1;
                    if needs_person > 2 {
                        self.chance.trace(format_args!("card {card}: {reason}"));
                        self.standings[card] = Standing::Quarantined;
                        return;
                    }
                    person = decision;
                }
                None => {
                    self.sessions.clear();
                    last = format!("no end after {questions} questions");
                }
            }
        }
        self.violation(format!(
            "card {card}: presented {MAX_CALM_ROUNDS} times after the storm and not finished: {last}"
        ));
    }
}

/// A record, in words, for the trace.
struct Written<'a>(&'a Entry);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match event(&self.0.body) {
            Ok(Event::Step { step, said }) => write!(f, "{}: {step} {said}", self.0.entity),
            Ok(event) => write!(f, "{}: {event:?}", self.0.entity),
            Err(_) => write!(f, "{}: {} bytes", self.0.entity, self.0.body.len()),
        }
    }
}

/// What a card said, in words, for the trace.
struct Words<'a>(&'a Result<ResponseApdu, TransportError>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(response) => write!(f, "{} bytes, {}", response.data().len(), response.sw()),
            Err(error) => error.fmt(f),
        }
    }
}
