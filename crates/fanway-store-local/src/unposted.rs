//! How many outcomes of a lane wait to be posted.
//!
//! A lane that works off a backlog makes outcomes as fast as its target answers. They wait in
//! memory until they are posted; so that they stay few, it reads on only as fast as they are.

use std::collections::VecDeque;

use crate::tail::Ticket;

/// Outcomes beyond which a lane reads nothing more.
const MOST: usize = 16 * 1024;
/// Outcomes that are counted together.
const TOGETHER: usize = 1024;

/// Outcomes that were appended and not seen posted.
#[derive(Debug, Default)]
pub(crate) struct Unposted {
    /// How many, and the last one's ticket; the oldest first.
    marks: VecDeque<(usize, Ticket)>,
    count: usize,
}

impl Unposted {
    /// Counts an outcome.
    pub(crate) fn add(&mut self, ticket: Ticket) {
        self.count += 1;
        match self.marks.back_mut() {
            Some((count, last)) if *count < TOGETHER => (*count, *last) = (*count + 1, ticket),
            _ => self.marks.push_back((1, ticket)),
        }
    }

    /// Where there are too many: the entry up to which they have to be posted, so that about half
    /// are left.
    pub(crate) fn too_many(&mut self, posted: Ticket) -> Option<Ticket> {
        while let Some((count, _)) = self.marks.pop_front_if(|(_, last)| *last <= posted) {
            self.count -= count;
        }
        let half = self.marks.get(self.marks.len() / 2)?;
        (self.count > MOST).then_some(half.1)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Unposted};
    use crate::tail::Ticket;

    #[test]
    fn a_lane_goes_on_once_half_of_its_outcomes_are_posted() {
        let mut unposted = Unposted::default();
        let most = MOST as Ticket;
        for ticket in 1..=most {
            unposted.add(ticket);
        }
        assert_eq!(unposted.too_many(0), None);
        unposted.add(most + 1);
        let half = unposted.too_many(0).expect("there is one too many");
        assert!((most / 3..most).contains(&half));
        assert!(unposted.too_many(half - 1).is_none_or(|next| next >= half));
        assert_eq!(unposted.too_many(half), None);
        assert_eq!(unposted.too_many(most + 1), None);
        assert_eq!(unposted.count, 0);
    }
}
