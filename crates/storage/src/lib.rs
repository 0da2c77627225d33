//! tenure-storage
