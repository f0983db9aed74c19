use cardwright_apdu::Delivery;
use proptest::prelude::*;

use super::*;
use crate::session::{Terminal, TerminalAction};

const SESSION: SessionId = SessionId([7; 16]);
const LIMITS: ChannelLimits = ChannelLimits { heartbeat_ms: 1_000, grace_ms: 10_000, command_ms: 60_000 };

fn command(n: u8) -> Body {
    Body::Command(vec![0, n, 0, 0])
}

fn answer(seq: u64, body: Body) -> ChannelEvent {
    ChannelEvent::Frame { epoch: 1, frame: Frame { session: SESSION, seq, body } }
}

fn response() -> Body {
    Body::Response(vec![0x90, 0x00])
}

fn open() -> Channel {
    let mut channel = Channel::new(SESSION, LIMITS, 0);
    assert_eq!(channel.handle(ChannelEvent::Hello, 0), Ok(vec![]));
    assert_eq!(channel.state(), ChannelState::Opening);
    assert_eq!(channel.handle(ChannelEvent::Heard { epoch: 1 }, 1), Ok(vec![]));
    assert_eq!(channel.state(), ChannelState::Open);
    channel
}

fn asked(effects: &[ChannelEffect]) -> &Frame {
    let [ChannelEffect::Send(frame)] = effects else { panic!("{effects:?}") };
    frame
}

fn failed(effects: &[ChannelEffect]) -> Delivery {
    let Some(ChannelEffect::Fail(error)) = effects.first() else { panic!("{effects:?}") };
    error.delivery
}

#[test]
fn no_question_goes_out_before_the_terminal_has_shown_its_key() {
    let mut channel = Channel::new(SESSION, LIMITS, 0);
    assert_eq!(channel.handle(ChannelEvent::Ask(command(1)), 0), Err(ChannelError::Question(ChannelState::Idle)));
    channel.handle(ChannelEvent::Hello, 0).unwrap();
    assert_eq!(channel.handle(ChannelEvent::Ask(command(1)), 0), Err(ChannelError::Question(ChannelState::Opening)));
}

#[test]
fn a_question_survives_its_line_under_the_same_number() {
    let mut channel = open();
    let effects = channel.handle(ChannelEvent::Ask(command(1)), 2).unwrap();
    let first = asked(&effects).clone();
    assert_eq!(
        channel.handle(ChannelEvent::Ask(command(2)), 2),
        Err(ChannelError::Question(ChannelState::Transacting))
    );
    channel.handle(ChannelEvent::LineLost { epoch: 1 }, 3).unwrap();
    channel.handle(ChannelEvent::Hello, 4).unwrap();
    // Not yet: the line is not confirmed.
    assert_eq!(channel.handle(ChannelEvent::Tick, 5), Ok(vec![]));
    let effects = channel.handle(ChannelEvent::Heard { epoch: 2 }, 6).unwrap();
    assert_eq!(asked(&effects), &first);
    // What comes over the line before is not heard any more.
    assert_eq!(channel.handle(answer(1, response()), 7), Ok(vec![]));
    assert_eq!(channel.state(), ChannelState::Transacting);
    let frame = Frame { body: response(), ..first };
    let effects = channel.handle(ChannelEvent::Frame { epoch: 2, frame }, 8).unwrap();
    assert_eq!(effects, [ChannelEffect::Answer(response())]);
    assert_eq!(channel.state(), ChannelState::Open);
}

#[test]
fn a_line_that_is_silent_is_closed_and_a_session_without_one_is_lost() {
    let mut channel = open();
    channel.handle(ChannelEvent::Ask(command(1)), 2).unwrap();
    assert_eq!(channel.handle(ChannelEvent::Tick, 3_001), Ok(vec![]));
    assert_eq!(channel.handle(ChannelEvent::Tick, 3_002), Ok(vec![ChannelEffect::CloseLine]));
    assert_eq!(channel.handle(ChannelEvent::Tick, 13_002), Ok(vec![]));
    let effects = channel.handle(ChannelEvent::Tick, 13_003).unwrap();
    assert_eq!(failed(&effects), Delivery::Unknown);
    assert_eq!(channel.state(), ChannelState::Lost(Loss::Line));
    assert_eq!(channel.handle(ChannelEvent::Hello, 13_004), Err(ChannelError::Over(channel.state())));
    let effects = channel.handle(ChannelEvent::Ask(command(2)), 13_005).unwrap();
    assert_eq!(failed(&effects), Delivery::NotSent);
}

#[test]
fn a_question_that_never_went_out_is_known_not_to_be_executed() {
    let mut channel = open();
    channel.handle(ChannelEvent::LineLost { epoch: 1 }, 1).unwrap();
    assert_eq!(channel.handle(ChannelEvent::Ask(command(1)), 2), Ok(vec![]));
    let effects = channel.handle(ChannelEvent::Tick, 10_002).unwrap();
    assert_eq!(failed(&effects), Delivery::NotSent);
}

