//! Slots: what is shared out among the members of a cluster.

use px_core::RunId;

/// Slots that the lanes of callbacks are divided among.
pub const LANE_SLOTS: u8 = 64;

/// Slots that timers are divided among.
pub const TIMER_SLOTS: u8 = 16;

/// Work that one member does for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// Forgets deliveries that are too old to keep.
    Inbox,
    /// Removes callbacks that are too old to keep.
    Outbox,
    /// Looks after what belongs to no run.
    Upkeep,
    /// Counts rows for the metrics.
    Figures,
}

impl Duty {
    /// Every duty.
    pub const ALL: [Self; 4] = [Self::Inbox, Self::Outbox, Self::Upkeep, Self::Figures];
}

/// A share of the work that has one owner at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Some of the lanes of callbacks.
    Lanes(u8),
    /// Some of the timers.
    Timers(u8),
    /// A duty.
    Duty(Duty),
}

impl Slot {
    /// The slot of a lane.
    #[must_use]
    pub fn of_lane(lane: u64) -> Self {
        // Lanes are hashes already.
        Self::Lanes(u8::try_from(lane % u64::from(LANE_SLOTS)).unwrap_or(0))
    }

    /// The slot of a run's timers.
    #[must_use]
    pub fn of_run(run: RunId) -> Self {
        // The last bytes of an id are random, its first ones are the time.
        let last = run.to_bytes().last().copied().unwrap_or(0);
        Self::Timers(last % TIMER_SLOTS)
    }

    /// The slot of the timers that belong to no run, by the bytes of their key.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Self {
        // FNV-1a: the same in every build.
        let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self::Timers(u8::try_from(hash % u64::from(TIMER_SLOTS)).unwrap_or(0))
    }

    /// Every slot.
    pub fn all() -> impl Iterator<Item = Self> {
        let lanes = (0..LANE_SLOTS).map(Self::Lanes);
        lanes.chain((0..TIMER_SLOTS).map(Self::Timers)).chain(Duty::ALL.map(Self::Duty))
    }

    /// Bytes that tell this slot from every other one.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Lanes(number) => [b'l', number],
            Self::Timers(number) => [b't', number],
            Self::Duty(duty) => [b'd', duty as u8],
        }
    }
}
