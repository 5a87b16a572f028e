use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use super::{NotDurable, Receipt, Waiting, issue_all, receipt};

/// Counts how often a task was woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn poll(receipt: &mut Receipt, task: &Arc<Task>) -> Poll<Result<(), NotDurable>> {
    let waker = Waker::from(Arc::clone(task));
    pin!(receipt).poll(&mut Context::from_waker(&waker))
}

/// So many receipts, each awaited by a task of its own on this thread.
fn awaited<const N: usize>() -> (Vec<super::Issuer>, [(Receipt, Arc<Task>); N]) {
    let mut issuers = Vec::new();
    let awaited = std::array::from_fn(|_| {
        let (issuer, mut receipt) = receipt();
        issuers.push(issuer);
        let task = Arc::default();
        assert_eq!(poll(&mut receipt, &task), Poll::Pending);
        (receipt, task)
    });
    (issuers, awaited)
}

fn woken<const N: usize>(awaited: &[(Receipt, Arc<Task>); N]) -> [usize; N] {
    std::array::from_fn(|nth| awaited[nth].1.woken())
}

#[test]
fn one_task_of_a_thread_is_woken_and_wakes_the_others() {
    let (issuers, mut awaited) = awaited::<3>();
    issue_all(issuers, Vec::new());
    assert_eq!(woken(&awaited), [1, 0, 0]);
    let (first, task) = &mut awaited[0];
    assert_eq!(poll(first, &Arc::clone(task)), Poll::Ready(Ok(())));
    assert_eq!(woken(&awaited), [1, 1, 1]);
    for (receipt, task) in &mut awaited[1..] {
        assert_eq!(poll(receipt, &Arc::clone(task)), Poll::Ready(Ok(())));
    }
}

#[test]
fn tasks_of_two_threads_are_woken_one_for_each() {
    let (mut issuers, here) = awaited::<2>();
    let elsewhere = thread::spawn(awaited::<2>).join();
    let (others, there) = elsewhere.expect("the thread ends");
    issuers.extend(others);
    issue_all(issuers, Vec::new());
    assert_eq!((woken(&here), woken(&there)), ([1, 0], [1, 0]));
}

#[test]
fn others_are_woken_where_the_first_goes_away() {
    let (issuers, awaited) = awaited::<2>();
    issue_all(issuers, Vec::new());
    let [(first, _), (_, second)] = awaited;
    assert_eq!(second.woken(), 0);
    drop(first);
    assert_eq!(second.woken(), 1);
}

#[test]
fn others_are_woken_where_the_first_has_gone_away_before() {
    let (issuers, awaited) = awaited::<2>();
    let [(first, _), (_second, task)] = awaited;
    drop(first);
    issue_all(issuers, Vec::new());
    assert_eq!(task.woken(), 1);
}

#[test]
fn a_receipt_that_nobody_awaits_yet_is_there_when_somebody_does() {
    let (issuer, mut receipt) = receipt();
    issuer.issue();
    assert_eq!(poll(&mut receipt, &Arc::default()), Poll::Ready(Ok(())));
}

#[test]
fn a_failure_is_told_with_its_words_and_an_issuer_that_is_dropped_as_such() {
    let (failing, mut failed) = receipt();
    let (dropped, mut never) = receipt();
    let task = Arc::default();
    assert_eq!(poll(&mut failed, &task), Poll::Pending);
    assert_eq!(poll(&mut never, &task), Poll::Pending);
    failing.fail("no disk".to_owned());
    drop(dropped);
    assert_eq!(task.woken(), 2);
    let why = NotDurable::Failed("no disk".to_owned());
    assert_eq!(poll(&mut failed, &task), Poll::Ready(Err(why)));
    assert_eq!(
        poll(&mut never, &task),
        Poll::Ready(Err(NotDurable::Dropped))
    );
}

#[test]
fn the_task_that_polled_last_is_the_one_that_is_woken() {
    let (issuer, mut receipt) = receipt();
    let (before, now) = (Arc::default(), Arc::default());
    assert_eq!(poll(&mut receipt, &before), Poll::Pending);
    assert_eq!(poll(&mut receipt, &now), Poll::Pending);
    issuer.issue();
    assert_eq!((before.woken(), now.woken()), (0, 1));
}

#[test]
fn a_task_that_waits_for_more_is_woken_behind_a_receipt_of_its_thread_or_else_at_once() {
    let (issuers, mut awaited) = awaited::<1>();
    let [here, there] = [Arc::new(Task::default()), Arc::default()];
    let waiting = |task: &Arc<Task>| {
        let waker = Waker::from(Arc::clone(task));
        Waiting::new(&Context::from_waker(&waker))
    };
    let elsewhere = thread::scope(|scope| scope.spawn(|| waiting(&there)).join());
    issue_all(
        issuers,
        vec![waiting(&here), elsewhere.expect("the thread ends")],
    );
    assert_eq!((woken(&awaited), here.woken(), there.woken()), ([1], 0, 1));
    let (receipt, task) = &mut awaited[0];
    assert_eq!(poll(receipt, &Arc::clone(task)), Poll::Ready(Ok(())));
    assert_eq!(here.woken(), 1);
}
