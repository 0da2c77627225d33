//! tenure-frontend
