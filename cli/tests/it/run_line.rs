//! Many runs on one key.

use std::collections::BTreeMap;

use rustix::process::Signal;

use crate::run_fixture::{Home, json, on_every_store, text};

on_every_store! {
    urgent_goes_before_normal_and_low_after_it
}

const PROCESSES: usize = 8;
const TURNS: usize = 50;

/// `mkdir` fails for the second of two that are inside at once: exclusion is seen in the kernel, not in timestamps.
const TURN: &str = "mkdir inside || echo overlap >> overlaps; echo $TALKSTICK_TOKEN >> grants; rmdir inside";

#[test]
fn no_overlap_tokens_grow_and_grants_follow_the_order_of_asking() {
    let home = Home::new();
    let tickets: BTreeMap<u64, u64> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..PROCESSES).map(|_| scope.spawn(|| turns(&home))).collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    assert_eq!(home.read("overlaps"), "");
    let grants: Vec<u64> = home.read("grants").lines().map(|token| token.parse().unwrap()).collect();
    assert_eq!(grants.len(), PROCESSES * TURNS);
    assert!(grants.is_sorted_by(|a, b| a < b), "tokens grow strictly");
    let asked: Vec<u64> = grants.iter().map(|token| tickets[token]).collect();
    assert!(asked.is_sorted_by(|a, b| a < b), "first come, first served");
}

/// The token and the ticket of each turn.
fn turns(home: &Home) -> Vec<(u64, u64)> {
    let turn = |_| {
        let output = home.talkstick(&["--json", "run", "k", "-w", "300", "--", "sh", "-c", TURN]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let object = json(&output);
        (object["token"].as_u64().unwrap(), object["ticket"].as_u64().unwrap())
    };
    (0..TURNS).map(turn).collect()
}

fn urgent_goes_before_normal_and_low_after_it(home: &Home) {
    let mut holder = home.start(&[], "echo > held; exec sleep 60");
    home.until_written("held");
    let mut waiting = Vec::new();
    for (index, (priority, name)) in
        [("low", "l"), ("normal", "n1"), ("urgent", "u"), ("normal", "n2"), ("high", "h")].into_iter().enumerate()
    {
        waiting.push(home.start(&["-w", "60", "-p", priority], &format!("echo {name} >> order")));
        home.until_waiting(index + 1);
    }
    holder.signal(Signal::TERM);
    holder.end();
    for run in &mut waiting {
        assert_eq!(run.end().code(), Some(0));
    }
    assert_eq!(home.read("order"), "u\nh\nn1\nn2\nl\n");
}
