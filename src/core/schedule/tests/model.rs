//! Random operations, on the schedule and on a list of those who wait.

use std::collections::BTreeMap;

use super::super::super::random::Random;
use super::*;

const ORDERS: u32 = 24;
const SEEDS: u64 = 60;
const STEPS: u32 = 600;

fn time(random: &mut Random) -> Timestamp {
    Timestamp::from_millis(random.below(60).into())
}

fn open(random: &mut Random) -> Open {
    let mut flag = || random.below(3) > 0;
    Open { questions: flag(), listed: [flag(), flag(), flag()] }
}

fn wish(random: &mut Random) -> Wish {
    Wish {
        at: time(random),
        interval: Duration::from_millis(random.below(9).into()),
        lane: random.one_of(&Lane::ALL),
        by: random.one_of(&[By::Either, By::Either, By::Own, By::Own, By::Question]),
        ahead: (random.below(3) == 0).then(|| time(random)),
    }
}

/// What is to be true of the schedule, found by going through everybody.
#[derive(Default)]
struct Model {
    waiting: Vec<(Stream, Wish)>,
    flying: BTreeMap<Stream, (Wish, Option<Wish>)>,
}

fn lane_of(wish: &Wish) -> Lane {
    if wish.by == By::Question || wish.ahead.is_some() { Lane::Urgent } else { wish.lane }
}

fn first_at(wish: &Wish) -> Timestamp {
    wish.ahead.map_or(wish.at, |ahead| ahead.min(wish.at))
}

fn is_listed(wish: &Wish) -> bool {
    wish.by == By::Either && lane_of(wish) != Lane::Urgent
}

fn admits(open: Open, wish: &Wish) -> bool {
    match wish.by {
        By::Question => open.questions,
        By::Either => !is_listed(wish) || open.listed[lane_of(wish).index()],
        By::Own => true,
    }
}

impl Model {
    fn request(&mut self, who: Stream, wish: Wish) {
        if let Some((_, then)) = self.flying.get_mut(&who) {
            *then = Some(wish);
            return;
        }
        self.waiting.retain(|(other, _)| *other != who);
        self.waiting.push((who, wish));
    }

    fn forget(&mut self, who: Stream) {
        if let Some((_, then)) = self.flying.get_mut(&who) {
            *then = None;
        }
        self.waiting.retain(|(other, _)| *other != who);
    }

    fn wanted(&self, who: Stream) -> Option<Wish> {
        let waits = self.waiting.iter().find(|(other, _)| *other == who).map(|(_, wish)| *wish);
        waits.or_else(|| self.flying.get(&who)?.1)
    }

    fn finished(&mut self, who: Stream) {
        if let Some((_, Some(then))) = self.flying.remove(&who) {
            self.request(who, then);
        }
    }

    fn then(&mut self, who: Stream, wish: impl Fn(Wish) -> Wish) {
        if let Some((taken, then)) = self.flying.get_mut(&who) {
            *then = Some(wish(*taken));
        }
    }

    /// The rank of a wish in its lane at a time: what it is, and since when it is due.
    fn rank(wish: &Wish, now: Timestamp) -> Option<(u32, Timestamp)> {
        let first = first_at(wish);
        match (lane_of(wish), wish.by, wish.ahead) {
            (_, By::Question, _) => Some((0, first)),
            (Lane::Urgent, _, Some(ahead)) if ahead <= now => Some((1, ahead)),
            _ => Some((2, first)),
        }
        .filter(|(_, at)| *at <= now)
    }

    fn first(&self, lane: Lane, now: Timestamp, open: Open) -> Option<(Stream, By)> {
        let mine = self.waiting.iter().filter(|(_, wish)| lane_of(wish) == lane && admits(open, wish));
        let ranked = mine.filter_map(|(who, wish)| Some((Self::rank(wish, now)?, *who, wish.by)));
        ranked.min_by_key(|(rank, who, _)| (*rank, *who)).map(|(_, who, by)| (who, by))
    }

    fn take(&mut self, who: Stream) {
        let place = self.waiting.iter().position(|(other, _)| *other == who).unwrap();
        let (_, taken) = self.waiting.swap_remove(place);
        self.flying.insert(who, (taken, None));
    }

    fn due(&self, lane: Lane, now: Timestamp) -> (usize, usize) {
        let due = self.waiting.iter().filter(|(_, wish)| lane_of(wish) == lane && first_at(wish) <= now);
        due.fold(
            (0, 0),
            |(own, listed), (_, wish)| {
                if is_listed(wish) { (own, listed + 1) } else { (own + 1, listed) }
            },
        )
    }

    fn next_due(&self, open: Open) -> Option<Timestamp> {
        self.waiting.iter().filter(|(_, wish)| admits(open, wish)).map(|(_, wish)| first_at(wish)).min()
    }

    fn median(&self, lane: Lane) -> Duration {
        let mine = self.waiting.iter().filter(|(_, wish)| lane_of(wish) == lane);
        let mut intervals: Vec<Duration> = mine.map(|(_, wish)| wish.interval).collect();
        intervals.sort();
        intervals.get(intervals.len() / 2).copied().unwrap_or_default()
    }

    fn move_back(&mut self, by: Duration) {
        let back = |wish: &mut Wish| {
            wish.at = wish.at.minus(by);
            wish.ahead = wish.ahead.map(|at| at.minus(by));
        };
        self.waiting.iter_mut().for_each(|(_, wish)| back(wish));
        for (taken, then) in self.flying.values_mut() {
            back(taken);
            then.iter_mut().for_each(back);
        }
    }
}

