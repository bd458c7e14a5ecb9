//! A slab whose keys carry a generation, so that a key outlives what it named without ever naming
//! something else.

use std::fmt;
use std::num::NonZeroU32;

/// Names a slot of one worker's slab: 24 bits of index, 8 bits of worker, 32 bits of generation.
///
/// A copy is as good as the original, it can travel between threads, and it resolves only on its
/// worker and only while what it names lives. The same 64 bits are the token under which the kernel
/// reports events, so a late event for a reused slot fails the same comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(u64);

const INDEX_BITS: u32 = 24;
const WORKER_BITS: u32 = 8;
const GENERATION_SHIFT: u32 = INDEX_BITS + WORKER_BITS;

/// The most slots that one slab can have.
pub(crate) const SLOTS_MAX: usize = 1 << INDEX_BITS;

/// The number that no worker has: tokens of listeners and wakers carry it, and ids of what is not a
/// connection.
pub(crate) const WORKER_RESERVED: u8 = u8::MAX;

impl Id {
    pub(crate) const fn new(index: u32, worker: u8, generation: u32) -> Self {
        Self(index as u64 | (worker as u64) << INDEX_BITS | (generation as u64) << GENERATION_SHIFT)
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits, for a foreign interface or a kernel token.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize & (SLOTS_MAX - 1)
    }

    /// The worker that this id belongs to.
    pub(crate) const fn worker(self) -> u8 {
        (self.0 >> INDEX_BITS) as u8
    }

    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            self.worker(),
            self.index(),
            self.generation()
        )
    }
}

struct Slot<T> {
    /// The id that resolves to this slot now, or that the next occupant will get.
    id: Id,
    value: Option<T>,
}

/// Values named by [`Id`]. Look-up is a bounds check and one comparison of 64 bits.
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    /// Indices of empty slots, the most recently emptied last: its cache lines are still warm.
    free: Vec<u32>,
    worker: u8,
    /// The generation of a slot's first occupant.
    generation: u32,
    live: usize,
}

impl<T> Slab<T> {
    /// A slab whose generations begin with `generation`, which is not 0. Slabs that begin far from
    /// each other do not resolve each other's ids.
    pub(crate) fn new(worker: u8, generation: NonZeroU32) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            worker,
            generation: generation.get(),
            live: 0,
        }
    }

    /// The worker in the ids of this slab.
    pub(crate) fn worker(&self) -> u8 {
        self.worker
    }

    /// Whether all slots are taken or retired.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots.len() >= SLOTS_MAX
    }

    /// Stores what `make` returns for the id it is given, or gives back `None` when all slots are
    /// taken or retired.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Id) -> T) -> Option<Id> {
        let index = match self.free.pop() {
            Some(index) => index as usize,
            None if self.slots.len() < SLOTS_MAX => {
                let index = self.slots.len();
                self.slots.push(Slot {
                    id: Id::new(index as u32, self.worker, self.generation),
                    value: None,
                });
                index
            }
            None => return None,
        };
        let slot = &mut self.slots[index];
        slot.value = Some(make(slot.id));
        self.live += 1;
        Some(slot.id)
    }

    /// Takes the value out. The id turns stale at once; a slot whose generation is used up is never
    /// filled again, so that no id can ever come back to life.
    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self
            .slots
            .get_mut(id.index())
            .filter(|slot| slot.id == id)?;
        let value = slot.value.take()?;
        self.live -= 1;
        if let Some(next) = slot.id.generation().checked_add(1) {
            slot.id = Id::new(id.index() as u32, self.worker, next);
            self.free.push(id.index() as u32);
        }
        Some(value)
    }

    #[inline]
    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        let slot = self.slots.get(id.index())?;
        if slot.id == id {
            slot.value.as_ref()
        } else {
            None
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.index())?;
        if slot.id == id {
            slot.value.as_mut()
        } else {
            None
        }
    }

    /// How many values are stored.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The ids of everything stored, in slot order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.slots
            .iter()
            .filter(|slot| slot.value.is_some())
            .map(|slot| slot.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_three_parts_apart() {
        let id = Id::new(0xff_ffff, 7, 0xdead_beef);
        assert_eq!(
            (id.index(), id.worker(), id.generation()),
            (0xff_ffff, 7, 0xdead_beef)
        );
        assert_eq!(Id::from_bits(id.to_bits()), id);
    }

    #[test]
    fn a_stale_id_names_nothing_even_when_its_slot_is_taken_again() {
        let mut slab = Slab::new(0, NonZeroU32::MIN);
        let first = slab.insert_with(|_| "first").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        assert_eq!(slab.remove(first), None);
        let second = slab.insert_with(|_| "second").unwrap();
        assert_eq!(second.index(), first.index());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut "second"));
        assert_eq!(slab.ids().collect::<Vec<_>>(), [second]);
    }

    #[test]
    fn an_id_of_another_worker_names_nothing() {
        let mut slab = Slab::new(1, NonZeroU32::MIN);
        let id = slab.insert_with(|_| ()).unwrap();
        let foreign = Id::new(id.index() as u32, 2, id.generation());
        assert_eq!(slab.get(foreign), None);
        assert_eq!(slab.remove(foreign), None);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn a_slot_whose_generation_is_used_up_is_retired() {
        let mut slab = Slab::new(0, NonZeroU32::MIN);
        let id = slab.insert_with(|_| 1).unwrap();
        slab.remove(id);
        slab.slots[0].id = Id::new(0, 0, u32::MAX);
        let last = slab.insert_with(|_| 2).unwrap();
        assert_eq!((last.index(), last.generation()), (0, u32::MAX));
        slab.remove(last);
        let next = slab.insert_with(|_| 3).unwrap();
        assert_eq!(next.index(), 1, "slot 0 has no generation left");
        assert_eq!(slab.get(last), None);
    }
}
