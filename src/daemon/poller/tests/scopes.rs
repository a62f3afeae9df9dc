//! Many scopes in one process: what happens in one is no other's affair.

use std::collections::BTreeMap;

use super::*;
use crate::core::observation::Reach;

const ACCOUNTS: usize = 200;
const NUMBERS: usize = 3;

fn account(n: usize) -> String {
    format!("a{n:03}")
}

async fn many(answers: impl FnMut(&str, &Errand, u64) -> Answer + Send + 'static) -> House {
    let accounts: Vec<String> =
        (0..ACCOUNTS).map(|n| format!("[account.{}]\nregion = \"eu-west-2\"\n", account(n))).collect();
    let main = MAIN.replace("[account.a]\nregion = \"eu-west-2\"\n", &accounts.concat());
    let entries = |n: usize| -> String {
        let numbers = (0..NUMBERS).map(|m| format!("[[number]]\nid = \"{}\"\n", id(n * NUMBERS + m)));
        format!("account = \"{}\"\nstalled_after = \"none\"\n{}", account(n), numbers.collect::<String>())
    };
    let lists: Vec<(String, String)> = (0..ACCOUNTS).map(|n| (account(n), entries(n))).collect();
    let lists: Vec<(&str, &str)> = lists.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    House::with(&main, &lists, answers).await.on(2.0, 5, 0.0)
}

/// Of which account a number is.
fn of(asked: &str) -> usize {
    asked.rsplit('-').next().unwrap().parse::<usize>().unwrap() / NUMBERS
}

/// When each number of the accounts in health was asked for.
async fn looks(house: House) -> BTreeMap<String, Vec<u64>> {
    let mut poller = house.start().await;
    house.run(&mut poller, 5 * MINUTE).await;
    let mut looks: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (second, errand) in house.asked(0) {
        if let Errand::Itself(ask) = errand
            && of(&ask) >= 4
        {
            looks.entry(ask).or_default().push(second);
        }
    }
    looks
}

fn ill(asked: &str, _: &Errand, _: u64) -> Answer {
    match of(asked) {
        0 => down(),
        1 => Answer::Observed(Observation::Throttled { retry_after: Some(Duration::from_hours(1)) }),
        2 => Answer::Observed(Observation::Denied {
            reach: Reach::Scope,
            code: "ExpiredTokenException".into(),
            message: None,
            clock_offset_s: None,
        }),
        3 => Answer::Observed(Observation::Unavailable { outage: Outage::Timeout, retry_after: None }),
        _ => seen("IN_PROGRESS"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_a_hold_a_refusal_and_a_hang_delay_no_other_scope() {
    let well = looks(many(|_, _, _| seen("IN_PROGRESS")).await).await;
    let mut house = many(ill).await;
    Arc::get_mut(&mut house.world).unwrap().takes = Box::new(|asked| match of(asked) {
        3 => Duration::from_secs(10),
        _ => Duration::ZERO,
    });
    let ill = looks(house).await;
    assert_eq!(well.len(), (ACCOUNTS - 4) * NUMBERS);
    for (asked, times) in &well {
        // The timer's granularity is a millisecond, and who wakes the loop is not always the same.
        let alike = times.len().abs_diff(ill[asked].len()) <= 1
            && times.iter().zip(&ill[asked]).all(|(one, other)| one.abs_diff(*other) <= 1);
        assert!(alike && times.len() > 12, "{asked}: {times:?}, and {:?} beside ill ones", ill[asked]);
    }
}