fn take_due(schedule: &mut Schedule, model: &mut Model, lane: Lane, (now, open): (Timestamp, Open)) {
    let first = model.first(lane, now, open);
    assert_eq!(schedule.is_due(lane, now, open), first.is_some());
    assert_eq!(schedule.take_due(lane, now, open), first);
    if let Some((who, _)) = first {
        model.take(who);
    }
}

/// Which one it is, the stories say.
fn take_probe(schedule: &mut Schedule, model: &mut Model, questions: bool) {
    let taken = schedule.take_probe(questions);
    let any = model.waiting.iter().any(|(_, wish)| questions || wish.by != By::Question);
    assert_eq!(taken.is_some(), any);
    if let Some((who, by)) = taken {
        assert_eq!(model.wanted(who).unwrap().by, by);
        model.take(who);
    }
}

/// One operation on both.
fn operate(schedule: &mut Schedule, model: &mut Model, random: &mut Random) {
    let who = who(random.below(ORDERS));
    let (time, open, lane) = (time(random), open(random), random.one_of(&Lane::ALL));
    match random.below(40) {
        0..10 => {
            let wish = wish(random);
            schedule.request(who, wish);
            model.request(who, wish);
        }
        10..18 => take_due(schedule, model, lane, (time, open)),
        18..20 => take_probe(schedule, model, random.below(2) == 0),
        20..26 => {
            schedule.finished(who);
            model.finished(who);
        }
        26 | 27 => {
            schedule.keep_place(who);
            model.then(who, |taken| taken);
        }
        28 => {
            let by = random.one_of(&[By::Own, By::Question]);
            schedule.go_on(who, by);
            model.then(who, |taken| {
                let at = first_at(&taken);
                Wish { at, by, lane: Lane::Urgent, ahead: Some(at), ..taken }
            });
        }
        29 => {
            schedule.put_off(who, time);
            model.then(who, |taken| Wish { at: time, ahead: None, ..taken });
            model.finished(who);
        }
        30..33 => {
            schedule.hasten(who, time);
            if let Some(wanted) = model.wanted(who) {
                model.request(who, Wish { at: wanted.at.min(time), ..wanted });
            }
        }
        33..36 => {
            schedule.bring_forward(who, lane, time);
            let none = Wish { lane, ..Wish::at(time) };
            let wanted = model.wanted(who).unwrap_or(none);
            let by = if wanted.by == By::Question { By::Question } else { By::Own };
            model.request(who, Wish { at: wanted.at.min(time), lane: wanted.lane.min(lane), by, ..wanted });
        }
        36 | 37 => {
            schedule.forget(who);
            model.forget(who);
        }
        38 => {
            let by = Duration::from_millis(random.below(5).into());
            schedule.move_back(by);
            model.move_back(by);
        }
        _ => {
            if random.below(4) == 0 {
                assert_eq!(schedule.clear(), std::mem::take(&mut model.waiting).len() as u64);
            }
        }
    }
}

/// What can be seen of both is the same.
fn compare(schedule: &mut Schedule, model: &Model, random: &mut Random) {
    let (time, open, lane) = (time(random), open(random), random.one_of(&Lane::ALL));
    assert_eq!(schedule.in_flight(), model.flying.len());
    assert_eq!(schedule.len(), model.flying.len() + model.waiting.len());
    assert_eq!(schedule.is_empty(), model.flying.is_empty() && model.waiting.is_empty());
    let who = who(random.below(ORDERS));
    assert_eq!(schedule.is_waiting(who), model.waiting.iter().any(|(other, _)| *other == who));
    if random.below(3) == 0 {
        assert_eq!(schedule.due(lane, time), model.due(lane, time), "{lane:?} at {time}");
    }
    if random.below(3) == 0 {
        let due = Lane::ALL.map(|lane| model.due(lane, time)).map(|(own, listed)| own + listed);
        assert_eq!(schedule.overdue(time), due.iter().sum::<usize>(), "at {time}");
    }
    assert_eq!(schedule.next_due(open), model.next_due(open));
    let questions = model.waiting.iter().filter(|(_, wish)| wish.by == By::Question);
    assert_eq!(schedule.next_question(), questions.map(|(_, wish)| first_at(wish)).min());
    assert_eq!(schedule.median_interval(lane), model.median(lane), "{lane:?}");
    // No list answers for the urgent ones.
    let lane = random.one_of(&[Lane::Pending, Lane::Verify]);
    let mut listed: Vec<(Timestamp, Stream)> = model
        .waiting
        .iter()
        .filter(|(_, wish)| lane_of(wish) == lane && is_listed(wish) && wish.at <= time)
        .map(|(who, wish)| (wish.at, *who))
        .collect();
    listed.sort();
    let listed: Vec<Stream> = listed.into_iter().map(|(_, who)| who).collect();
    assert_eq!(schedule.listed_due(lane, time).collect::<Vec<_>>(), listed);
}

#[test]
fn it_does_what_a_list_of_those_who_wait_would() {
    for seed in 0..SEEDS {
        let (mut schedule, mut model, mut random) = (Schedule::default(), Model::default(), Random(seed));
        for _ in 0..STEPS {
            operate(&mut schedule, &mut model, &mut random);
            compare(&mut schedule, &model, &mut random);
        }
    }
}
