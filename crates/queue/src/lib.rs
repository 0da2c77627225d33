//! tenure-queue
