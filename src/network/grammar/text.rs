//! What the text of an architecture is made of.

use crate::error::{Error, Result};

/// A whole number without a sign.
pub(super) fn number(text: &str) -> Option<usize> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The parts between dashes outside of brackets.
pub(super) fn split(text: &str) -> Result<Vec<&str>> {
    let unpaired = || Error::usage("blocks begin with [ and end with ], one after the other: [64-64]x3");
    let (mut parts, mut start, mut is_inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' | ']' if is_inside == (c == '[') => return Err(unpaired()),
            '[' | ']' => is_inside = !is_inside,
            '-' if !is_inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if is_inside {
        return Err(unpaired());
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// What stands behind each of these letters, of which the first begins the text and the others follow in order or are left out.
pub(super) fn fields<const N: usize>(text: &str, letters: [char; N]) -> Option<[Option<&str>; N]> {
    let mut found = [None; N];
    let mut rest = text;
    let mut next = 0;
    while let Some(letter) = rest.chars().next() {
        let ix = letters[next..].iter().position(|&l| l == letter)? + next;
        let end = rest[1..].find(letters.as_slice()).map_or(rest.len(), |at| at + 1);
        found[ix] = Some(&rest[1..end]);
        (rest, next) = (&rest[end..], ix + 1);
    }
    Some(found)
}

/// Padding of all sides, of rows x columns, or where it differs before and after the image, before:after of both.
pub(super) fn padding_of(text: &str, is_line: bool) -> Option<[[usize; 2]; 2]> {
    let axis = |text: &str| match text.split_once(':') {
        Some((before, after)) => Some([number(before)?, number(after)?]),
        None => number(text).map(|n| [n, n]),
    };
    match text.split_once('x') {
        Some((rows, columns)) if !is_line => Some([axis(rows)?, axis(columns)?]),
        Some(_) => None,
        None if is_line => Some([[0; 2], axis(text)?]),
        None => axis(text).map(|n| [n, n]),
    }
}
