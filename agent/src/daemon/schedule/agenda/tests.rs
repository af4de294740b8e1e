//! What the router does next, case by case.

use super::*;

/// 2026-06-01 00:00 UTC
const JUNE: i64 = 1_780_272_000;
const INTERVAL: i64 = DAY;

fn rules(action: Action, window: &str) -> Rules {
    Rules {
        interval: INTERVAL,
        action,
        window: Window::parse(window),
        zone: Zone::UTC,
    }
}

fn at(uptime: i64) -> Moment {
    Moment {
        uptime,
        clock: JUNE + uptime,
    }
}

/// One that has found an upgrade at second `uptime`.
fn found(action: Action, window: &str, uptime: i64) -> Agenda {
    let mut agenda = Agenda::new(rules(action, window), Kept::default(), 1);
    assert!(matches!(
        agenda.next(at(uptime), false, Hand::Empty),
        Next::At(_)
    ));
    agenda.checked(at(uptime), Outcome::Found);
    agenda
}

#[test]
fn without_an_interval_nothing_ever_wakes() {
    let never = Rules {
        interval: 0,
        ..rules(Action::Upgrade, "")
    };
    let mut agenda = Agenda::new(never, Kept::default(), 1);
    for uptime in [0, DAY, 1000 * DAY] {
        assert_eq!(agenda.next(at(uptime), false, Hand::Ours), Next::Never);
    }
}

#[test]
fn a_first_turn_comes_after_the_boot_within_a_tenth_of_the_interval() {
    for seed in 0..200 {
        let mut agenda = Agenda::new(rules(Action::Check, ""), Kept::default(), seed);
        let Next::At(first) = agenda.next(at(10), false, Hand::Empty) else {
            panic!("{seed}");
        };
        assert!(
            (BOOT_DELAY..=BOOT_DELAY + INTERVAL / 10).contains(&first),
            "{first}"
        );
        assert_eq!(
            agenda.next(at(first - 1), false, Hand::Empty),
            Next::At(first)
        );
        assert_eq!(agenda.next(at(first), true, Hand::Empty), Next::Never);
        assert_eq!(
            agenda.next(at(first), false, Hand::Empty),
            Next::Do(Action::Check)
        );
    }
}

#[test]
fn what_was_written_down_counts_after_a_boot() {
    for (checked, due) in [
        (JUNE - HOUR, 23 * HOUR),
        (JUNE - 23 * HOUR, HOUR),
        (JUNE - 100 * DAY, BOOT_DELAY),
        // Of a clock that was wrong.
        (JUNE + 100 * DAY, BOOT_DELAY),
        (i64::MIN, BOOT_DELAY),
        (i64::MAX, BOOT_DELAY),
    ] {
        let kept = Kept {
            checked: Some(checked),
            ..Kept::default()
        };
        let mut agenda = Agenda::new(rules(Action::Check, ""), kept, 1);
        let Next::At(first) = agenda.next(at(0), false, Hand::Empty) else {
            panic!("{checked}");
        };
        assert!(
            (due..=due + INTERVAL / 10).contains(&first),
            "{checked}: {first}"
        );
    }
}

#[test]
fn without_the_time_it_waits_and_then_leaves_the_turn_out() {
    let mut agenda = Agenda::new(rules(Action::Check, ""), Kept::default(), 1);
    let (mut uptime, mut looks) = (0, 0);
    while !agenda.waited_in_vain() {
        let moment = Moment {
            uptime,
            clock: uptime,
        };
        let Next::At(next) = agenda.next(moment, false, Hand::Empty) else {
            panic!("no turn without the time");
        };
        assert!(next > uptime);
        (uptime, looks) = (next, looks + 1);
    }
    assert!((CLOCK_LIMIT..CLOCK_LIMIT + 2 * HOUR + INTERVAL + INTERVAL / 10).contains(&uptime));
    assert!(looks < 160, "{looks}");
    // The next turn comes in its time, and with the time it happens.
    assert_eq!(
        agenda.next(at(uptime), false, Hand::Empty),
        Next::Do(Action::Check)
    );
}

#[test]
fn a_passing_fault_is_tried_again_at_growing_intervals_up_to_the_next_turn() {
    let mut agenda = Agenda::new(rules(Action::Check, ""), Kept::default(), 1);
    let Next::At(mut uptime) = agenda.next(at(DAY), false, Hand::Empty) else {
        panic!("no turn");
    };
    let first = uptime;
    let mut pauses = Vec::new();
    while uptime < first + 20 * DAY {
        assert_eq!(
            agenda.next(at(uptime), false, Hand::Empty),
            Next::Do(Action::Check)
        );
        agenda.checked(at(uptime), Outcome::Passing(0));
        let Next::At(next) = agenda.next(at(uptime), false, Hand::Empty) else {
            panic!("no retry");
        };
        pauses.push(next - uptime);
        uptime = next;
    }
    assert!(
        (FIRST_RETRY..=FIRST_RETRY * 3 / 2).contains(&pauses[0]),
        "{pauses:?}"
    );
    assert!(
        pauses.windows(2).take(5).all(|two| two[1] * 3 > two[0] * 4),
        "{pauses:?}"
    );
    assert!(
        pauses.len() < 30 && pauses.iter().all(|pause| *pause < 27 * HOUR),
        "{pauses:?}"
    );
    assert_eq!(
        agenda.kept().checked,
        None,
        "a turn that failed is none after a boot"
    );
}

