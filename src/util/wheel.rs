//! A hierarchical timer wheel: insertion and expiry in constant time, ticks of one millisecond, and
//! no cancellation. Whoever armed an entry keeps the right to ignore it when it comes up, which is
//! what makes re-arming an idle timeout a single store elsewhere.

/// Milliseconds since the loop began.
pub(crate) type Tick = u64;

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 6;

/// Entries further ahead than this (about two years) are kept at this distance and come up early.
pub(crate) const HORIZON: Tick = (1 << (SLOT_BITS as usize * LEVELS)) - 1;

struct Entry<K> {
    deadline: Tick,
    key: K,
}

struct Level<K> {
    /// Bit `n` is set when slot `n` holds something.
    occupied: u64,
    slots: [Vec<Entry<K>>; SLOTS],
}

/// Keys that come up at their deadline.
pub(crate) struct Wheel<K> {
    now: Tick,
    /// Nothing comes up before this.
    next: Option<Tick>,
    levels: [Level<K>; LEVELS],
}

impl<K> Wheel<K> {
    pub(crate) fn new() -> Self {
        let level = || Level {
            occupied: 0,
            slots: std::array::from_fn(|_| Vec::new()),
        };
        Self {
            now: 0,
            next: None,
            levels: std::array::from_fn(|_| level()),
        }
    }

    /// Adds `key`, to come up once the wheel is advanced to `deadline`; a deadline that has passed
    /// comes up with the next tick.
    pub(crate) fn insert(&mut self, deadline: Tick, key: K) {
        let deadline = deadline.clamp(self.now + 1, self.now + HORIZON);
        self.next = Some(self.next.map_or(deadline, |next| next.min(deadline)));
        self.place(Entry { deadline, key });
    }

    fn place(&mut self, entry: Entry<K>) {
        let differing = (self.now ^ entry.deadline) | (SLOTS as u64 - 1);
        let level = ((u64::BITS - 1 - differing.leading_zeros()) / SLOT_BITS) as usize;
        // A deadline within the horizon can still differ above the top level's bits: there the
        // slots are read as a ring.
        let level = level.min(LEVELS - 1);
        let slot = (entry.deadline >> (level as u32 * SLOT_BITS)) as usize % SLOTS;
        self.levels[level].occupied |= 1 << slot;
        self.levels[level].slots[slot].push(entry);
    }

    /// The earliest tick at which something may come up. It can be early (an entry of a far slot
    /// has to be sorted into a nearer one first), never late.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.next
    }

    fn next_slot(&self) -> Option<(usize, usize, Tick)> {
        let candidate = |level: usize| {
            let occupied = self.levels[level].occupied;
            if occupied == 0 {
                return None;
            }
            let shift = level as u32 * SLOT_BITS;
            let now_slot = (self.now >> shift) as u32 % SLOTS as u32;
            // The slot of the present was emptied when the wheel reached it, so what stands there
            // now is a full turn ahead: look at it last.
            let ahead = occupied.rotate_right(now_slot + 1).trailing_zeros() + 1;
            let slot = (now_slot + ahead) as usize % SLOTS;
            let start = (self.now >> shift) + u64::from(ahead);
            Some((level, slot, start << shift))
        };
        (0..LEVELS)
            .filter_map(candidate)
            .min_by_key(|&(_, _, deadline)| deadline)
    }

    /// Moves the wheel to `now` and appends every key that came up to `expired`, in the order of
    /// their deadlines.
    pub(crate) fn advance(&mut self, now: Tick, expired: &mut Vec<K>) {
        self.next = loop {
            let Some((level, slot, deadline)) = self.next_slot() else {
                break None;
            };
            if deadline > now {
                break Some(deadline);
            }
            self.now = deadline;
            self.levels[level].occupied &= !(1 << slot);
            let entries = std::mem::take(&mut self.levels[level].slots[slot]);
            for entry in entries {
                if entry.deadline <= deadline {
                    expired.push(entry.key);
                } else {
                    self.place(entry);
                }
            }
        };
        self.now = self.now.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(wheel: &mut Wheel<u32>, now: Tick) -> Vec<u32> {
        let mut expired = Vec::new();
        wheel.advance(now, &mut expired);
        expired
    }

    #[test]
    fn an_entry_comes_up_at_its_tick_and_not_before() {
        for deadline in [
            1, 2, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 75_000, 16_777_216,
        ] {
            let mut wheel = Wheel::new();
            wheel.insert(deadline, 7);
            assert_eq!(drain(&mut wheel, deadline - 1), [], "{deadline} came early");
            assert_eq!(drain(&mut wheel, deadline), [7], "{deadline} did not come");
            assert_eq!(wheel.next_deadline(), None);
        }
    }

    #[test]
    fn a_deadline_in_the_past_comes_up_with_the_next_tick() {
        let mut wheel = Wheel::new();
        assert_eq!(drain(&mut wheel, 1000), []);
        wheel.insert(5, 1);
        assert_eq!(wheel.next_deadline(), Some(1001));
        assert_eq!(drain(&mut wheel, 1001), [1]);
    }

    #[test]
    fn a_deadline_beyond_the_horizon_is_kept() {
        let mut wheel = Wheel::new();
        drain(&mut wheel, 12_345);
        wheel.insert(u64::MAX, 1);
        assert_eq!(drain(&mut wheel, 12_345 + HORIZON - 1), []);
        assert_eq!(drain(&mut wheel, 12_345 + HORIZON), [1]);
    }

    /// Against a sorted list, with steps of every size.
    #[test]
    fn the_wheel_agrees_with_a_sorted_list() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut wheel = Wheel::new();
        let mut list: Vec<(Tick, u32)> = Vec::new();
        let mut now = 0;
        for key in 0..20_000 {
            let span = 1 << next(22);
            let deadline = now + 1 + next(span);
            wheel.insert(deadline, key);
            list.push((deadline, key));
            if next(3) == 0 {
                let span = 1 << next(18);
                now += next(span);
                let due = list.iter().map(|entry| entry.0).min().unwrap_or(u64::MAX);
                assert!(
                    wheel.next_deadline().is_none_or(|tick| tick <= due),
                    "late at {now}"
                );
                let mut expired = drain(&mut wheel, now);
                let mut expected: Vec<u32> = list
                    .extract_if(.., |entry| entry.0 <= now)
                    .map(|entry| entry.1)
                    .collect();
                expired.sort_unstable();
                expected.sort_unstable();
                assert_eq!(expired, expected, "at {now}");
            }
        }
    }
}
