//! Which shape the cache takes within its limit: whole numbers without tensors.
//!
//! All slots have one capacity, so the memory is the product of both. The capacity doubles as sequences grow, and the
//! slots follow the number of sequences. Where the limit is reached, fewer sequences run at once: a sequence that is
//! there goes on before one that waits, and the oldest always has room, because no request is taken that would not fit
//! alone. The capacity is halved again only when twice the longest sequence has room, so that two sequences cannot
//! make it swing.

/// Capacities are multiples of this where the limit allows it, so that calls of similar lengths share an allocation.
const CAPACITY_STEP: usize = 64;

/// Positions behind its prompt that a sequence gets before anything else is known of its length.
const FIRST_POSITIONS: usize = 256;

/// Positions behind its prompt without which a sequence does not enter: it would soon have to leave again.
const RESERVE: usize = 64;

/// Sequences that a cache holds, and tokens that each of them can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) slots: usize,
    pub(crate) capacity: usize,
}

/// What a sequence that waits wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Tokens that it has.
    pub(crate) length: usize,
    /// Tokens that it may come to have.
    pub(crate) most: usize,
}

impl Wish {
    /// Positions without which it does not enter.
    pub(crate) fn least(self) -> usize {
        self.most.min(self.length.saturating_add(RESERVE))
    }

    /// Positions for a completion of usual length.
    fn comfortable(self) -> usize {
        self.most.min(self.length.saturating_add(FIRST_POSITIONS))
    }
}

/// The sequences that are in the cache.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) sequences: usize,
    /// Positions that the longest of them needs.
    pub(crate) longest: usize,
}

/// The limits of a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Most sequences at once.
    pub(crate) max_batch: usize,
    /// Positions of all slots together.
    pub(crate) positions: usize,
}

impl Room {
    fn fits(self, shape: Shape) -> bool {
        shape.slots.saturating_mul(shape.capacity) <= self.positions
    }

    /// As many slots of a capacity as fit.
    fn slots_of(self, capacity: usize) -> Shape {
        let slots = self.max_batch.min(self.positions / capacity.max(1));
        Shape { slots, capacity }
    }

    /// A shape in which the sequences of the cache can grow to `held.longest`, where `most` is the longest that any
    /// may become; `None` if one of them has to leave first.
    pub(crate) fn grow(self, shape: Shape, held: Held, most: usize) -> Option<Shape> {
        let largest = self.positions / held.sequences.max(1);
        if held.longest > largest {
            return None;
        }
        let wanted = most.min(shape.capacity.saturating_mul(2)).max(held.longest);
        let capacity = rounded(wanted).min(largest);
        let slots = shape.slots.min(self.positions / capacity);
        Some(Shape { slots, capacity })
    }

    /// A shape in which the first of the sequences that wait can enter, and the others if that is possible; `None` if
    /// it has to wait until a sequence ends.
    pub(crate) fn admit(
        self,
        shape: Shape,
        held: Held,
        waiting: impl Iterator<Item = Wish>,
    ) -> Option<Shape> {
        if held.sequences >= self.max_batch {
            return None;
        }
        let mut waiting = waiting.peekable();
        let first = waiting.peek()?.least();
        let (count, wanted) = waiting.fold((0, 0), |(count, wanted), wish| {
            (count + 1, wish.comfortable().max(wanted))
        });
        let free = shape.slots.saturating_sub(held.sequences);
        let capacity = if first <= shape.capacity {
            shape.capacity
        } else {
            rounded(wanted.max(first))
        };
        let slots = if free > 0 {
            shape.slots.min(self.max_batch)
        } else {
            let doubled = shape.slots.saturating_mul(2);
            self.max_batch.min(doubled.max(held.sequences + count))
        };
        let wished = Shape { slots, capacity };
        if self.fits(wished) {
            return Some(wished);
        }
        self.squeeze(shape, held, first, capacity)
    }

    /// The same where the limit does not allow what is wished.
    fn squeeze(self, shape: Shape, held: Held, first: usize, wished: usize) -> Option<Shape> {
        let largest = self.positions / (held.sequences + 1);
        let least = first.max(held.longest);
        if least > largest {
            return None;
        }
        if first > shape.capacity {
            return Some(self.slots_of(wished.min(largest)));
        }
        let same = self.slots_of(shape.capacity);
        if same.slots > held.sequences {
            return Some(same);
        }
        let half = shape.capacity / 2;
        (half >= rounded(least)).then(|| self.slots_of(half.min(largest)))
    }
}

