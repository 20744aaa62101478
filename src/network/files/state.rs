//! The tensors of a file as the parameters of affine maps, in the order of the layers.

use std::collections::BTreeMap;

use super::natural_key;
use crate::error::{Error, Result};
use crate::files::Array;

/// What PyTorch adds to a variance.
const EPSILON: f64 = 1e-5;

/// Characters of a name that errors quote.
const MAX_SHOWN: usize = 80;

/// Names of modules whose tensors are those of skips.
const SKIPS: [&str; 5] = ["skip", "shortcut", "downsample", "projection", "proj"];

/// The parameters of a network.
#[derive(Debug)]
pub(super) struct State {
    /// Those of layers that have any, and of the read-out last.
    pub layers: Vec<Parameters>,
    /// Those of maps of skips, in the order of the layers.
    pub skips: Vec<Parameters>,
}

/// The parameters of one affine map.
#[derive(Debug)]
pub(super) struct Parameters {
    /// How an error names them.
    pub name: String,
    /// What the tensors of one map have in common: the tensor's name without `.weight`.
    pub module: String,
    /// Units x inputs, or filters x channels x sides.
    pub weight: Array,
    /// Nothing is zero.
    pub bias: Option<Array>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Weight,
    Bias,
    Mean,
    Variance,
}

/// The tensors of one module.
type Module = BTreeMap<Role, (String, Array)>;

impl State {
    /// Sorts tensors by their names.
    pub(super) fn of_tensors(tensors: Vec<(String, Array)>) -> Result<Self> {
        // W0, W1, ... leave no number out; a Sequential counts its activations, too.
        let numbers = tensors.iter().filter_map(|(name, _)| name.strip_prefix('W')?.parse::<u32>().ok());
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        if let Some((missing, _)) = (0..).zip(&numbers).find(|(expected, number)| expected != *number) {
            return Err(Error::usage(format!("tensor 'W{missing}' is missing, or another is there twice")));
        }
        let mut modules: BTreeMap<(Vec<(u128, String)>, String), Module> = BTreeMap::new();
        for (name, array) in tensors {
            let (module, role) = module_and_role(&name).ok_or_else(|| {
                Error::usage(format!(
                    "tensor '{}': expected W0, b0, W1, b1, ... (S1 for the skip of W1) or 0.weight, 0.bias, 2.weight, ...",
                    shown(&name)
                ))
            })?;
            let tensors = modules.entry((natural_key(&module), module.clone())).or_default();
            if let Some((other, _)) = tensors.insert(role, (name.clone(), array)) {
                let [module, other, name] = [&module, &other, &name].map(|name| shown(name));
                return Err(Error::usage(format!("layer '{module}' has two such tensors: '{other}' and '{name}'")));
            }
        }
        let mut modules: Vec<(String, Module)> =
            modules.into_iter().map(|((_, name), tensors)| (name, tensors)).collect();
        fold_normalisation(&mut modules)?;
        let mut state = Self { layers: Vec::new(), skips: Vec::new() };
        for (module, mut tensors) in modules {
            let Some((name, weight)) = tensors.remove(&Role::Weight) else {
                return Err(Error::usage(format!("layer '{}' has a bias without a weight", shown(&module))));
            };
            let bias = tensors.remove(&Role::Bias).map(|(_, bias)| bias);
            let is_skip = is_skip(&module);
            let parameters = Parameters { name: shown(&name), module, weight, bias };
            if is_skip { state.skips.push(parameters) } else { state.layers.push(parameters) }
        }
        Ok(state)
    }

    /// Puts the layers in another order, and the maps of skips after the first layers with which their names have most in common.
    pub(super) fn put_in_order(&mut self, order: &[usize]) {
        if order.is_sorted() {
            return;
        }
        let mut layers: Vec<Option<Parameters>> = self.layers.drain(..).map(Some).collect();
        self.layers.extend(order.iter().map(|&ix| layers[ix].take().expect("each once")));
        let keys: Vec<_> = self.layers.iter().map(|layer| natural_key(&layer.module)).collect();
        let in_common =
            |a: &[(u128, String)], b: &[(u128, String)]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
        self.skips.sort_by_cached_key(|skip| {
            let key = natural_key(&skip.module);
            (0..keys.len()).max_by_key(|&ix| (in_common(&keys[ix], &key), std::cmp::Reverse(ix)))
        });
    }
}

fn is_skip(module: &str) -> bool {
    let is_numbered = module.strip_prefix('S').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    is_numbered || module.split('.').any(|part| SKIPS.contains(&part))
}

