use proptest::prelude::*;

use super::*;
use crate::machine::testing::{round_trip, run};

const AT: u64 = 1_700_000_000_000;
const NUMBER: &str = "number/8613800000017";

fn captured() -> OrderEvent {
    OrderEvent::IdentityCaptured { at_ms: AT, point: "point-3".into(), subscriber: [7; 32] }
}

fn selected() -> OrderEvent {
    let (number, service) = (NUMBER.to_owned(), "prepaid".to_owned());
    OrderEvent::Selected { at_ms: AT, number, token: Token::new(4), service, price: 5_000 }
}

fn payment() -> OrderEvent {
    OrderEvent::PaymentOrdered { at_ms: AT, payment: "pay-1".into(), until_ms: AT + 300_000 }
}

fn paid(payment: &str, amount: u64) -> OrderEvent {
    OrderEvent::Paid { at_ms: AT, payment: payment.into(), amount }
}

fn closing() -> OrderEvent {
    OrderEvent::Closing { at_ms: AT }
}

fn not_paid() -> OrderEvent {
    OrderEvent::NotPaid { at_ms: AT, payment: "pay-1".into() }
}

fn requested(request: &str) -> OrderEvent {
    OrderEvent::DataRequested { at_ms: AT, request: request.into() }
}

fn ready(request: &str) -> OrderEvent {
    OrderEvent::DataReady { at_ms: AT, request: request.into(), data: [9; 32] }
}

fn begun(card: &str) -> OrderEvent {
    OrderEvent::WriteBegun { at_ms: AT, card: card.into() }
}

fn written(card: &str) -> OrderEvent {
    OrderEvent::Written { at_ms: AT, card: card.into(), proof: [5; 32] }
}

fn not_written(card: &str) -> OrderEvent {
    OrderEvent::NotWritten { at_ms: AT, card: card.into() }
}

fn doubted(card: &str) -> OrderEvent {
    OrderEvent::Doubted { at_ms: AT, card: card.into() }
}

fn refund(refund: &str) -> OrderEvent {
    OrderEvent::RefundRequested { at_ms: AT, refund: refund.into() }
}

fn refunded(refund: &str) -> OrderEvent {
    OrderEvent::Refunded { at_ms: AT, refund: refund.into() }
}

fn failed() -> OrderEvent {
    OrderEvent::Failed { at_ms: AT, why: FailedBecause::Operator }
}

/// The order after all of these, and what the last of them brings.
fn after(events: &[OrderEvent]) -> Result<(Order, Vec<OrderEffect>), OrderError> {
    let mut result = (Order::default(), Vec::new());
    for event in events {
        result = result.0.apply(event)?;
    }
    Ok(result)
}

fn up_to_paid() -> Vec<OrderEvent> {
    vec![captured(), selected(), payment(), paid("pay-1", 5_000)]
}

fn with(mut events: Vec<OrderEvent>, more: &[OrderEvent]) -> Vec<OrderEvent> {
    events.extend_from_slice(more);
    events
}

fn up_to_writing() -> Vec<OrderEvent> {
    with(up_to_paid(), &[requested("data-1"), ready("data-1"), begun("card-1")])
}

fn pay_back() -> OrderEffect {
    OrderEffect::Refund { payment: "pay-1".into(), amount: 5_000 }
}

fn release() -> OrderEffect {
    OrderEffect::Release { number: NUMBER.into(), token: Token::new(4) }
}

#[test]
fn a_card_in_the_hand_activates_the_number_and_nothing_before_does() {
    let events = with(
        up_to_writing(),
        &[written("card-1"), OrderEvent::DispenseBegun { at_ms: AT }, OrderEvent::Taken { at_ms: AT }],
    );
    let activate = OrderEffect::Activate { number: NUMBER.into() };
    for length in 1..events.len() {
        let (order, effects) = after(&events[..length]).unwrap();
        assert!(!effects.contains(&activate), "{:?}", order.state());
        assert!(order.is_open(), "{:?}", order.state());
    }
    let (order, effects) = after(&events).unwrap();
    assert_eq!((order.state(), order.is_open()), (OrderState::Completed, false));
    assert_eq!(effects, [activate, OrderEffect::Notify]);
}