fn rounded(capacity: usize) -> usize {
    capacity
        .checked_next_multiple_of(CAPACITY_STEP)
        .unwrap_or(capacity)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn shape(slots: usize, capacity: usize) -> Shape {
        Shape { slots, capacity }
    }

    fn held(sequences: usize, longest: usize) -> Held {
        Held { sequences, longest }
    }

    fn wishes(count: usize, length: usize, most: usize) -> impl Iterator<Item = Wish> {
        std::iter::repeat_n(Wish { length, most }, count)
    }

    const FREE: Room = Room {
        max_batch: 8,
        positions: usize::MAX,
    };
    const TIGHT: Room = Room {
        max_batch: 8,
        positions: 1024,
    };

    #[test]
    fn without_a_limit_all_enter_and_capacities_double() {
        let none = Shape::default();
        let first = FREE.admit(none, held(0, 0), wishes(3, 200, 328));
        assert_eq!(first, Some(shape(3, 384)));
        // Not all positions of the model in advance.
        let chat = FREE.admit(none, held(0, 0), wishes(20, 10, 1_500_000));
        assert_eq!(chat, Some(shape(8, 320)));
        assert_eq!(
            FREE.grow(shape(8, 320), held(8, 321), 1_500_000),
            Some(shape(8, 640))
        );
        assert_eq!(
            FREE.grow(shape(8, 320), held(8, 321), 350),
            Some(shape(8, 384))
        );
        // A slot more is a doubling of the slots.
        let more = FREE.admit(shape(2, 320), held(2, 100), wishes(1, 10, 20));
        assert_eq!(more, Some(shape(4, 320)));
        assert_eq!(
            FREE.admit(shape(8, 320), held(8, 100), wishes(1, 10, 20)),
            None
        );
    }

    #[test]
    fn at_the_limit_fewer_run_and_the_youngest_leaves() {
        let none = Shape::default();
        let entered = TIGHT.admit(none, held(0, 0), wishes(20, 10, 900));
        assert_eq!(entered, Some(shape(3, 320)));
        assert_eq!(
            TIGHT.grow(shape(3, 320), held(3, 321), 900),
            Some(shape(3, 341))
        );
        assert_eq!(TIGHT.grow(shape(3, 341), held(3, 342), 900), None);
        assert_eq!(
            TIGHT.grow(shape(3, 341), held(2, 342), 900),
            Some(shape(2, 512))
        );
        assert_eq!(
            TIGHT.grow(shape(2, 512), held(1, 513), 1024),
            Some(shape(1, 1024))
        );
    }

    #[test]
    fn a_shape_shrinks_only_where_twice_the_longest_has_room() {
        assert_eq!(
            TIGHT.admit(shape(1, 1024), held(1, 900), wishes(1, 10, 900)),
            None
        );
        assert_eq!(
            TIGHT.admit(shape(1, 1024), held(1, 520), wishes(1, 10, 900)),
            None
        );
        assert_eq!(
            TIGHT.admit(shape(1, 1024), held(1, 400), wishes(1, 10, 900)),
            Some(shape(2, 512))
        );
    }

    #[test]
    fn no_shape_ever_exceeds_the_limit_or_loses_a_sequence() {
        for positions in [64, 100, 1000, 4097] {
            for max_batch in [1, 3, 32] {
                let room = Room {
                    max_batch,
                    positions,
                };
                check_all(room);
            }
        }
    }

    fn check_all(room: Room) {
        for slots in 1..=room.max_batch {
            for capacity in [1, 63, 64, 300, 1000, 4000] {
                let before = shape(slots, capacity);
                if !room.fits(before) {
                    continue;
                }
                for sequences in 0..=slots {
                    let held = held(sequences, if sequences == 0 { 0 } else { capacity });
                    for length in [1, 50, 200, 999, 4090] {
                        let wish = wishes(5, length, length + 1);
                        if let Some(after) = room.admit(before, held, wish) {
                            assert!(room.fits(after), "{room:?} {before:?} {held:?} {length}");
                            assert!(after.slots > sequences && after.slots <= room.max_batch);
                            assert!(after.capacity > length && after.capacity >= held.longest);
                        } else {
                            let free = sequences == 0 && length < room.positions;
                            assert!(!free, "{room:?} {before:?} refuses {length}");
                        }
                    }
                    let longer = Held {
                        longest: capacity + 1,
                        ..held
                    };
                    if let Some(after) = room.grow(before, longer, 10_000) {
                        assert!(room.fits(after) && after.slots >= sequences);
                        assert!(after.capacity > capacity);
                    }
                }
            }
        }
    }
}
