//! Where completions wait until they are polled.

use crate::session::Answer;
use crate::status::Failure;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub struct Completion {
    pub tag: u64,
    pub outcome: Result<Option<Answer>, Failure>,
}

#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    completions: VecDeque<Completion>,
    polled: bool, // by a thread that waits; waking nobody costs a system call
}

impl Queue {
    pub fn push(&self, completion: Completion) {
        let mut state = self.lock();
        state.completions.push_back(completion);
        if std::mem::take(&mut state.polled) {
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// At most `capacity` of what is there, having waited at most `timeout` for the first.
    pub fn poll(&self, capacity: usize, timeout: Duration) -> Vec<Completion> {
        let mut state = self.lock();
        if state.completions.is_empty() && !timeout.is_zero() {
            state.polled = true;
            (state, _) = self
                .arrived
                .wait_timeout_while(state, timeout, |state| state.completions.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            state.polled = false;
        }
        let count = capacity.min(state.completions.len());
        state.completions.drain(..count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn completion(tag: u64) -> Completion {
        Completion { tag, outcome: Ok(None) }
    }

    fn tags(completions: Vec<Completion>) -> Vec<u64> {
        completions.iter().map(|completion| completion.tag).collect()
    }

    #[test]
    fn polls_in_order_and_no_more_than_asked() {
        let queue = Queue::default();
        (1..=3).for_each(|tag| queue.push(completion(tag)));
        assert_eq!(tags(queue.poll(2, Duration::ZERO)), [1, 2]);
        assert_eq!(tags(queue.poll(2, Duration::ZERO)), [3]);
        assert!(queue.poll(2, Duration::ZERO).is_empty());
        assert!(queue.poll(2, Duration::from_millis(1)).is_empty());
    }

    #[test]
    fn a_completion_ends_the_wait() {
        let queue = Arc::new(Queue::default());
        let pusher = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                while !queue.lock().polled {
                    std::thread::yield_now();
                }
                queue.push(completion(7));
            }
        });
        assert_eq!(tags(queue.poll(1, Duration::from_secs(60))), [7]);
        pusher.join().expect("pusher");
    }
}
