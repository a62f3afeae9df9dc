//! The exit codes, which scripts and the systemd unit depend on (`sysexits.h` numbers).

/// It went as asked.
pub const OK: u8 = 0;
/// It failed, and nothing more precise applies.
pub const FAILURE: u8 = 1;
/// `plan`: a reload would change something.
pub const CHANGES: u8 = 2;
/// The command line was wrong.
pub const USAGE: u8 = 64;
/// Something outside did not answer: a look of `run --once`, an address that cannot be bound.
pub const UNAVAILABLE: u8 = 69;
/// `wait`: it took too long, as timeout(1) has it.
pub const TIMED_OUT: u8 = 124;
/// The store cannot be used.
pub const STORE: u8 = 74;
/// The configuration is wrong; the unit does not restart on it.
pub const CONFIG: u8 = 78;
