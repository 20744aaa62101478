//! Architectures as text.

mod read;
#[cfg(test)]
mod tests;
mod text;
mod write;