/// A name as errors quote it: files may have names of any length.
pub(super) fn shown(name: &str) -> String {
    match name.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

/// The module of a tensor, which is its layer: `3` of `W3` and `3.weight`, `S3` of the weights of a skip.
fn module_and_role(name: &str) -> Option<(String, Role)> {
    let is_number = |text: &str| text.parse().is_ok_and(|n: u32| n.to_string() == text);
    let numbered = |prefix| name.strip_prefix(prefix).filter(|number| is_number(number));
    if let Some(number) = numbered("W") {
        return Some((number.to_owned(), Role::Weight));
    }
    if let Some(number) = numbered("b") {
        return Some((number.to_owned(), Role::Bias));
    }
    let of_skip = name.strip_prefix('S').map(|number| number.split_once('_').unwrap_or((number, "0")));
    if of_skip.is_some_and(|(layer, ix)| is_number(layer) && is_number(ix)) {
        return Some((name.to_owned(), Role::Weight));
    }
    let roles = [
        (".weight", Role::Weight),
        (".bias", Role::Bias),
        (".running_mean", Role::Mean),
        (".running_var", Role::Variance),
    ];
    roles.into_iter().find_map(|(suffix, role)| Some((name.strip_suffix(suffix)?.to_owned(), role)))
}

/// Composes every normalisation by statistics of the training with the affine map right before it.
fn fold_normalisation(modules: &mut Vec<(String, Module)>) -> Result<()> {
    let is_normalisation = |module: &Module| module.contains_key(&Role::Mean) || module.contains_key(&Role::Variance);
    while let Some(ix) = modules.iter().position(|(_, module)| is_normalisation(module)) {
        let (name, norm) = modules.remove(ix);
        let before = module_before(&name);
        let target = modules.iter_mut().find(|(module, tensors)| {
            Some(module) == before.as_ref() && tensors.contains_key(&Role::Weight) && !is_normalisation(tensors)
        });
        let Some((_, tensors)) = target else {
            return Err(Error::usage(format!(
                "tensor '{}.running_mean': only in a Sequential, as 1 behind 0, do names say what a normalisation is behind; fold it \
                 into the weights before saving, or export the network as .onnx",
                shown(&name)
            )));
        };
        fold(&name, norm, tensors)?;
    }
    Ok(())
}

/// The module before a normalisation in a Sequential; other names do not say which it is.
fn module_before(name: &str) -> Option<String> {
    let (parent, number) = name.rsplit_once('.').map_or((None, name), |(parent, number)| (Some(parent), number));
    let before = number.parse::<u32>().ok()?.checked_sub(1)?;
    Some(parent.map_or_else(|| before.to_string(), |parent| format!("{parent}.{before}")))
}

fn fold(name: &str, mut norm: Module, tensors: &mut Module) -> Result<()> {
    let (weight_name, weight) = tensors.get_mut(&Role::Weight).expect("has a weight");
    let units = weight.shape.first().copied().unwrap_or(0);
    let mut take = |role: Role, default: Option<f64>| match (norm.remove(&role), default) {
        (Some((tensor, array)), _) if array.shape != [units] => Err(Error::usage(format!(
            "{tensor}: shape {:?}, expected ({units},) for the units of '{weight_name}'",
            array.shape
        ))),
        (Some((_, array)), _) => Ok(array.values),
        (None, Some(value)) => Ok(vec![value; units]),
        (None, None) => Err(Error::usage(format!("layer '{name}' has one of running_mean and running_var alone"))),
    };
    let (mean, variance) = (take(Role::Mean, None)?, take(Role::Variance, None)?);
    let (gain, shift) = (take(Role::Weight, Some(1.0))?, take(Role::Bias, Some(0.0))?);
    let scale: Vec<f64> = gain.iter().zip(&variance).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
    if let Some(unit) = scale.iter().position(|c| !c.is_finite()) {
        return Err(Error::usage(format!("{name}.running_var: element {unit} is {}", variance[unit])));
    }
    let row = (weight.values.len() / units.max(1)).max(1);
    for (row, c) in weight.values.chunks_mut(row).zip(&scale) {
        row.iter_mut().for_each(|w| *w *= c);
    }
    let bias = tensors.entry(Role::Bias).or_insert_with(|| {
        let zeros = Array { shape: vec![units], values: vec![0.0; units] };
        (format!("{name}.bias"), zeros)
    });
    let terms = scale.iter().zip(&mean).zip(&shift);
    bias.1.values.iter_mut().zip(terms).for_each(|(b, ((c, mean), shift))| *b = (*b - mean) * c + shift);
    Ok(())
}
