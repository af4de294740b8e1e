//! An upstream download site for tests.
