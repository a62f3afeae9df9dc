//! What the limiter does by itself; what it promises against a service is in [`toy`].

mod toy;

use super::*;

fn at(ms: u64) -> Tick {
    Tick::ZERO.plus(Duration::from_millis(ms))
}

/// Looks that start within `ms` if one is always waiting.
fn taken(limiter: &mut Limiter, from: u64, ms: u64) -> u32 {
    let mut count = 0;
    let mut now = at(from);
    while limiter.ready_at(now).max(now) < at(from + ms) {
        now = limiter.ready_at(now).max(now);
        limiter.take(now);
        count += 1;
    }
    count
}

#[test]
fn keeps_the_share_of_the_rate_and_starts_cold() {
    let mut limiter = Limiter::cold(2.0, 5, 0.8, at(0));
    assert_eq!(limiter.ready_at(at(0)), at(0));
    assert_eq!(taken(&mut limiter, 0, 10_000), 16);
}

#[test]
fn a_rest_allows_a_burst_of_at_most_three() {
    let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
    let now = at(60_000);
    for _ in 0..3 {
        assert!(limiter.ready_at(now) <= now);
        limiter.take(now);
    }
    assert!(limiter.ready_at(now) > now);
}

#[test]
fn a_refusal_holds_everything_and_lowers_the_rate_once_a_second() {
    let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
    assert_eq!(limiter.refused(Some(Duration::from_secs(3)), at(1000)), Duration::from_secs(3));
    assert_eq!(limiter.refused(None, at(1500)), Duration::from_secs(1));
    assert!((limiter.rate() - 1.76).abs() < 1e-9);
    assert_eq!(limiter.ready_at(at(1500)), at(4000), "the longer hold stands");
    limiter.refused(None, at(2000));
    assert!((limiter.rate() - 1.5488).abs() < 1e-9);
}

#[test]
fn a_refusal_empties_the_burst() {
    let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
    limiter.refused(None, at(60_000));
    assert_eq!(taken(&mut limiter, 61_000, 100), 2, "what the hold of a second has brought");
}

#[test]
fn the_rate_never_falls_below_a_tenth_and_never_rises_above_the_quota() {
    let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
    for n in 0..100 {
        limiter.refused(None, at(n * 3000));
    }
    assert!((limiter.rate() - 0.2).abs() < 1e-9);
    (0..1000).for_each(|n| limiter.answered(at(400_000 + n * 700)));
    assert!((limiter.rate() - 2.0).abs() < 1e-9);
}

#[test]
fn rises_double_after_two_minutes_without_a_refusal_and_start_anew_with_one() {
    let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
    for n in 0..100 {
        limiter.refused(None, at(n * 3000));
    }
    let mut rise = |now| {
        let before = limiter.rate();
        limiter.answered(at(now));
        limiter.rate() / before - 1.0
    };
    let near = |rise: f64, expected: f64| assert!((rise - expected).abs() < 1e-9, "{rise} {expected}");
    (1..=24).for_each(|n| near(rise(297_000 + n * 5000), 0.003 + 0.0035));
    near(rise(418_000), (0.003 + 0.0007) * f64::exp2(1.0 / 6.0));
    near(rise(423_000), (0.003 + 0.0035) * 2.0);
    limiter.refused(None, at(424_000));
    let before = limiter.rate();
    limiter.answered(at(424_500));
    near(limiter.rate() / before - 1.0, 0.003 + 0.00035);
    let before = limiter.rate();
    limiter.answered(at(424_600));
    near(limiter.rate() / before - 1.0, 0.0006 + 0.00007);
}

#[test]
fn rest_proves_nothing() {
    let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
    limiter.refused(None, at(0));
    limiter.answered(at(3_600_000));
    assert_eq!(limiter.learned(), Learned { clean_ms: 8000 });
    assert!(limiter.rate() < 1.78);
    // Nor does the first answer of a process.
    let mut resumed = Limiter::cold(2.0, 5, 1.0, at(0));
    resumed.resume(1.0, at(0), Tick::ZERO, at(0));
    resumed.answered(at(5000));
    assert_eq!(resumed.learned(), Learned { clean_ms: 0 });
    assert!((resumed.rate() - 1.0).abs() < 1e-9);
}

#[test]
fn after_an_outage_it_starts_at_a_quarter_and_doubles() {
    let mut limiter = Limiter::cold(4.0, 3, 1.0, at(0));
    limiter.slow_start(at(100_000));
    assert_eq!(taken(&mut limiter, 100_000, 5_000), 5);
    let second = taken(&mut limiter, 105_000, 5_000);
    assert!((9..=11).contains(&second), "{second}");
    let later = taken(&mut limiter, 115_000, 5_000);
    assert!((19..=21).contains(&later), "{later}");
}

#[test]
fn what_is_resumed_is_bounded() {
    let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
    limiter.resume(f64::NAN, at(9_999_999), Tick::ZERO, at(0));
    assert!(limiter.ready_at(at(0)) <= at(1000));
    limiter.resume(50.0, at(0), Tick::ZERO, at(0));
    assert!((limiter.rate() - 2.0).abs() < 1e-9);
}

#[test]
fn what_was_learned_is_remembered_and_bounded() {
    let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
    let learned = Learned { clean_ms: 100_000 };
    limiter.recall(serde_json::from_str(&serde_json::to_string(&learned).unwrap()).unwrap());
    assert_eq!(limiter.learned(), learned);
    limiter.recall(Learned { clean_ms: u64::MAX });
    assert_eq!(limiter.learned(), Learned { clean_ms: 150_000 });
}

#[test]
fn a_restart_makes_no_look_sooner() {
    let mut before = Limiter::cold(0.5, 5, 1.0, at(0));
    taken(&mut before, 0, 4000);
    let remembered = before.arrival();
    assert_eq!(before.ready_at(at(3000)), at(4000));
    // Killed with the answer under way: what is remembered is from before this look.
    before.take(at(4000));
    let resumed = |hold, now| {
        let mut after = Limiter::cold(0.5, 5, 1.0, now);
        after.resume(0.5, remembered.max(now), hold, now);
        after.ready_at(now)
    };
    assert_eq!(resumed(Tick::ZERO, at(3900)), at(4000));
    assert_eq!(resumed(Tick::ZERO, at(4100)), at(6000));
    assert_eq!(resumed(at(6500), at(4100)), at(6500));
    assert_eq!(resumed(Tick::ZERO, at(90_000)), at(90_000), "after a rest at once");
}

#[test]
fn a_restart_starts_as_empty_as_a_cold_start() {
    let now = at(60_000);
    let mut after = Limiter::cold(2.0, 5, 1.0, now);
    after.resume(0.2, now, Tick::ZERO, now);
    assert_eq!(taken(&mut after, 60_000, 10_000), 2);
}
