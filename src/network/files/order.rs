//! The order of layers whose names do not say it.
//!
//! Names say which of two layers is first where they differ first in a number: `fc2` and `fc10`, `0` and `2`. Where they differ in letters
//! (`body` and `head`), shapes decide: parts of one name stay together, and layers have to follow each other.

use super::natural_key;
use crate::error::{Error, Result};

/// Orders that are tried before the search is given up.
const MAX_STEPS: usize = 100_000;

const REMEDY: &str = "names that differ in letters do not say the order of layers: name the weights W0, W1, ... or 0.weight, 2.weight, ...";

/// The order of the layers with these names, which are in natural order. `follows` says whether the shape of a layer, the last argument,
/// fits behind those before it.
///
/// # Errors
/// No order in which shapes follow each other, and two of them.
pub(super) fn order(names: &[&str], follows: impl Fn(&[usize], usize) -> bool) -> Result<Vec<usize>> {
    let keys: Vec<Key> = names.iter().map(|name| natural_key(name)).collect();
    if keys.windows(2).all(|pair| differ_in_number(&pair[0], &pair[1])) {
        return Ok((0..names.len()).collect());
    }
    let mut search =
        Search { keys: &keys, follows, taken: Vec::new(), is_taken: vec![false; keys.len()], found: vec![], steps: 0 };
    search.go_on();
    let list = |order: &[usize]| order.iter().take(12).map(|&ix| names[ix]).collect::<Vec<_>>().join(", ");
    match &search.found[..] {
        [order] if search.steps < MAX_STEPS => Ok(order.clone()),
        [] if search.steps < MAX_STEPS => {
            let all: Vec<usize> = (0..names.len()).collect();
            Err(Error::usage(format!(
                "no order of {} makes layers whose shapes follow each other; {REMEDY}",
                list(&all)
            )))
        }
        [first, second, ..] => {
            Err(Error::usage(format!("{} or {} may be the layers; {REMEDY}", list(first), list(second))))
        }
        _ => Err(Error::usage(REMEDY)),
    }
}

/// The runs of letters and of digits of a name.
type Key = Vec<(u128, String)>;

/// Whether two different names differ first in a number, or one has something behind the other.
fn differ_in_number(a: &Key, b: &Key) -> bool {
    let is_number = |run: &(u128, String)| run.1.starts_with(|c: char| c.is_ascii_digit());
    a.iter().zip(b).find(|(a, b)| a != b).is_none_or(|(a, b)| is_number(a) && is_number(b))
}

/// How many runs two names begin with together.
fn n_common(a: &Key, b: &Key) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

struct Search<'a, F> {
    keys: &'a [Key],
    follows: F,
    taken: Vec<usize>,
    is_taken: Vec<bool>,
    /// The first two orders.
    found: Vec<Vec<usize>>,
    steps: usize,
}

impl<F: Fn(&[usize], usize) -> bool> Search<'_, F> {
    fn go_on(&mut self) {
        if self.taken.len() == self.keys.len() {
            self.found.push(self.taken.clone());
            return;
        }
        for next in 0..self.keys.len() {
            if self.found.len() == 2 || self.steps == MAX_STEPS {
                return;
            }
            self.steps += 1;
            if !self.is_taken[next] && self.may_be_next(next) && (self.follows)(&self.taken, next) {
                self.taken.push(next);
                self.is_taken[next] = true;
                self.go_on();
                self.is_taken[next] = false;
                self.taken.pop();
            }
        }
    }

    /// Whether names allow a layer to be the next.
    fn may_be_next(&self, next: usize) -> bool {
        let with_last = |ix: usize| self.taken.last().map_or(0, |&last| n_common(&self.keys[last], &self.keys[ix]));
        let here = with_last(next);
        // In natural order a lower number is earlier.
        (0..self.keys.len()).filter(|&other| !self.is_taken[other] && other != next).all(|other| {
            let is_earlier = other < next && differ_in_number(&self.keys[other], &self.keys[next]);
            !is_earlier && with_last(other) <= here
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers as (outputs, inputs), in natural order of their names.
    fn order_of(layers: &[(&str, usize, usize)]) -> Result<Vec<String>> {
        let names: Vec<&str> = layers.iter().map(|layer| layer.0).collect();
        let follows = |taken: &[usize], next: usize| taken.last().is_none_or(|&last| layers[last].1 == layers[next].2);
        Ok(order(&names, follows)?.into_iter().map(|ix| names[ix].to_owned()).collect())
    }

    #[test]
    fn shapes_decide_where_letters_differ() {
        assert_eq!(order_of(&[("head", 1, 5), ("net", 5, 2)]).unwrap(), ["net", "head"]);
        let layers = [("classifier.1", 4, 6), ("classifier.4", 3, 4), ("features.0", 5, 2), ("features.3", 6, 5)];
        let expected = ["features.0", "features.3", "classifier.1", "classifier.4"];
        assert_eq!(order_of(&layers).unwrap(), expected);
        // Numbers alone decide, whatever the shapes.
        let layers = [("fc2", 7, 7), ("fc10", 3, 3)];
        assert_eq!(order_of(&layers).unwrap(), ["fc2", "fc10"]);
        // Square layers of one part stay together.
        let layers = [("a.0", 4, 4), ("a.1", 4, 4), ("b.0", 4, 2), ("c", 1, 4)];
        assert_eq!(order_of(&layers).unwrap(), ["b.0", "a.0", "a.1", "c"]);
    }

    #[test]
    fn undecided_orders_are_refused() {
        let message = |layers: &[(&str, usize, usize)]| order_of(layers).unwrap_err().to_string();
        let either = message(&[("a", 4, 4), ("b", 4, 4)]);
        assert!(either.starts_with("a, b or b, a may be") && either.contains("W0, W1"), "{either}");
        let neither = message(&[("a", 4, 3), ("b", 4, 3)]);
        assert!(neither.starts_with("no order of a, b"), "{neither}");
        // A step of the search for every order would not end.
        let names: Vec<String> = (b'a'..=b'z').map(|c| char::from(c).to_string()).collect();
        let mut layers: Vec<(&str, usize, usize)> = names.iter().map(|name| (name.as_str(), 4, 4)).collect();
        layers[25] = ("z", 1, 9);
        assert!(message(&layers).contains("W0, W1"));
    }
}
