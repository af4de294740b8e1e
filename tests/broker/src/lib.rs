//! A bus broker that speaks what ubusd speaks.