#[test]
fn a_server_that_wants_to_be_left_alone_is_but_not_for_ever() {
    // (wanted, the least pause)
    for (wanted, least) in [
        (0, FIRST_RETRY),
        (60, FIRST_RETRY),
        (3 * HOUR, 3 * HOUR),
        (30 * DAY, INTERVAL),
        (i64::MAX, INTERVAL),
    ] {
        let mut agenda = Agenda::new(rules(Action::Check, ""), Kept::default(), 1);
        let Next::At(mut uptime) = agenda.next(at(INTERVAL), false, Hand::Empty) else {
            panic!("no turn");
        };
        for failures in 0..200 {
            assert_eq!(
                agenda.next(at(uptime), false, Hand::Empty),
                Next::Do(Action::Check)
            );
            agenda.checked(at(uptime), Outcome::Passing(wanted));
            let Next::At(next) = agenda.next(at(uptime), false, Hand::Empty) else {
                panic!("no retry after {wanted}");
            };
            // Not even the next turn comes before.
            let quiet = wanted.min(INTERVAL);
            assert!(
                next - uptime >= quiet,
                "{wanted}, {failures}: {}",
                next - uptime
            );
            if failures == 0 {
                let pause = next - uptime;
                assert!(
                    (least..=least * 3 / 2).contains(&pause),
                    "{wanted}: {pause}"
                );
            }
            uptime = next;
        }
        agenda.checked(at(uptime), Outcome::Nothing);
        let Next::At(next) = agenda.next(at(uptime), false, Hand::Empty) else {
            panic!("no turn after {wanted}");
        };
        assert!(next - uptime <= INTERVAL * 11 / 10, "{wanted}");
    }
}

#[test]
fn each_action_goes_as_far_as_it_may() {
    let mut check = found(Action::Check, "", DAY);
    assert!(matches!(
        check.next(at(DAY), false, Hand::Empty),
        Next::At(_)
    ));
    let mut download = found(Action::Download, "", DAY);
    assert_eq!(
        download.next(at(DAY), false, Hand::Empty),
        Next::Do(Action::Download)
    );
    assert!(matches!(
        download.next(at(DAY), false, Hand::Ours),
        Next::At(_)
    ));
    let mut upgrade = found(Action::Upgrade, "", DAY);
    assert_eq!(
        upgrade.next(at(DAY), false, Hand::Empty),
        Next::Do(Action::Download)
    );
    upgrade.fetched(at(DAY), Outcome::Found);
    assert_eq!(
        upgrade.next(at(DAY), false, Hand::Ours),
        Next::Do(Action::Upgrade)
    );
    let mut theirs = found(Action::Upgrade, "", DAY);
    assert!(matches!(
        theirs.next(at(DAY), false, Hand::Theirs),
        Next::At(_)
    ));
}

#[test]
fn an_upgrade_waits_for_its_window() {
    // Found at noon; the window opens at three at night and is two hours long.
    let mut agenda = found(Action::Upgrade, "03:00-05:00", DAY + 12 * HOUR);
    let mut uptime = DAY + 12 * HOUR;
    let mut looks = 0;
    while let Next::At(next) = agenda.next(at(uptime), false, Hand::Empty) {
        assert!(
            next > uptime && next - uptime <= HOUR,
            "the clock may be set meanwhile"
        );
        (uptime, looks) = (next, looks + 1);
    }
    let hour = uptime % DAY;
    assert!(
        (3 * HOUR..=4 * HOUR).contains(&hour),
        "in the first half: {hour}"
    );
    assert!(looks <= 18, "{looks}");
    assert_eq!(
        agenda.next(at(uptime), false, Hand::Empty),
        Next::Do(Action::Download)
    );
    // The build took so long that the window is closed again: the image stays for the next night.
    let closed = uptime - hour + DAY / 4;
    assert!(matches!(
        agenda.next(at(closed), false, Hand::Ours),
        Next::At(_)
    ));
}

#[test]
fn once_a_day_and_never_after_two_that_did_not_take() {
    let mut agenda = found(Action::Upgrade, "", DAY);
    let mut attempts: Vec<i64> = Vec::new();
    let mut uptime = DAY;
    while uptime < 30 * DAY {
        match agenda.next(at(uptime), false, Hand::Ours) {
            Next::Do(Action::Check) => agenda.checked(at(uptime), Outcome::Found),
            Next::Do(Action::Upgrade) => {
                attempts.push(uptime);
                agenda.flashing(at(uptime));
                agenda.flashed(false);
            }
            Next::At(next) => uptime = next,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert!(attempts[1] - attempts[0] >= DAY, "{attempts:?}");
    assert!(agenda.stopped());
    agenda.looked();
    agenda.checked(at(uptime), Outcome::Found);
    assert_eq!(
        agenda.next(at(uptime), false, Hand::Ours),
        Next::Do(Action::Upgrade)
    );
}

#[test]
fn a_clock_that_was_set_back_makes_no_second_upgrade() {
    let mut agenda = found(Action::Upgrade, "", DAY);
    agenda.flashing(at(DAY));
    agenda.flashed(true);
    let back = |uptime| Moment {
        uptime,
        clock: JUNE - 300 * DAY + uptime,
    };
    agenda.checked(back(2 * DAY), Outcome::Found);
    let mut uptime = 2 * DAY;
    while let Next::At(next) = agenda.next(back(uptime), false, Hand::Ours) {
        uptime = next;
    }
    assert!(uptime - 2 * DAY >= DAY - HOUR, "{uptime}");
}

#[test]
fn the_flash_is_written_seldom() {
    let kept = |checked, failures| Kept {
        checked: Some(checked),
        failures,
        ..Kept::default()
    };
    assert!(!kept(JUNE + 15 * HOUR, 0).is_news(&kept(JUNE, 0)));
    assert!(kept(JUNE + 16 * HOUR, 0).is_news(&kept(JUNE, 0)));
    assert!(kept(JUNE, 1).is_news(&kept(JUNE, 0)));
    assert!(!Kept::default().is_news(&Kept::default()));
}