#[test]
fn the_identity_comes_first() {
    let error = after(&[selected()]).unwrap_err();
    assert_eq!(error, OrderError::Illegal { state: OrderState::Draft });
}

#[test]
fn only_this_orders_money_counts_and_all_of_it() {
    for (payment_id, amount) in [("pay-2", 5_000), ("pay-1", 4_999), ("pay-1", 5_001)] {
        let events = [captured(), selected(), payment(), paid(payment_id, amount)];
        assert!(matches!(after(&events), Err(OrderError::OtherPayment { .. })), "{payment_id} {amount}");
    }
}

#[test]
fn a_payment_that_is_being_closed_may_win_and_one_that_comes_after_is_given_back() {
    let waiting = vec![captured(), selected(), payment()];
    let (_, effects) = after(&with(waiting.clone(), &[closing()])).unwrap();
    assert_eq!(effects, [OrderEffect::ClosePayment { payment: "pay-1".into() }]);
    // Nothing is released while the money may be on its way.
    assert!(after(&with(waiting.clone(), &[not_paid()])).is_err());
    let (order, _) = after(&with(waiting.clone(), &[closing(), paid("pay-1", 5_000)])).unwrap();
    assert_eq!(order.state(), OrderState::Paid);
    let (order, effects) = after(&with(waiting.clone(), &[closing(), not_paid()])).unwrap();
    assert_eq!((order.state(), effects), (OrderState::PaymentExpired, vec![release()]));
    let (order, effects) = after(&with(waiting, &[closing(), not_paid(), paid("pay-1", 5_000)])).unwrap();
    assert_eq!((order.state(), effects), (OrderState::RefundPending, vec![pay_back()]));
}

#[test]
fn data_are_for_one_card_alone() {
    let second = with(up_to_writing(), &[not_written("card-1")]);
    let (order, effects) = after(&second).unwrap();
    assert_eq!((order.state(), effects), (OrderState::DataWanted, vec![OrderEffect::Reject { card: "card-1".into() }]));
    // Neither the data of before, nor the request, nor the card.
    assert!(after(&with(second.clone(), &[begun("card-2")])).is_err());
    assert!(matches!(
        after(&with(second.clone(), &[requested("data-1")])),
        Err(OrderError::Id { what: "request", .. })
    ));
    let again = with(second, &[requested("data-2"), ready("data-2")]);
    assert!(matches!(after(&with(again.clone(), &[begun("card-1")])), Err(OrderError::Id { what: "card", .. })));
    let third =
        with(again, &[begun("card-2"), not_written("card-2"), requested("data-3"), ready("data-3"), begun("card-3")]);
    let (order, effects) = after(&with(third, &[not_written("card-3")])).unwrap();
    assert_eq!(order.state(), OrderState::RefundPending);
    assert_eq!(effects, [OrderEffect::Reject { card: "card-3".into() }, release(), pay_back()]);
}

#[test]
fn a_card_of_which_nobody_can_tell_is_not_handed_out() {
    let doubt = with(up_to_writing(), &[doubted("card-1")]);
    let (order, effects) = after(&doubt).unwrap();
    assert_eq!(
        (order.state(), effects),
        (OrderState::Reconciling, vec![OrderEffect::Capture { card: "card-1".into() }])
    );
    assert!(after(&with(doubt.clone(), &[OrderEvent::DispenseBegun { at_ms: AT }])).is_err());
    assert!(after(&with(doubt.clone(), &[not_written("card-1")])).is_err());
    assert!(after(&with(doubt.clone(), &[failed()])).is_err());
    // Still in the writer, and asked: it proves what it holds.
    assert_eq!(after(&with(doubt, &[written("card-1")])).unwrap().0.state(), OrderState::Written);
}

#[test]
fn a_refund_has_one_id() {
    let failing = with(up_to_paid(), &[failed(), refund("back-1")]);
    assert!(after(&with(failing.clone(), &[refund("back-2")])).is_err());
    assert!(matches!(after(&with(failing.clone(), &[refunded("back-2")])), Err(OrderError::Id { what: "refund", .. })));
    assert_eq!(after(&with(failing, &[refunded("back-1")])).unwrap().0.state(), OrderState::Refunded);
}

