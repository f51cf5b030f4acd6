use std::{sync::Arc, time::Instant};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Guard, ThreadLock};

use super::*;
use crate::{Outcome, State};

async fn held(key: &LockKey) -> Guard {
    let lock: Arc<dyn DistributedLock> = Arc::new(ThreadLock::default());
    lock.acquire(key, &AcquireOptions::default()).await.unwrap()
}

fn message(id: &str) -> Message {
    Message::new("text").unwrap().0.with_id(id.parse().unwrap()).with_from("tester")
}

fn submitted(message: &Message) -> Receipt {
    let outcome = Outcome { state: State::Submitted, typed: true, submitted: true, evidence: Vec::new(), reason: None };
    Receipt::new(message.id().clone(), "A", outcome)
}

#[tokio::test]
async fn after_a_crash_the_state_is_rejected_before_the_paste_and_uncertain_from_it_on() {
    let root = tempfile::tempdir().unwrap();
    let key = LockKey::new("desktop").unwrap();
    let guard = held(&key).await;
    let journal = Journal::open(root.path(), &key).unwrap();
    let state = |id: &str| journal.recorded(&id.parse().unwrap(), "A").unwrap().map(|recorded| recorded.state);

    // Dropping an entry is all that a crash does to it.
    let entry = journal.begin(&message("claimed"), "A", &guard.permit()).unwrap();
    drop(entry);
    let mut entry = journal.begin(&message("pasting"), "A", &guard.permit()).unwrap();
    entry.intend_paste().unwrap();
    drop(entry);
    let mut entry = journal.begin(&message("submitting"), "A", &guard.permit()).unwrap();
    entry.intend_paste().unwrap();
    entry.intend_submit().unwrap();
    drop(entry);
    let mut entry = journal.begin(&message("done"), "A", &guard.permit()).unwrap();
    entry.intend_paste().unwrap();
    entry.intend_submit().unwrap();
    entry.finish(&submitted(&message("done"))).unwrap();

    assert_eq!(state("claimed"), Some(State::Rejected));
    assert_eq!(state("pasting"), Some(State::Uncertain));
    assert_eq!(state("submitting"), Some(State::Uncertain));
    assert_eq!(state("done"), Some(State::Submitted));
    assert_eq!(state("never"), None);
    assert_eq!(journal.recorded(&"done".parse().unwrap(), "B").unwrap(), None, "another agent's");
    let history = journal.history().unwrap();
    assert_eq!(history.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["claimed", "pasting", "submitting", "done"]);
    assert!(history.iter().all(|r| r.from == "tester" && r.token == guard.token()));
    assert!(!fs::read_to_string(&journal.path).unwrap().contains("\"text\""), "the text is not kept");
}

#[tokio::test]
async fn a_torn_line_is_no_record_and_the_next_begins_on_its_own() {
    let root = tempfile::tempdir().unwrap();
    let key = LockKey::new("desktop").unwrap();
    let guard = held(&key).await;
    let journal = Journal::open(root.path(), &key).unwrap();
    let mut entry = journal.begin(&message("first"), "A", &guard.permit()).unwrap();
    entry.file.write_all(br#"{"at_us":1,"id":"first","agent":"A","mark":"past"#).unwrap();
    drop(entry);
    drop(journal.begin(&message("second"), "A", &guard.permit()).unwrap());
    let states: Vec<_> = journal.history().unwrap().into_iter().map(|r| (r.id.to_string(), r.state)).collect();
    assert_eq!(states, [("first".to_owned(), State::Rejected), ("second".to_owned(), State::Rejected)]);
}

#[tokio::test]
async fn a_full_journal_is_put_aside_and_still_read() {
    let root = tempfile::tempdir().unwrap();
    let key = LockKey::new("desktop").unwrap();
    let guard = held(&key).await;
    let journal = Journal { bytes_max: 2000, ..Journal::open(root.path(), &key).unwrap() };
    for n in 0..40 {
        let message = message(&format!("m{n}"));
        journal.begin(&message, "A", &guard.permit()).unwrap().finish(&submitted(&message)).unwrap();
    }
    let history = journal.history().unwrap();
    assert!((3..40).contains(&history.len()), "{}", history.len());
    assert_eq!(history.last().unwrap().id.as_str(), "m39");
    assert!(fs::metadata(&journal.path).unwrap().len() < 3000);
}

#[cfg(unix)]
#[tokio::test]
async fn what_somebody_put_in_its_place_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let root = tempfile::tempdir().unwrap();
    let key = LockKey::new("desktop").unwrap();
    let guard = held(&key).await;
    let journal = Journal::open(root.path(), &key).unwrap();
    drop(journal.begin(&message("m"), "A", &guard.permit()).unwrap());
    assert_eq!(fs::metadata(&journal.path).unwrap().permissions().mode() & 0o777, 0o600);

    let elsewhere = root.path().join("elsewhere");
    fs::rename(&journal.path, &elsewhere).unwrap();
    symlink(&elsewhere, &journal.path).unwrap();
    assert!(journal.begin(&message("m"), "A", &guard.permit()).is_err(), "a link");
    fs::remove_file(&journal.path).unwrap();
    fs::hard_link(&elsewhere, &journal.path).unwrap();
    assert!(journal.begin(&message("m"), "A", &guard.permit()).is_err(), "a second name");
}

/// A full disk, as the kernel reports it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_an_error_that_says_so() {
    let root = tempfile::tempdir().unwrap();
    let key = LockKey::new("desktop").unwrap();
    let guard = held(&key).await;
    let journal = Journal::open(root.path(), &key).unwrap();
    let mut entry = journal.begin(&message("m"), "A", &guard.permit()).unwrap();
    entry.file = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = entry.intend_paste().unwrap_err();
    assert!(error.reason().message.contains("make room"), "{error}");
}

/// Not a check but a number: what the two syncs of a delivery cost on this machine's disk.
#[tokio::test]
#[ignore = "prints a measurement"]
async fn cost_of_the_two_syncs() {
    let root = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let key = LockKey::new("desktop").unwrap();
    let guard = held(&key).await;
    let journal = Journal::open(root.path(), &key).unwrap();
    let mut took = Vec::new();
    for n in 0..200 {
        let message = message(&format!("m{n}"));
        let began = Instant::now();
        let mut entry = journal.begin(&message, "A", &guard.permit()).unwrap();
        entry.intend_paste().unwrap();
        entry.intend_submit().unwrap();
        entry.finish(&submitted(&message)).unwrap();
        took.push(began.elapsed());
    }
    took.sort();
    eprintln!("entry with two syncs: p50 {:?}, p95 {:?}, max {:?}", took[100], took[190], took[199]);
}

/// The group of a setgid root sends from it too.
#[cfg(unix)]
#[test]
fn a_journal_is_for_the_group_of_a_setgid_root_and_else_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    for (root_mode, folder_mode, file_mode) in [(0o700, 0o700, 0o600), (0o2770, 0o2770, 0o660)] {
        let root = tempfile::tempdir().unwrap();
        std::fs::set_permissions(root.path(), PermissionsExt::from_mode(root_mode)).unwrap();
        let folder = root.path().join("runtime/journal");
        file::make_folder(&folder).unwrap();
        let path = folder.join("k.jsonl");
        file::open(&path, true).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&folder), mode(&path)), (folder_mode, file_mode), "root {root_mode:o}");
        assert_eq!(mode(&root.path().join("runtime")), folder_mode);
    }
}
