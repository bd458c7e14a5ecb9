//! Loops that take the connections which this one accepts.

use super::remote::Remote;
use super::state::State;
use crate::net::driver::Accepted;
use crate::net::handed::Handed;
use crate::observe::Counters;
use crate::util::inbox::Refused;

/// Another loop, whatever its user's value is.
pub(crate) trait Adopt {
    /// Gives it a connection, or has it back.
    fn adopt(&self, handed: Handed) -> Result<(), Refused<Handed>>;

    /// What two ways into the same loop have in common.
    fn identity(&self) -> usize;
}

impl<U: 'static> Adopt for Remote<U> {
    fn adopt(&self, handed: Handed) -> Result<(), Refused<Handed>> {
        Self::adopt(self, handed)
    }

    fn identity(&self) -> usize {
        Self::identity(self)
    }
}

/// The loops that take turns.
#[derive(Default)]
pub(super) struct Children {
    list: Vec<Box<dyn Adopt>>,
    /// Whose turn it is.
    next: usize,
}

impl Children {
    /// Gives a connection to the next that has room for it. `None` when one has it; what nobody
    /// takes comes back. Those that have stopped are forgotten.
    pub(super) fn offer(&mut self, accepted: Accepted, counters: &Counters) -> Option<Accepted> {
        if self.list.is_empty() {
            return Some(accepted);
        }
        let mut handed = match Handed::new(accepted) {
            Ok(handed) => handed,
            Err(accepted) => return Some(accepted),
        };
        for _ in 0..self.list.len() {
            if self.next >= self.list.len() {
                self.next = 0;
            }
            let Some(child) = self.list.get(self.next) else {
                break; // All of them were forgotten.
            };
            handed = match child.adopt(handed) {
                Ok(()) => {
                    self.next += 1;
                    counters.connections_handed.bump();
                    return None;
                }
                Err(Refused::Full(handed)) => {
                    self.next += 1;
                    handed
                }
                Err(Refused::Closed(handed)) => {
                    self.list.remove(self.next);
                    handed
                }
            };
        }
        Some(handed.into())
    }

    fn position(&self, identity: usize) -> Option<usize> {
        self.list
            .iter()
            .position(|child| child.identity() == identity)
    }
}

impl<U> State<U> {
    /// Has `child` take its turn from now on. False when it does already.
    pub(crate) fn add_child(&mut self, child: Box<dyn Adopt>) -> bool {
        let is_new = self.children.position(child.identity()).is_none();
        if is_new {
            self.children.list.push(child);
        }
        is_new
    }

    /// False when it has no turn.
    pub(crate) fn remove_child(&mut self, identity: usize) -> bool {
        let Some(index) = self.children.position(identity) else {
            return false;
        };
        self.children.list.remove(index);
        // Whose turn it is stays so.
        self.children.next -= usize::from(index < self.children.next);
        true
    }

    pub(crate) fn children(&self) -> usize {
        self.children.list.len()
    }

    /// A connection from elsewhere: it is opened in the next turn, or in this one.
    pub(crate) fn adopt(&mut self, handed: Handed) {
        self.arrivals.push_back(handed.into());
    }
}
