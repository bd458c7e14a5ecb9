//! keirin