#[test]
fn a_terminal_that_begins_anew_evicts() {
    let mut channel = open();
    channel.handle(ChannelEvent::Ask(command(1)), 2).unwrap();
    let effects = channel.handle(ChannelEvent::Evict, 3).unwrap();
    assert_eq!(failed(&effects), Delivery::Unknown);
    assert_eq!(effects[1..], [ChannelEffect::CloseLine]);
    assert_eq!(channel.state(), ChannelState::Evicted);
    // The answer that comes too late is nobody's.
    assert_eq!(channel.handle(answer(1, response()), 4), Ok(vec![]));
}

#[test]
fn a_card_that_is_slow_is_lost_although_its_terminal_lives() {
    let mut channel = open();
    channel.handle(ChannelEvent::Ask(command(1)), 0).unwrap();
    for at in (0..=60_000).step_by(1_000) {
        channel.handle(ChannelEvent::Heard { epoch: 1 }, at).unwrap();
        assert_eq!(channel.handle(ChannelEvent::Tick, at), Ok(vec![]));
    }
    assert_eq!(failed(&channel.handle(ChannelEvent::Tick, 60_001).unwrap()), Delivery::Unknown);
    assert_eq!(channel.state(), ChannelState::Lost(Loss::Command));
}

#[test]
fn a_removed_card_ends_the_session_and_the_terminal_is_told() {
    let mut channel = open();
    channel.handle(ChannelEvent::Ask(command(1)), 0).unwrap();
    let removed = Body::Failed(Failure { delivery: Delivery::Unknown, code: Failure::CARD_REMOVED });
    assert_eq!(channel.handle(answer(1, removed.clone()), 1), Ok(vec![ChannelEffect::Answer(removed)]));
    assert_eq!(channel.state(), ChannelState::Removed);
    assert_eq!(failed(&channel.handle(ChannelEvent::Ask(command(2)), 2).unwrap()), Delivery::NotSent);
    let effects = channel.handle(ChannelEvent::Close, 3).unwrap();
    assert!(matches!(&effects[..], [ChannelEffect::Send(Frame { body: Body::Close, .. }), ChannelEffect::CloseLine]));
}

#[test]
fn frames_that_cannot_follow_end_the_session() {
    for frame in [
        answer(2, response()),
        answer(1, command(1)),
        ChannelEvent::Frame { epoch: 1, frame: Frame { session: SessionId([8; 16]), seq: 1, body: response() } },
    ] {
        let mut channel = open();
        channel.handle(ChannelEvent::Ask(command(1)), 0).unwrap();
        assert_eq!(failed(&channel.handle(frame, 1).unwrap()), Delivery::Unknown);
        assert!(matches!(channel.state(), ChannelState::Lost(Loss::Frame(_))));
    }
}

proptest! {
    /// Lines break anywhere, in both directions, and terminals die: the card gets every command at most once, in order, and
    /// the server believes only what the card said.
    #[test]
    fn the_card_gets_each_command_once(steps in prop::collection::vec(0_u8..8, 1..80)) {
        let (mut channel, mut terminal) = (Channel::new(SESSION, LIMITS, 0), Terminal::new());
        let (mut executed, mut asked, mut answered) = (Vec::new(), 0_u8, 0);
        let (mut to_terminal, mut to_server) = (Vec::new(), Vec::new());
        for (at, step) in (0..).zip(steps) {
            let event = match step {
                0 => { to_terminal.clear(); to_server.clear(); ChannelEvent::Hello }
                1 => ChannelEvent::Heard { epoch: channel.epoch() },
                2 => ChannelEvent::LineLost { epoch: channel.epoch() },
                3 => ChannelEvent::Ask(command(asked)),
                4 | 5 => match to_terminal.pop() {
                    None => continue,
                    Some(frame) => {
                        match terminal.handle_frame(frame).unwrap() {
                            TerminalAction::Transmit(command) => {
                                executed.push(command[1]);
                                to_server.push(terminal.executed(Ok(vec![command[1], 0])).unwrap());
                            }
                            TerminalAction::Send(frame) => to_server.push(frame),
                            _ => {}
                        }
                        continue;
                    }
                },
                6 => match to_server.pop() {
                    None => continue,
                    Some(frame) => ChannelEvent::Frame { epoch: channel.epoch(), frame },
                },
                _ => ChannelEvent::Tick,
            };
            for effect in channel.handle(event, at).unwrap_or_default() {
                match effect {
                    ChannelEffect::Send(frame) => {
                        if let Body::Command(command) = &frame.body {
                            asked = command[1] + 1;
                        }
                        to_terminal.push(frame);
                    }
                    ChannelEffect::Answer(Body::Response(said)) => {
                        prop_assert_eq!(said[0], answered);
                        prop_assert!(executed.contains(&answered));
                        answered += 1;
                        asked = asked.max(answered);
                    }
                    _ => {}
                }
            }
        }
        let expected: Vec<u8> = (0..executed.len() as u8).collect();
        prop_assert_eq!(executed, expected);
    }
}
