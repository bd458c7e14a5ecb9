//! The numbers of `include/keirin.h` that are used here.

use crate::abi::Status;

pub(crate) const WS_BACKPRESSURE_BYTES_MAX: u32 = 3;
pub(crate) const LINGER_TIMEOUT_MS: u32 = 18;
pub(crate) const COUNT_CONNECTIONS_OPEN: u32 = 1;
pub(crate) const COUNT_REQUESTS: u32 = 5;
pub(crate) const COUNT_SOCKETS_OPEN: u32 = 12;
pub(crate) const COUNT_MISUSE_STALE: u32 = 18;
pub(crate) const COUNT_MISUSE_OTHER: u32 = 19;
pub(crate) const COUNT_PANICS: u32 = 21;
pub(crate) const OK: Status = 0;
pub(crate) const QUEUED: Status = 1;
pub(crate) const DROPPED: Status = 2;
pub(crate) const ERR_NULL: Status = -1;
pub(crate) const ERR_WRONG_THREAD: Status = -2;
pub(crate) const ERR_REENTRANT: Status = -3;
pub(crate) const ERR_STALE: Status = -5;
pub(crate) const ERR_ALREADY_ENDED: Status = -6;
pub(crate) const ERR_ALREADY_BEGUN: Status = -7;
pub(crate) const ERR_HEADER: Status = -8;
pub(crate) const ERR_STATUS: Status = -9;
pub(crate) const ERR_LENGTH: Status = -10;
pub(crate) const ERR_LEFT_ALONE: Status = -11;
pub(crate) const ERR_FRAGMENT: Status = -12;
pub(crate) const ERR_TOPIC: Status = -13;
pub(crate) const ERR_CLOSE_CODE: Status = -14;
pub(crate) const ERR_ARGUMENT: Status = -16;
pub(crate) const ERR_STOPPED: Status = -23;
pub(crate) const ERR_NOT_FOUND: Status = -26;
pub(crate) const TEXT: u32 = 1;
pub(crate) const BINARY: u32 = 2;
pub(crate) const UNCOMPRESSED: u32 = 4;
pub(crate) const ERR_CONFIG: Status = -17;