#[test]
fn a_forgotten_card_is_not_active_until_it_is_handed_over() {
    let forgotten = with(
        up_to_writing(),
        &[written("card-1"), OrderEvent::DispenseBegun { at_ms: AT }, OrderEvent::Forgotten { at_ms: AT }],
    );
    assert_eq!(after(&forgotten).unwrap().1, []);
    let (order, effects) =
        after(&with(forgotten.clone(), &[OrderEvent::HandedOver { at_ms: AT, by: "clerk".into() }])).unwrap();
    assert_eq!(order.state(), OrderState::Completed);
    assert!(effects.contains(&OrderEffect::Activate { number: NUMBER.into() }));
    assert_eq!(after(&with(forgotten, &[failed()])).unwrap().1, [release(), pay_back()]);
}

fn any_event() -> impl Strategy<Value = OrderEvent> {
    let id = |kind: &'static str| (1..4_u8).prop_map(move |n| format!("{kind}-{n}"));
    prop_oneof![
        Just(captured()),
        Just(selected()),
        Just(payment()),
        (id("pay"), 4_999..5_002_u64).prop_map(|(id, amount)| paid(&id, amount)),
        Just(paid("pay-1", 5_000)),
        Just(closing()),
        Just(not_paid()),
        Just(OrderEvent::Reselected { at_ms: AT, number: NUMBER.into(), token: Token::new(9) }),
        id("data").prop_map(|id| requested(&id)),
        id("data").prop_map(|id| ready(&id)),
        id("card").prop_map(|id| begun(&id)),
        id("card").prop_map(|id| written(&id)),
        id("card").prop_map(|id| not_written(&id)),
        id("card").prop_map(|id| doubted(&id)),
        Just(OrderEvent::DispenseBegun { at_ms: AT }),
        Just(OrderEvent::Taken { at_ms: AT }),
        Just(OrderEvent::Forgotten { at_ms: AT }),
        Just(OrderEvent::HandedOver { at_ms: AT, by: "clerk".into() }),
        Just(failed()),
        id("back").prop_map(|id| refund(&id)),
        id("back").prop_map(|id| refunded(&id)),
        Just(OrderEvent::Abandoned { at_ms: AT }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_survive_the_journal(event in any_event()) {
        round_trip::<Order>(&event);
    }

    /// Whatever comes in whatever order: money that came is a card in the hand or goes back, once; no card gets the data of
    /// another; nothing is pushed out that is not proved.
    #[test]
    fn money_is_a_card_or_comes_back(events in prop::collection::vec(any_event(), 0..150)) {
        let (order, taken) = run::<Order>(events);
        let count = |is_it: fn(&OrderEvent) -> bool| taken.iter().filter(|event| is_it(event)).count();
        let came = count(|event| matches!(event, OrderEvent::Paid { .. }));
        let hands = count(|event| matches!(event, OrderEvent::Taken { .. } | OrderEvent::HandedOver { .. }));
        let back = count(|event| matches!(event, OrderEvent::Refunded { .. }));
        prop_assert!(came <= 1 && hands + back <= came);
        let refunds = count(|event| matches!(event, OrderEvent::RefundRequested { .. }));
        prop_assert!(refunds <= 1);
        if came == 1 && !order.is_open() {
            prop_assert_eq!(hands + back, 1);
        }
        let writes = count(|event| matches!(event, OrderEvent::WriteBegun { .. }));
        let ready = count(|event| matches!(event, OrderEvent::DataReady { .. }));
        prop_assert!(writes <= ready);
        prop_assert!(writes <= MAX_FAILED_CARDS + 1);
        let out = taken.iter().position(|event| matches!(event, OrderEvent::DispenseBegun { .. }));
        let proved = taken.iter().rposition(|event| matches!(event, OrderEvent::Written { .. }));
        prop_assert!(out.is_none() || proved < out);
    }
}
